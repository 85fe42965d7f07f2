"""A set of speakers against all others, with how certain the difference is."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spkid.audit.statistics.speaker_errors import SpeakerErrors, share
from spkid.encoder.vectors import Floats


def deviations(resampled: Floats) -> Floats:
    """Standard deviation over the resamples ``[resamples, n]``, those without a value left out."""
    known = ~np.isnan(resampled)
    values = np.where(known, resampled, 0.0)
    mean = share(values.sum(axis=0), known.sum(axis=0).astype(np.float64))
    squares = np.where(known, (values - mean) ** 2, 0.0).sum(axis=0)
    return np.sqrt(share(squares, known.sum(axis=0).astype(np.float64)))


@dataclass(frozen=True)
class Contrast:
    """A set of speakers against the others in the mean of both error rates.

    ``low`` and ``high`` bound the difference; all figures but the counts are NaN where there
    are too few speakers to say anything.
    """

    n_speakers: int
    n_others: int
    error: float
    error_others: float
    false_match_rate: float
    false_non_match_rate: float
    difference: float
    low: float
    high: float

    @property
    def certain(self) -> bool:
        """Whether the interval leaves zero out."""
        return self.low > 0 or self.high < 0

    @property
    def relative(self) -> float:
        """The difference as a share of the others' error."""
        return self.difference / self.error_others if self.error_others > 0 else float("nan")


def contrast(
    errors: SpeakerErrors,
    group: NDArray[np.bool_],
    *,
    min_speakers: int,
    n_comparisons: int = 1,
) -> Contrast:
    """``group`` against all other speakers.

    The interval is the difference and Student's t times its deviation over the resamples: the
    quantiles of a dozen speakers would be too narrow. With ``n_comparisons`` it is one of so
    many that all hold together in 95 % (Bonferroni).
    """
    from scipy import stats

    n_speakers, n_others = int(group.sum()), int((~group).sum())
    if min(n_speakers, n_others) < min_speakers:
        return Contrast(n_speakers, n_others, *[float("nan")] * 7)
    match, non_match = errors.rates([group, ~group])
    mean = (match + non_match) / 2
    difference = mean[:, 0] - mean[:, 1]
    tail = 0.025 / n_comparisons
    spread = deviations(difference[1:, None])[0]
    reach = stats.t.ppf(1 - tail, min(n_speakers, n_others) - 1) * spread
    return Contrast(
        n_speakers=n_speakers,
        n_others=n_others,
        error=float(mean[0, 0]),
        error_others=float(mean[0, 1]),
        false_match_rate=float(match[0, 0]),
        false_non_match_rate=float(non_match[0, 0]),
        difference=float(difference[0]),
        low=float(difference[0] - reach),
        high=float(difference[0] + reach),
    )
