"""A whole corpus in memory, as int16."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from spkid.audio.reading import load_audio
from spkid.config import canonical_json, fingerprint
from spkid.errors import BadAudio


def is_held_out(speaker: str) -> bool:
    """One speaker in ten, by name: never trained on; kept for model choice and calibration."""
    return int(hashlib.sha256(speaker.encode()).hexdigest(), 16) % 10 == 0


@dataclass(frozen=True)
class Corpus:
    """Clips end to end in one int16 array; ``speakers[i]`` is empty where nobody is known.

    ``corpora[i]`` names the corpus that clip ``i`` is from, ``groups[i]`` the people whom its
    speaker belongs to where batches are balanced over groups.
    """

    samples: NDArray[np.int16]  # [total]
    starts: NDArray[np.int64]  # [clips + 1]
    paths: list[str]
    speakers: list[str]
    corpora: list[str] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.paths)

    def clip(self, index: int) -> NDArray[np.int16]:
        """One clip as int16 ``[samples]``."""
        return self.samples[self.starts[index] : self.starts[index + 1]]

    def subset(self, kept: Sequence[bool]) -> Corpus:
        """The clips that ``kept`` is true for, in their order."""
        rows = np.flatnonzero(kept).tolist()
        clips = [np.empty(0, np.int16), *(self.clip(row) for row in rows)]
        return Corpus(
            np.concatenate(clips),
            np.cumsum([0, *map(len, clips[1:])]),
            *([names[row] for row in rows] for names in (self.paths, self.speakers)),
            *([names[row] for row in rows if names] for names in (self.corpora, self.groups)),
        )

    @classmethod
    def joined(cls, parts: Sequence[Corpus]) -> Corpus:
        """The clips of all ``parts``, one corpus after the other."""
        lengths = [np.diff(part.starts) for part in parts]
        return cls(
            np.concatenate([np.empty(0, np.int16), *(part.samples for part in parts)]),
            np.cumsum([0, *(length for own in lengths for length in own)]),
            [path for part in parts for path in part.paths],
            [speaker for part in parts for speaker in part.speakers],
            [name for part in parts for name in part.corpora],
            [name for part in parts for name in part.groups],
        )

    def fingerprint(self) -> str:
        """Names the clips by path, speaker, group (where there are any) and length."""
        names = {"paths": self.paths, "speakers": self.speakers}
        if any(self.groups):
            names["groups"] = self.groups
        return fingerprint(canonical_json(names), self.starts.astype(np.int64).tobytes())

    @classmethod
    def load(
        cls,
        root: Path,
        paths: list[str],
        speakers: list[str],
        *,
        corpora: list[str] | None = None,
        groups: list[str] | None = None,
        spans: list[tuple[int, int] | None] | None = None,
        advance: Callable[[], object] = lambda: None,
    ) -> Corpus:
        """Decode every clip once; ``advance`` is called after each.

        ``spans`` are the first and the last-plus-one sample of each clip in its file, or None.

        Raises
        ------
        SpkidError
            If a clip cannot be read or a span has no samples.
        """

        def decode(path: str, span: tuple[int, int] | None) -> NDArray[np.int16]:
            waveform = load_audio(root / path)
            if span is not None:
                waveform = waveform[slice(*span)]
            if not len(waveform):
                raise BadAudio(
                    f"{root / path}: no samples from {span[0] if span else 0} on",
                    expected="a clip that has sound",
                    do="correct the row or remove it",
                )
            advance()
            return np.clip(np.round(waveform * 32767.0), -32768, 32767).astype(np.int16)

        with ThreadPoolExecutor() as pool:
            clips = list(pool.map(decode, paths, spans or [None] * len(paths)))
        starts = np.cumsum([0, *map(len, clips)])
        samples = np.concatenate([np.empty(0, np.int16), *clips])
        return cls(
            samples,
            starts,
            list(paths),
            list(speakers),
            corpora or ["all"] * len(paths),
            groups or [""] * len(paths),
        )
