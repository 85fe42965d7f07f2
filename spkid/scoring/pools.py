"""Speakers whose clips a calibration is fitted on: trials and simulated homes within a pool."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.encoder.unit import are_unit
from spkid.errors import ModelMismatch, SpkidError
from spkid.scoring.posterior import household_llrs, known_log_odds, profile_vector
from spkid.scoring.scale import CLIP_COUNTS, SPEECH_S, Floats, Scale

if TYPE_CHECKING:
    import pandas as pd

N_HOMES = 1000
HOME_SIZES = (2, 3, 4, 5, 6, 8, 10)
ENROLL_CLIPS = 3
PROBES_PER_MEMBER = 2
WHOLE = -1  # in place of a length: the clip as it is, which counts as the longest
MAX_CLIPS = 16  # of one speaker; more add nothing
LEAST_SPEAKERS = 10  # with one clip more than they enroll with; smaller pools are left out


@dataclass(frozen=True)
class Pool:
    """Vectors of one kind of speakers.

    ``clips_of[speaker]`` is ``[clips, 1 + len(SPEECH_S), dim]``: of the whole clip, then of
    the clip cut to each of ``SPEECH_S``, NaN where it holds less speech.
    """

    clips_of: dict[str, Floats] = field(repr=False)

    def with_clips(self, n_clips: int) -> list[str]:
        """The speakers with at least ``n_clips``."""
        return [name for name, clips in self.clips_of.items() if len(clips) >= n_clips]

    def probes(self, length: int) -> dict[str, list[int]]:
        """The clips of each speaker that can be cut to ``SPEECH_S[length]``.

        ``WHOLE``: to the last of them, though they are heard whole.
        """
        column = len(SPEECH_S) if length == WHOLE else 1 + length
        long_enough = {
            name: np.flatnonzero(np.isfinite(clips[:, column, 0])).tolist()
            for name, clips in self.clips_of.items()
        }
        return {name: clips for name, clips in long_enough.items() if clips}


def able_pools(speakers: Iterable[str], pools: Iterable[str]) -> list[str]:
    """The pools that are large enough, sorted; ``speakers`` and ``pools`` are ``[clips]``.

    Raises
    ------
    SpkidError
        If there is none.
    """
    clips = Counter(zip(pools, speakers, strict=True))
    able = Counter(pool for (pool, _), n_clips in clips.items() if n_clips > ENROLL_CLIPS)
    large = sorted(pool for pool, n_speakers in able.items() if n_speakers >= LEAST_SPEAKERS)
    if not large:
        raise SpkidError(
            f"{max(able.values(), default=0)} speakers with {ENROLL_CLIPS + 1} clips or more in "
            f"one pool",
            expected=f"at least {LEAST_SPEAKERS}",
            do="give more speakers, or more clips of each",
            code="too_few_speakers",
        )
    return large


def clips_to_fit(clips: pd.DataFrame) -> pd.DataFrame:
    """The rows to fit on: up to ``MAX_CLIPS`` of each speaker in the large enough pools.

    Parameters
    ----------
    clips : DataFrame
        A row a clip, with ``speaker`` (empty: unknown, left out) and ``corpus``, the pool.

    Raises
    ------
    SpkidError
        If no pool is large enough.
    """
    known = clips[clips["speaker"] != ""].groupby(["corpus", "speaker"]).head(MAX_CLIPS)
    return known[known["corpus"].isin(able_pools(known["speaker"], known["corpus"]))]


def pools_of(vectors: ArrayLike, speakers: Sequence[str], pools: Sequence[str]) -> dict[str, Pool]:
    """The large enough pools by name, from the columns that ``Calibration.fit`` takes.

    Raises
    ------
    SpkidError
        If a vector is not of unit length, or there are too few speakers, or too few with clips
        of one of the lengths.
    """
    stacked = _checked(vectors, len(speakers))
    names, kinds = np.asarray(speakers, dtype=str), np.asarray(pools, dtype=str)
    found = {}
    for kind in able_pools(names.tolist(), kinds.tolist()):
        own = kinds == kind
        clips = {name: stacked[own & (names == name)] for name in sorted(set(names[own].tolist()))}
        found[kind] = Pool(clips)
    for length, speech_s in enumerate(SPEECH_S):
        most = max(len(pool.probes(length)) for pool in found.values())
        if most < LEAST_SPEAKERS:
            raise SpkidError(
                f"{most} speakers with a clip of {speech_s:g} s of speech in one pool",
                expected=f"at least {LEAST_SPEAKERS}",
                do="give longer clips, or more speakers",
                code="too_few_speakers",
            )
    return found


def _checked(vectors: ArrayLike, n_clips: int) -> Floats:
    """``[clips, 1 + len(SPEECH_S), dim]``; the vector of a whole clip stands for its cuts too."""
    stacked = np.asarray(vectors, dtype=np.float64)
    n_cuts = 1 + len(SPEECH_S)
    if stacked.ndim == 2:
        stacked = np.repeat(stacked[:, None], n_cuts, axis=1)
    if stacked.ndim != 3 or stacked.shape[:2] != (n_clips, n_cuts):
        raise SpkidError(
            f"vectors of shape {np.shape(vectors)} for {n_clips} clips",
            expected=f"[clips, dim] or [clips, {n_cuts}, dim]",
            do="give a row for each clip",
        )
    is_cut = np.asarray(~np.isnan(stacked).all(axis=-1))  # NaN: too short to be cut
    is_cut[:, 0] = True
    if not are_unit(stacked[is_cut]):
        raise ModelMismatch(
            "vectors that are not of unit length, or not finite",
            expected="vectors as Encoder.embed gives them",
            do="embed the clips again",
        )
    return stacked


def profile_trials(
    pool: Pool, n_clips: int, rng: np.random.Generator, *, length: int, n_profiles: int = 400
) -> tuple[Floats, Floats]:
    """Clips cut to ``SPEECH_S[length]`` against profiles of ``n_clips`` whole ones.

    Returns
    -------
    target, impostor : float64 ``[trials, 2, dim]``
        Clip and profile, of one speaker and of two; empty where no clip is long enough.
    """
    probes = pool.probes(length)
    speakers = [name for name in pool.with_clips(n_clips + 1) if name in probes]
    target, impostor = [], []
    for _ in range(n_profiles if speakers else 0):
        speaker = speakers[rng.integers(len(speakers))]
        clips = pool.clips_of[speaker]
        own = rng.choice(probes[speaker])
        enrolled = rng.permutation(np.delete(np.arange(len(clips)), own))[:n_clips]
        profile = profile_vector(clips[enrolled, 0])
        target.append([clips[own, 1 + length], profile])
        others = [name for name in probes if name != speaker]
        for name in rng.choice(others, min(10, len(others)), replace=False):
            other = pool.clips_of[name][rng.choice(probes[name]), 1 + length]
            impostor.append([other, profile])
    return np.array(target), np.array(impostor)


@dataclass(frozen=True)
class SimulatedHome:
    """Clips that are asked about, ``probes`` ``[clips, dim]``, and members' ``profiles``.

    ``speaker`` ``[clips]`` is the row of the profile, -1 for a guest; each profile is of
    ``n_clips`` clips.
    """

    probes: Floats = field(repr=False)
    speaker: NDArray[np.int64]
    profiles: Floats = field(repr=False)
    n_clips: int

    @property
    def guests(self) -> Floats:
        """The clips of guests, ``[clips, dim]``."""
        return self.probes[self.speaker < 0]


def homes_of(pool: Pool, rng: np.random.Generator, *, length: int) -> Iterator[SimulatedHome]:
    """Homes of ``HOME_SIZES`` members, enrolled with one to three whole clips each.

    A clip of each member and as many of ``PROBES_PER_MEMBER`` guests a member, cut to
    ``SPEECH_S[length]``, are asked about; homes without guests are left out.
    """
    probes = pool.probes(length)
    for _ in range(N_HOMES):
        n_clips = int(rng.choice(CLIP_COUNTS))
        able = pool.with_clips(n_clips + 1)
        size = min(int(rng.choice(HOME_SIZES)), len(able) - 1)
        members = rng.choice(able, size, replace=False).tolist()
        strangers = [name for name in probes if name not in members]
        n_guests = min(PROBES_PER_MEMBER * size, len(strangers))
        guests = rng.choice(strangers, n_guests, replace=False).tolist() if strangers else []
        heard = [pool.clips_of[name][rng.choice(probes[name]), 1 + length] for name in guests]
        speaker, profiles = [-1] * len(guests), []
        for row, name in enumerate(members):
            order = rng.permutation(len(pool.clips_of[name]))
            profiles.append(profile_vector(pool.clips_of[name][order[:n_clips], 0]))
            left = [clip for clip in order[n_clips:] if clip in probes.get(name, [])]
            if left:
                heard.append(pool.clips_of[name][left[0], 1 + length])
                speaker.append(row)
        if guests:
            yield SimulatedHome(np.stack(heard), np.array(speaker), np.stack(profiles), n_clips)


def guest_log_odds(pool: Pool, scale: Scale, rng: np.random.Generator, *, length: int) -> Floats:
    """Known-log-odds of guests with clips of ``SPEECH_S[length]`` in simulated homes."""
    homes = homes_of(pool, rng, length=length)
    return np.concatenate([np.empty(0), *(guest_odds_at(own, scale, length) for own in homes)])


def guest_odds_at(home: SimulatedHome, scale: Scale, length: int) -> Floats:
    """Known-log-odds of the guests of one home, ``[clips]``."""
    n_clips = [home.n_clips] * len(home.profiles)
    llrs, _ = household_llrs(home.guests, home.profiles, n_clips, scale, SPEECH_S[length])
    return known_log_odds(llrs, guest_prior=scale.guest_prior)
