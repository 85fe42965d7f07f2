"""An encoder with its calibration: what decides travels as one thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from spkid.encoder.base import Encoder
from spkid.encoder.encoder import BOTH, BUNDLED_MODEL, MODELS, SpeakerEncoder, kind_and_place
from spkid.errors import ModelMismatch, NotCalibrated, SpkidError
from spkid.scoring.calibration import Calibration
from spkid.scoring.limits import Limits

LIMITS = MODELS / f"{BOTH}.json"


@dataclass(frozen=True)
class Quick:
    """A faster model that is asked first, and the limits within which its answer stands."""

    model: Model
    limits: Limits


@dataclass(frozen=True)
class Model:
    """A speaker encoder and what its cosines are worth.

    Without a calibration it embeds, and refuses to decide. With a ``quick`` one, a household that
    holds vectors of both asks that first, and this one where the answer is not sure.

    Raises
    ------
    ModelMismatch
        If the calibration belongs to another encoder, or the limits to other models.
    NotCalibrated
        If it is a mere scale, without thresholds.
    """

    encoder: Encoder
    calibration: Calibration | None = None
    quick: Quick | None = None

    def __post_init__(self) -> None:
        self._check_calibration()
        if self.quick is not None:
            self._check_quick(self.quick)

    def _check_calibration(self) -> None:
        own = self.calibration
        if own is None:
            return
        if not isinstance(own, Calibration):
            raise NotCalibrated(
                f"a {type(own).__name__} of model {self.fingerprint}, without thresholds",
                expected="a calibration, or None to embed only",
                do="fit one on labelled clips with 'spkid fit'",
                code="not_calibrated",
            )
        if own.model != self.fingerprint:
            raise ModelMismatch(
                f"a calibration of model {own.model}",
                expected=f"one of the model in use, {self.fingerprint}",
                do="give the calibration that belongs to the model",
                code="other_model",
            )
        if own.landmarks and len(own.landmarks[0]) != self.dim:
            raise ModelMismatch(
                f"a calibration whose landmarks have {len(own.landmarks[0])} dimensions",
                expected=f"{self.dim}, as the model's vectors have",
                do="give the calibration that belongs to the model",
                code="other_model",
            )

    def _check_quick(self, quick: Quick) -> None:
        own = (quick.model.fingerprint, self.fingerprint)
        fitted_to = (quick.limits.small, quick.limits.accurate)
        if own != fitted_to:
            raise ModelMismatch(
                f"limits of models {' and '.join(fitted_to)}",
                expected=f"those of the models in use, {' and '.join(own)}",
                do="fit them again, or use one of the models alone",
                code="other_model",
            )

    @classmethod
    def load(
        cls,
        source: str | Path | None = None,
        *,
        calibration: str | Path | None = None,
        n_threads: int = 1,
        trust_code: bool = False,
    ) -> Model:
        """The default model, or ``source`` as :meth:`SpeakerEncoder.load` reads it.

        ``"accurate"`` is the default; ``"small"`` takes half of its time and errs more.
        ``"both"`` asks the small one first, and the accurate one where that is not sure.

        Its calibration is ``calibration``, or the file beside it: ``mine.calibration.json`` of
        ``mine.onnx``. Where there is none, the model is loaded without.

        Raises
        ------
        SpkidError
            If one of the two cannot be loaded, or they do not belong together.
        """
        if str(source) == BOTH:
            if calibration is not None:
                raise SpkidError(
                    f"a calibration for {BOTH} models",
                    expected="none: each has its own",
                    do="leave it out, or load one of the models",
                )
            small = cls.load("small", n_threads=n_threads)
            accurate = cls.load("accurate", n_threads=n_threads)
            return replace(accurate, quick=Quick(small, Limits.load(LIMITS)))
        encoder = SpeakerEncoder.load(source, n_threads=n_threads, trust_code=trust_code)
        beside = calibration_beside(source or BUNDLED_MODEL)
        if calibration is not None or beside.exists():
            return cls(encoder, Calibration.load(calibration or beside))
        return cls(encoder)

    @property
    def fingerprint(self) -> str:
        """Names the weights; vectors of different fingerprints must not be compared."""
        return self.encoder.fingerprint

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return self.encoder.dim

    def behind(self, models: Iterable[str]) -> Model:
        """The model behind vectors of these fingerprints: the quick one where all are its own."""
        if self.quick and set(models) == {self.quick.model.fingerprint}:
            return self.quick.model
        return self

    def to_decide(self) -> Calibration:
        """The calibration.

        Raises
        ------
        NotCalibrated
            If there is none.
        """
        if self.calibration is None:
            raise NotCalibrated(
                f"model {self.fingerprint} without a calibration",
                expected="a calibration, which says how sure a score is",
                do="fit one on labelled clips with 'spkid fit'",
                code="not_calibrated",
            )
        return self.calibration


def calibration_beside(source: str | Path) -> Path:
    """Where the calibration of a model is kept: ``mine.calibration.json`` for ``mine.onnx``."""
    _, place = kind_and_place(source)
    return Path(place).with_suffix(".calibration.json")
