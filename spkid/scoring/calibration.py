"""Calibration: what a cosine is worth, and which threshold gives which false-accept rate.

A calibration is an object and a file of its own; it belongs to one model, named by its
fingerprint, and is fitted on speakers that the model never heard.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.config import from_mapping
from spkid.errors import SpkidError
from spkid.files import write_text

BUNDLED_CALIBRATION = Path(__file__).parents[1] / "models" / "spkid.calibration.json"
RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # false-accept rates with a stored threshold
CLIP_COUNTS = (1, 2, 3)  # exemplars behind a profile; more count as three
SPEECH_S = (0.7, 1.4, 2.8)  # lengths of a clip with stored thresholds; longer counts as last
USUAL_SPEECH_S = 2.0  # the length that ``scale`` and ``offset`` belong to
UNKNOWN_SPEECH_S = SPEECH_S[-1]  # a clip of unknown length is taken for a whole sentence
SHARPNESS = 16.0  # of the soft maximum over landmarks; chosen on held-out training speakers

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Maps from cosine to log-likelihood ratio, and thresholds.

    A clip of ``USUAL_SPEECH_S`` against a profile of ``CLIP_COUNTS[i]`` clips has the ratio
    ``scale[i] * cosine + offset[i]``. Shorter clips are less sure, longer ones surer: for each
    e-fold of speech, ``duration_scale * cosine + duration_offset`` is added. A clip from where
    many voices lie comes near anybody: ``crowding_scale * crowding`` is added, see
    :meth:`crowding`, with ``landmarks`` as unit vectors ``[n, dim]``, each the mean of many
    training speakers.
    ``pair_thresholds[i][k][j]`` is the log-likelihood ratio that a share ``RATES[j]`` of
    impostors reaches with clips of ``SPEECH_S[k]``; ``household_thresholds[k][j]`` the
    known-log-odds that the same share of guests reaches. ``trained_on`` says in words what it
    was fitted on.
    """

    model: str
    guest_prior: float
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    duration_scale: float
    duration_offset: float
    landmarks: tuple[tuple[float, ...], ...]
    usual_crowding: float
    crowding_scale: float
    pair_thresholds: tuple[tuple[tuple[float, ...], ...], ...]
    household_thresholds: tuple[tuple[float, ...], ...]
    trained_on: str

    @property
    def is_calibrated(self) -> bool:
        """False for :func:`raw_cosines`."""
        return not np.isnan(self.household_thresholds).any()

    @cached_property
    def _landmark_array(self) -> Floats:
        return np.asarray(self.landmarks, dtype=np.float64)

    def crowding(self, vectors: ArrayLike) -> Floats:
        """How near the landmarks come to unit ``vectors`` ``[..., dim]``: ``[...]``, 0 is usual.

        The soft maximum of the cosines to the landmarks, in place of the mean cosine to a cohort
        of strangers: that mean corrects a score in T-norm (Auckenthaler et al., 2000) and is a
        measure of quality in calibration (Thienpondt et al., "The IDLAB VoxSRC-20 submission",
        ICASSP 2021), but a cohort is voices of people. Zeros without landmarks.
        """
        values = np.asarray(vectors, dtype=np.float64)
        if not self.landmarks:
            return np.zeros(values.shape[:-1])
        nearness = np.exp(SHARPNESS * values @ self._landmark_array.T).mean(axis=-1)
        return np.log(nearness) / SHARPNESS - self.usual_crowding

    def log_likelihood_ratio(
        self,
        cosines: ArrayLike,
        n_clips: ArrayLike,
        speech_s: ArrayLike = UNKNOWN_SPEECH_S,
        *,
        crowding: ArrayLike = 0.0,
    ) -> Floats:
        """Natural-log likelihood ratio of "same speaker".

        Parameters
        ----------
        cosines : array
        n_clips : int, broadcasts to ``cosines``
            Exemplars behind the profile.
        speech_s : float, broadcasts to ``cosines``
            Seconds of speech in the clip; of two single clips, in the shorter one. Less than
            the first and more than the last of ``SPEECH_S`` count as these.
        crowding : float, broadcasts to ``cosines``
            :meth:`crowding` of the clip; of two single clips, the mean.
        """
        values = np.asarray(cosines, dtype=np.float64)
        row = np.clip(np.asarray(n_clips), 1, CLIP_COUNTS[-1]) - 1
        folds = _log_duration(speech_s)
        scale = np.asarray(self.scale)[row] + self.duration_scale * folds
        offset = np.asarray(self.offset)[row] + self.duration_offset * folds
        return scale * values + offset + self.crowding_scale * np.asarray(crowding)

    def pair_threshold(
        self, false_accept_rate: float, *, n_clips: int = 1, speech_s: ArrayLike = UNKNOWN_SPEECH_S
    ) -> Floats:
        """Log-likelihood ratio above which a clip is taken for the profile's speaker.

        Raises
        ------
        SpkidError
            If the rate lies outside what was measured (0.5 to 20 %).
        """
        row = min(max(n_clips, 1), CLIP_COUNTS[-1]) - 1
        return _between(self.pair_thresholds[row], false_accept_rate, speech_s)

    def household_threshold(
        self, false_accept_rate: float, *, speech_s: ArrayLike = UNKNOWN_SPEECH_S
    ) -> Floats:
        """Known-log-odds above which somebody of the household is taken to speak."""
        return _between(self.household_thresholds, false_accept_rate, speech_s)

    def household_thresholds_at(self, speech_s: float) -> Floats:
        """:meth:`household_threshold` for each of ``RATES``."""
        folds, lengths = _log_duration(speech_s), _log_duration(SPEECH_S)
        columns = zip(*self.household_thresholds, strict=True)
        return np.array([np.interp(folds, lengths, column) for column in columns])

    def save(self, path: Path) -> None:
        """Write as JSON, one field a line, beside and renamed."""
        fields = [
            f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in asdict(self).items()
        ]
        write_text(path, "{\n" + ",\n".join(fields) + "\n}\n")

    def _check_shapes(self) -> None:
        """Raise ValueError or TypeError where a field cannot be what it should be."""
        n_counts, n_lengths, n_rates = len(CLIP_COUNTS), len(SPEECH_S), len(RATES)
        for values, shape in (
            (self.scale, (n_counts,)),
            (self.offset, (n_counts,)),
            (self.duration_scale, ()),
            (self.duration_offset, ()),
            (self.usual_crowding, ()),
            (self.crowding_scale, ()),
            (self.pair_thresholds, (n_counts, n_lengths, n_rates)),
            (self.household_thresholds, (n_lengths, n_rates)),
        ):
            if np.asarray(values, dtype=np.float64).shape != shape:
                raise ValueError(f"not of shape {shape}")
        if not 0 < self.guest_prior < 1:
            raise ValueError("a prior outside 0 to 1")
        if self.landmarks and not (
            self._landmark_array.ndim == 2 and np.isfinite(self._landmark_array).all()
        ):
            raise ValueError("landmarks that are no vectors")

    @classmethod
    def load(cls, path: str | Path | None = None) -> Calibration:
        """The bundled model's calibration, or the one at ``path``.

        Raises
        ------
        SpkidError
            If the file is not such a calibration, or one of an earlier version.
        """
        file = Path(path) if path is not None else BUNDLED_CALIBRATION
        try:
            values = json.loads(file.read_text())
            if not isinstance(values, dict):
                raise ValueError("no object")
            if "scale" in values and "landmarks" not in values:
                raise SpkidError(
                    f"{file}: a calibration of an earlier version, without landmarks",
                    expected="one that weighs the length of clips and how crowded it is",
                    do="fit it again: benchmarks/model/bundle_model.py --calibrate-only",
                    code="old_calibration",
                )
            values = {
                key: _tuples(value) if isinstance(value, list) else value
                for key, value in values.items()
            }
            calibration = from_mapping(cls, values)
            calibration._check_shapes()
            return calibration
        except (OSError, ValueError, TypeError) as error:
            raise SpkidError(
                f"{file}: not a readable calibration",
                expected="a JSON file that Calibration.save wrote",
                do="check the path",
            ) from error


def _tuples(values: list) -> tuple:
    return tuple(_tuples(item) if isinstance(item, list) else item for item in values)


def _log_duration(speech_s: ArrayLike) -> Floats:
    """Speech in e-folds of ``USUAL_SPEECH_S``, within what was measured."""
    seconds = np.asarray(speech_s, dtype=np.float64)
    return np.log(np.clip(seconds, SPEECH_S[0], SPEECH_S[-1]) / USUAL_SPEECH_S)


def _between(thresholds: tuple[tuple[float, ...], ...], rate: float, speech_s: ArrayLike) -> Floats:
    """Interpolate on the logarithms of the rate and of the seconds."""
    if not RATES[0] <= rate <= RATES[-1]:
        raise SpkidError(
            f"a false-accept rate of {rate:g}",
            expected=f"{RATES[0]:g} to {RATES[-1]:g}, the range that was measured",
            do="choose a rate in it",
        )
    at_rate = [np.interp(np.log(rate), np.log(RATES), row) for row in thresholds]
    return np.interp(_log_duration(speech_s), _log_duration(SPEECH_S), at_rate)


def raw_cosines(model: str) -> Calibration:
    """Stands in for another model's calibration: scaled cosines, and no thresholds.

    Against so large a scale the size of a household counts for nothing, as in peers' figures.
    """
    n_counts, unknown = len(CLIP_COUNTS), ((float("nan"),) * len(RATES),) * len(SPEECH_S)
    return Calibration(
        model=model,
        guest_prior=0.5,
        scale=(1000.0,) * n_counts,
        offset=(0.0,) * n_counts,
        duration_scale=0.0,
        duration_offset=0.0,
        landmarks=(),
        usual_crowding=0.0,
        crowding_scale=0.0,
        pair_thresholds=(unknown,) * n_counts,
        household_thresholds=unknown,
        trained_on="nothing: raw cosines",
    )
