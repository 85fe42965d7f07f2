"""Embed many clips at once: a manifest into a file, in parts, or clips cut to several lengths."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np

from spkid.audio.bandwidth import is_narrowband
from spkid.audio.ears import listen
from spkid.audio.reading import Waveform, load_audio
from spkid.audio.sources import STANDARD_INPUT
from spkid.audio.speech import cut_to_speech
from spkid.encoder.base import Encoder, Vector
from spkid.encoder.vectors import EmbeddingTable, save_embeddings
from spkid.errors import ModelMismatch, NotFound, SpkidError

PART_CLIPS = 256  # clips between two saves

Item = TypeVar("Item")
Result = TypeVar("Result")
Span = tuple[int, int] | None  # first and last-plus-one sample at 16 kHz; None: the whole file


@dataclass(frozen=True)
class HeardFile:
    """The unit ``vector`` ``[dim]`` of an audio file, and what the ears say of it."""

    vector: Vector = field(repr=False)
    speech_s: float
    is_narrowband: bool


Embedded = Generator[HeardFile | SpkidError, None, None]
"""What was heard of each clip, or why nothing, in their order; closed, it stops the work."""
EmbedFiles = Callable[[Sequence[Path]], Embedded]


def hear_file(path: Path, encoder: Encoder) -> HeardFile:
    """An audio file as ``encoder`` and the ears hear it; errors as in ``Encoder.embed_file``."""
    waveform = load_audio(path)
    vector, frames = encoder.embed_read(path, waveform), listen(waveform)
    return HeardFile(vector, frames.speech_s, is_narrowband(waveform, frames.is_said))


@dataclass(frozen=True)
class EmbeddingRun:
    """What a run did; ``skipped`` are the paths that could not be embedded."""

    n_embedded: int
    n_resumed: int
    skipped: tuple[str, ...]


def clip_place(path: str, root: Path) -> Path:
    """Where a clip of a manifest is; standard input lies under no folder."""
    return Path(path) if path == STANDARD_INPUT else root / path


def check_root(paths: Sequence[str], root: Path) -> None:
    """Refuse a folder under which not one of the clips is.

    Raises
    ------
    NotFound
        If none is there: the folder is another one, and a line for each clip would hide that.
    """
    named = [path for path in paths if path != STANDARD_INPUT]
    if named and not any((root / path).exists() for path in named):
        raise NotFound(
            f"none of {len(named)} clips under {root}, {named[0]} for one",
            expected="the folder that their paths start from",
            do="give it as root=",
            code="wrong_root",
        )


def embed_manifest(
    paths: Sequence[str],
    root: Path,
    out: Path,
    encoder: Encoder,
    *,
    embed_files: EmbedFiles | None = None,
    advance: Callable[[int], object] = lambda n: None,
    report: Callable[[str], object] = lambda line: None,
) -> EmbeddingRun:
    """Embed ``root / path`` for each path and save all to ``out``, with what the ears say of it.

    Vectors that ``out`` holds already are kept. A clip that cannot be embedded is reported
    in one line and skipped.

    Parameters
    ----------
    embed_files : callable
        Does the work: :func:`in_threads`, one for each core, unless given.

    Raises
    ------
    ModelMismatch
        If ``out`` holds vectors of another model.
    SpkidError
        If ``out`` cannot be read or written.
    """
    heard: dict[str, HeardFile] = {}
    if out.exists():
        before = EmbeddingTable.load(out)
        before.check_model(
            encoder.fingerprint,
            name=f"{out}: vectors",
            expected="vectors of the model in use",
            do="choose another file",
        )
        if before.vectors.shape[1] != encoder.dim:
            raise ModelMismatch(
                f"{out}: vectors of {before.vectors.shape[1]} dimensions",
                expected=f"{encoder.dim}, as those of the model in use have",
                do="choose another file",
                code="other_model",
            )
        seconds = before.seconds(slice(None), unknown=np.nan).tolist()
        known = map(HeardFile, before.vectors, seconds, before.by_telephone(slice(None)).tolist())
        heard = dict(zip(before.row_of, known, strict=True))
    todo = [path for path in paths if path not in heard]
    n_resumed = len(paths) - len(todo)
    embed_files = embed_files or in_threads(encoder)
    advance(n_resumed)
    skipped: list[str] = []

    def save() -> None:
        save_embeddings(
            out,
            {path: own.vector for path, own in heard.items()},
            model=encoder.fingerprint,
            dim=encoder.dim,
            speech_s=[own.speech_s for own in heard.values()],
            is_narrowband=[own.is_narrowband for own in heard.values()],
        )

    with closing(embed_files([clip_place(path, root) for path in todo])) as embedded:
        for number, (path, result) in enumerate(zip(todo, embedded, strict=True), start=1):
            if isinstance(result, SpkidError):
                skipped.append(path)
                report(f"skipped: {result}")
            else:
                heard[path] = result
            advance(1)
            if number % PART_CLIPS == 0:
                save()
    if len(todo) % PART_CLIPS:
        save()
    return EmbeddingRun(len(todo) - len(skipped), n_resumed, tuple(skipped))


def in_threads(encoder: Encoder, jobs: int | None = None) -> EmbedFiles:
    """Embeds files in ``jobs`` threads, one for each core unless given.

    Threads, not processes: decoding and the network leave Python's lock to others for nearly
    all of the time (``benchmarks/bulk``), and a process would load the model once more.
    """
    return lambda places: _in_parallel(partial(hear_file, encoder=encoder), places, jobs)


def attempt(hear: Callable[[Item], Result], item: Item) -> Result | SpkidError:
    """What ``hear`` gives, or the error it raises."""
    try:
        return hear(item)
    except SpkidError as error:
        return error


def cut_vectors(waveform: Waveform, encoder: Encoder, speech_s: Sequence[float]) -> Vector:
    """Vectors ``[1 + cuts, dim]`` of a clip: whole, and cut to each of ``speech_s`` of speech.

    NaN where the clip holds less speech. Errors as in ``encoder.embed``.
    """
    vectors = np.full((1 + len(speech_s), encoder.dim), np.nan, dtype=np.float32)
    vectors[0] = encoder.embed(waveform)
    for row, seconds in enumerate(speech_s, start=1):
        cut = cut_to_speech(waveform, seconds)
        if cut is not None:
            vectors[row] = encoder.embed(cut)
    return vectors


def embed_cuts(
    clips: Sequence[tuple[Path, Span]],
    encoder: Encoder,
    speech_s: Sequence[float],
    *,
    advance: Callable[[int], object] = lambda n: None,
) -> list[Vector | SpkidError]:
    """:func:`cut_vectors` of each clip, or why it could not be embedded."""

    def embed(clip: tuple[Path, Span]) -> Vector:
        path, span = clip
        waveform = load_audio(path)
        return cut_vectors(waveform[slice(*span)] if span else waveform, encoder, speech_s)

    found = []
    for result in _in_parallel(embed, clips):
        found.append(result)
        advance(1)
    return found


def _in_parallel(
    hear: Callable[[Item], Result], items: Sequence[Item], jobs: int | None = None
) -> Generator[Result | SpkidError, None, None]:
    """What ``hear`` gives, or the error it raises, for each item and in their order."""
    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        yield from pool.map(partial(attempt, hear), items)
