"""Calibration: what a cosine is worth, and which threshold gives which false-accept rate.

A calibration is an object and a file of its own; it belongs to one model, named by its
fingerprint, and is fitted on speakers that the model never heard.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.config import from_mapping
from spkid.errors import SpkidError
from spkid.metrics import threshold_at_false_match_rate

BUNDLED_CALIBRATION = Path(__file__).with_name("models") / "spkid.calibration.json"
RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # false-accept rates with a stored threshold
CLIP_COUNTS = (1, 2, 3)  # exemplars behind a profile; more count as three

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Calibration:
    """Affine maps from cosine to log-likelihood ratio, and thresholds.

    ``scale[i]`` and ``offset[i]`` belong to profiles of ``CLIP_COUNTS[i]`` clips.
    ``pair_thresholds[i][j]`` is the log-likelihood ratio that a share ``RATES[j]`` of
    impostors reaches; ``household_thresholds[j]`` the known-log-odds that the same share of
    guests reaches. ``trained_on`` says in words what it was fitted on.
    """

    model: str
    guest_prior: float
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    pair_thresholds: tuple[tuple[float, ...], ...]
    household_thresholds: tuple[float, ...]
    trained_on: str

    @property
    def is_calibrated(self) -> bool:
        """False for :func:`raw_cosines`."""
        return not np.isnan(self.household_thresholds).any()

    def log_likelihood_ratio(self, cosines: ArrayLike, n_clips: ArrayLike) -> Floats:
        """Natural-log likelihood ratio of "same speaker"; ``n_clips`` broadcasts to ``cosines``."""
        row = np.clip(np.asarray(n_clips), 1, CLIP_COUNTS[-1]) - 1
        scale, offset = np.asarray(self.scale)[row], np.asarray(self.offset)[row]
        return scale * np.asarray(cosines, dtype=np.float64) + offset

    def pair_threshold(self, false_accept_rate: float, *, n_clips: int = 1) -> float:
        """Log-likelihood ratio above which a clip is taken for the profile's speaker.

        Raises
        ------
        SpkidError
            If the rate lies outside what was measured (0.5 to 20 %).
        """
        row = min(max(n_clips, 1), CLIP_COUNTS[-1]) - 1
        return _between(self.pair_thresholds[row], false_accept_rate)

    def household_threshold(self, false_accept_rate: float) -> float:
        """Known-log-odds above which somebody of the household is taken to speak."""
        return _between(self.household_thresholds, false_accept_rate)

    def save(self, path: Path) -> None:
        """Write as JSON, beside and renamed."""
        beside = path.with_name(path.name + ".part")
        beside.write_text(json.dumps(asdict(self), indent=2) + "\n")
        os.replace(beside, path)

    def _check_shapes(self) -> None:
        """Raise ValueError or TypeError where a field cannot be what it should be."""
        n_counts, n_rates = len(CLIP_COUNTS), len(RATES)
        for values, shape in (
            (self.scale, (n_counts,)),
            (self.offset, (n_counts,)),
            (self.pair_thresholds, (n_counts, n_rates)),
            (self.household_thresholds, (n_rates,)),
        ):
            if np.asarray(values, dtype=np.float64).shape != shape:
                raise ValueError(f"not of shape {shape}")
        if not 0 < self.guest_prior < 1:
            raise ValueError("a prior outside 0 to 1")

    @classmethod
    def load(cls, path: str | Path | None = None) -> Calibration:
        """The bundled model's calibration, or the one at ``path``.

        Raises
        ------
        SpkidError
            If the file is not such a calibration.
        """
        file = Path(path) if path is not None else BUNDLED_CALIBRATION
        try:
            values = json.loads(file.read_text())
            if not isinstance(values, dict):
                raise ValueError("no object")
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
    return tuple(tuple(item) if isinstance(item, list) else item for item in values)


def _between(thresholds: tuple[float, ...], rate: float) -> float:
    """Interpolate on the logarithm of the rate."""
    if not RATES[0] <= rate <= RATES[-1]:
        raise SpkidError(
            f"a false-accept rate of {rate:g}",
            expected=f"{RATES[0]:g} to {RATES[-1]:g}, the range that was measured",
            do="choose a rate in it",
        )
    return float(np.interp(np.log(rate), np.log(RATES), thresholds))


def raw_cosines(model: str) -> Calibration:
    """Stands in for another model's calibration: scaled cosines, and no thresholds.

    Against so large a scale the size of a household counts for nothing, as in peers' figures.
    """
    n_counts, unknown = len(CLIP_COUNTS), (float("nan"),) * len(RATES)
    return Calibration(
        model=model,
        guest_prior=0.5,
        scale=(1000.0,) * n_counts,
        offset=(0.0,) * n_counts,
        pair_thresholds=(unknown,) * n_counts,
        household_thresholds=unknown,
        trained_on="nothing: raw cosines",
    )


def fit_affine(target: ArrayLike, impostor: ArrayLike) -> tuple[float, float]:
    """``scale`` and ``offset`` of the logistic calibration, both kinds weighing the same."""
    from sklearn.linear_model import LogisticRegression

    target_scores, impostor_scores = np.ravel(target), np.ravel(impostor)
    scores = np.concatenate([target_scores, impostor_scores])[:, None]
    labels = np.repeat([1, 0], [len(target_scores), len(impostor_scores)])
    model = LogisticRegression(C=1e6, class_weight="balanced").fit(scores, labels)
    scale, offset = float(model.coef_[0, 0]), float(model.intercept_[0])
    if scale <= 0:
        raise SpkidError(
            "impostors that score as high as targets",
            expected="target scores above impostor scores",
            do="check the labels",
        )
    return scale, offset


def thresholds_at_rates(impostor: ArrayLike) -> tuple[float, ...]:
    """The threshold for each of ``RATES``."""
    return tuple(threshold_at_false_match_rate(impostor, rate) for rate in RATES)
