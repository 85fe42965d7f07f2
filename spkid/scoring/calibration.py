"""Calibration: what a cosine is worth, and which threshold gives which false-accept rate.

A calibration is an object and a file of its own; it belongs to one model, named by its
fingerprint, and is fitted on speakers that the model never heard.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from spkid.config import from_mapping
from spkid.errors import NotFound, SpkidError
from spkid.files import parse_json, read_text, why_unreadable, write_text
from spkid.scoring.scale import (
    CLIP_COUNTS,
    RATES,
    SPEECH_S,
    UNKNOWN_SPEECH_S,
    Floats,
    Landmarks,
    Scale,
    check_numbers,
    log_duration,
    raw_cosines,
)

BUNDLED_CALIBRATION = Path(__file__).parents[1] / "models" / "accurate.calibration.json"


@dataclass(frozen=True)
class Calibration(Scale):
    """A :class:`Scale` with thresholds: what is needed to decide.

    ``pair_thresholds[i][k][j]`` is the log-likelihood ratio that a share ``RATES[j]`` of
    impostors reaches with clips of ``SPEECH_S[k]`` against profiles of ``CLIP_COUNTS[i]``
    clips; ``household_thresholds[k][j]`` the known-log-odds that the same share of guests
    reaches. Strangers who call by telephone come nearer to members who enrolled by telephone:
    all these thresholds are ``narrowband_margin`` higher where both clip and profile end at 4 kHz.
    ``trained_on`` says in words what it was fitted on.
    """

    pair_thresholds: tuple[tuple[tuple[float, ...], ...], ...] = field(repr=False)
    household_thresholds: tuple[tuple[float, ...], ...] = field(repr=False)
    trained_on: str
    narrowband_margin: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_numbers("narrowband_margin", self.narrowband_margin, ())
        n_counts, n_lengths, n_rates = len(CLIP_COUNTS), len(SPEECH_S), len(RATES)
        check_numbers("pair_thresholds", self.pair_thresholds, (n_counts, n_lengths, n_rates))
        check_numbers("household_thresholds", self.household_thresholds, (n_lengths, n_rates))

    def pair_threshold(
        self,
        false_accept_rate: float,
        *,
        n_clips: int = 1,
        speech_s: ArrayLike = UNKNOWN_SPEECH_S,
        narrowband_share: ArrayLike = 0.0,
    ) -> Floats:
        """Log-likelihood ratio from which a clip is taken for the profile's speaker.

        ``narrowband_share`` is that of the profile's clips that came by telephone, 0 to 1, where
        the clip came so too; 0 where it did not.

        Raises
        ------
        SpkidError
            If the rate lies outside what was measured (0.5 to 20 %).
        """
        row = min(max(n_clips, 1), CLIP_COUNTS[-1]) - 1
        threshold = _between(self.pair_thresholds[row], false_accept_rate, speech_s)
        return threshold + self.narrowband_margin * np.asarray(narrowband_share)

    def household_threshold(
        self,
        false_accept_rate: float,
        *,
        speech_s: ArrayLike = UNKNOWN_SPEECH_S,
        narrowband_share: ArrayLike = 0.0,
    ) -> Floats:
        """Known-log-odds from which somebody of the household is taken to speak.

        ``narrowband_share`` is as in :meth:`pair_threshold`, of the likeliest member's profile.

        Raises
        ------
        SpkidError
            If the rate lies outside what was measured (0.5 to 20 %).
        """
        threshold = _between(self.household_thresholds, false_accept_rate, speech_s)
        return threshold + self.narrowband_margin * np.asarray(narrowband_share)

    def household_thresholds_at(self, speech_s: float, *, narrowband_share: float = 0.0) -> Floats:
        """:meth:`household_threshold` for each of ``RATES``."""
        folds, lengths = log_duration(speech_s), log_duration(SPEECH_S)
        columns = zip(*self.household_thresholds, strict=True)
        thresholds = np.array([np.interp(folds, lengths, column) for column in columns])
        return thresholds + self.narrowband_margin * narrowband_share

    @classmethod
    def fit(
        cls,
        vectors: ArrayLike,
        speakers: Sequence[str],
        *,
        model: str,
        pools: Sequence[str] | None = None,
        landmarks: Landmarks = (),
        narrowband: ArrayLike | None = None,
        trained_on: str = "labelled clips",
        guest_prior: float = 0.5,
        seed: int = 1,
    ) -> Calibration:
        """Fit a calibration to clips of known speakers, whom the model never heard.

        Parameters
        ----------
        vectors : float ``[clips, dim]`` or ``[clips, 1 + len(SPEECH_S), dim]``
            Unit vectors of whole clips; or of the whole clip and of the clip cut to each of
            ``SPEECH_S`` seconds of speech, NaN where it holds less (see
            :func:`spkid.encoder.batch.cut_vectors`). Of whole clips alone, the calibration does
            not know what the length of a clip is worth.
        speakers : str ``[clips]``
            Who speaks.
        model : str
            The fingerprint of the model that made the vectors.
        pools : str ``[clips]``, optional
            The kind of speaker or recording: a language, a corpus. Homes are simulated within
            a pool, and the stated rates hold in the worst of them. All in one unless given.
        landmarks : tuple
            Unit vectors ``[n, dim]`` that :func:`spkid.scoring.fit.landmarks_of` found among
            other speakers than these. Without them, how crowded it is counts for nothing.
        narrowband : float ``[clips, 1 + len(SPEECH_S), dim]``, optional
            As ``vectors``, of the same clips by telephone. Without them, a telephone counts for
            nothing.
        trained_on : str
            What the clips are, in words; the number of speakers of each pool is added.
        guest_prior : float
            Probability of a stranger before anything is heard.
        seed : int
            Of the trials and homes that are drawn.

        Raises
        ------
        SpkidError
            If there are too few speakers, or too few whose clips are long enough
            (``too_few_speakers``); if strangers score as high as the speakers themselves
            (``not_separable``), or nobody ever comes close to another (``no_overlap``); if
            ``model`` is empty or these are no unit vectors.
        """
        from spkid.scoring.fit import fit_calibration

        fitted = fit_calibration(
            vectors,
            speakers,
            pools if pools is not None else ["all"] * len(speakers),
            model=model,
            landmarks=landmarks,
            narrowband=narrowband,
            guest_prior=guest_prior,
            seed=seed,
        )
        return cls(
            **_fields(fitted.scale),
            pair_thresholds=fitted.pair_thresholds,
            household_thresholds=fitted.household_thresholds,
            narrowband_margin=fitted.narrowband_margin,
            trained_on=f"{trained_on}: {fitted.words}",
        )

    def save(self, path: str | Path) -> None:
        """Write as JSON, one field a line, beside and renamed."""
        lines = [f"  {json.dumps(key)}: {json.dumps(value)}" for key, value in asdict(self).items()]
        write_text(Path(path), "{\n" + ",\n".join(lines) + "\n}\n")

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
            values = parse_json(read_text(file))
            if not isinstance(values, dict):
                raise ValueError("no object")
            if "scale" in values and "landmarks" not in values:
                raise SpkidError(
                    "a calibration of an earlier version, without landmarks",
                    expected="one that weighs the length of clips and how crowded it is",
                    do="fit it again with spkid fit",
                    code="old_calibration",
                )
            return from_mapping(cls, {key: _tuples(value) for key, value in values.items()})
        except SpkidError as error:
            raise type(error)(
                f"{file}: {error.got}", expected=error.expected, do=error.do, code=error.code
            ) from error
        except FileNotFoundError as error:
            raise NotFound(
                f"{file}: no such file",
                expected="a JSON file that Calibration.save wrote",
                do="check the path, or fit a calibration with spkid fit",
            ) from error
        except (OSError, ValueError, TypeError) as error:
            raise SpkidError(
                f"{file}: not a readable calibration ({why_unreadable(error)})",
                expected="a JSON file that Calibration.save wrote",
                do="check the path",
            ) from error


def bundled(model: str) -> tuple[str, Calibration] | None:
    """The name and the calibration of the bundled model with this fingerprint, if it is one."""
    for path in sorted(BUNDLED_CALIBRATION.parent.glob("*.calibration.json")):
        calibration = Calibration.load(path)
        if calibration.model == model:
            return path.name.partition(".")[0], calibration
    return None


def bundled_or_raw(model: str) -> Scale:
    """The calibration of a bundled ``model``, raw cosines for vectors of another."""
    found = bundled(model)
    return found[1] if found else raw_cosines(model)


def _fields(scale: Scale) -> dict[str, Any]:
    """What a scale holds, by name; its tuples as they are."""
    return {name: getattr(scale, name) for name in Scale.__dataclass_fields__}


def _tuples(value: Any) -> Any:
    """Lists of JSON as tuples, all the way down."""
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _between(thresholds: tuple[tuple[float, ...], ...], rate: float, speech_s: ArrayLike) -> Floats:
    """Interpolate on the logarithms of the rate and of the seconds."""
    if not RATES[0] <= rate <= RATES[-1]:
        raise SpkidError(
            f"false_accept_rate={rate:g}",
            expected=f"{RATES[0]:g} to {RATES[-1]:g}, the range that was measured",
            do="choose a rate in it",
        )
    at_rate = [np.interp(np.log(rate), np.log(RATES), row) for row in thresholds]
    return np.asarray(np.interp(log_duration(speech_s), log_duration(SPEECH_S), at_rate))
