"""Whether clips that are to be enrolled are of somebody who has another name. Pure functions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from enrollment.matching import pair_llrs, reaches
from enrollment.profile import Member, check_unit
from spkid.encoder.base import Vector
from spkid.scoring.calibration import Calibration

SAME_VOICE_RATE = 0.01  # of other people's clips that are asked about
# the demo's clips at a tenth to twice their level come to 0.990 or more, two clips of one
# person to 0.95 at most
SAME_RECORDING_COSINE = 0.99


def is_same_recording(vector: Vector, others: Sequence[Vector]) -> bool:
    """Whether ``vector`` is of one of the ``others``' recordings, say at another level."""
    if not others:
        return False
    check_unit([vector, *others])
    cosines = np.stack(others).astype(np.float64) @ np.asarray(vector, dtype=np.float64)
    return bool((cosines >= SAME_RECORDING_COSINE).any())


def sounds_like(
    vectors: Sequence[Vector],
    speech_s: ArrayLike,
    member: Member | None,
    others: Sequence[Member],
    calibration: Calibration,
) -> Member | None:
    """Whom of the ``others`` the new clips ``[n, dim]`` of ``member`` sound like; None for nobody.

    The mean of the clips' log-likelihood ratios is compared with the mean of their thresholds
    for ``SAME_VOICE_RATE``. Where ``member`` is enrolled, the clips must also fit the other
    profile better than the own one.

    Raises
    ------
    SpkidError
        If a score is not finite.
    """
    if not len(vectors) or not others:
        return None
    profiles = [*others, *([member] if member else [])]
    n_clips = [len(who.exemplars) for who in profiles]
    own = [who.vector for who in profiles]
    llrs, _ = pair_llrs(np.stack(vectors), own, n_clips, calibration, speech_s)  # [n, m]
    means = llrs.mean(axis=0)
    best = int(means[: len(others)].argmax())
    threshold = calibration.pair_threshold(
        SAME_VOICE_RATE, n_clips=n_clips[best], speech_s=speech_s
    )
    is_own = member is not None and means[-1] >= means[best]
    is_like = reaches(float(means[best]), float(threshold.mean()))
    return others[best] if is_like and not is_own else None
