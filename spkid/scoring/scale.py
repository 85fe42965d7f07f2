"""What a cosine is worth: maps from cosines to log-likelihood ratios."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.errors import ModelMismatch, SpkidError

RATES = (0.005, 0.01, 0.02, 0.05, 0.1, 0.2)  # false-accept rates with a stored threshold
CLIP_COUNTS = (1, 2, 3)  # exemplars behind a profile; more count as three
SPEECH_S = (0.7, 1.4, 2.8)  # lengths of a clip with stored thresholds; longer counts as last
USUAL_SPEECH_S = 2.0  # the length that ``scale`` and ``offset`` belong to
UNKNOWN_SPEECH_S = SPEECH_S[-1]  # a clip of unknown length is taken for a whole sentence
SHARPNESS = 16.0  # of the soft maximum over landmarks; chosen on held-out training speakers
USUAL_PAIRS = 3.0  # of members: what the usual likeness counts for beside a home's own
USUAL_MEMBERS = 2.0  # what the usual company counts for beside a home's own

SINGLE_NUMBERS = (  # the fields that are one number
    "guest_prior",
    "duration_scale",
    "duration_offset",
    "usual_crowding",
    "crowding_scale",
    "usual_likeness",
    "likeness_scale",
    "usual_company",
    "company_scale",
    "centrality_scale",
    "size_scale",
    "home_offset",
)

Floats = NDArray[np.float64]
Landmarks = tuple[tuple[float, ...], ...]  # [n, dim]


@dataclass(frozen=True)
class Scale:
    """Maps from cosines to log-likelihood ratios. It has no thresholds and decides nothing.

    A clip of ``USUAL_SPEECH_S`` against a profile of ``CLIP_COUNTS[i]`` clips has the ratio
    ``scale[i] * cosine + offset[i]``. Shorter clips are less sure, longer ones surer: for each
    e-fold of speech, ``duration_scale * cosine + duration_offset`` is added. A clip from where
    many voices lie comes near anybody: ``crowding_scale * crowding`` is added, see
    :meth:`crowding`, with ``landmarks`` as unit vectors ``[n, dim]``, each the mean of many
    speakers. People under one roof share a language, an accent and a microphone, and so do the
    strangers who come in: in a home, :meth:`home_term` is added for every member instead. In a
    calibration of an earlier release, where ``company_scale`` is 0, it is the crowding and
    ``likeness_scale * likeness``, see :meth:`likeness`. ``model`` is the fingerprint of the model
    that made the vectors.

    Raises
    ------
    SpkidError
        If a field has another size than it should, or holds a value that is not finite.
    """

    model: str
    guest_prior: float
    scale: tuple[float, ...]
    offset: tuple[float, ...]
    duration_scale: float
    duration_offset: float
    landmarks: Landmarks = field(repr=False)
    usual_crowding: float
    crowding_scale: float
    usual_likeness: float = field(default=0.0, kw_only=True)
    likeness_scale: float = field(default=0.0, kw_only=True)
    usual_company: float = field(default=0.0, kw_only=True)
    company_scale: float = field(default=0.0, kw_only=True)
    centrality_scale: float = field(default=0.0, kw_only=True)
    size_scale: float = field(default=0.0, kw_only=True)
    home_offset: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        n_counts = len(CLIP_COUNTS)
        check_numbers("scale", self.scale, (n_counts,))
        check_numbers("offset", self.offset, (n_counts,))
        for name in SINGLE_NUMBERS:
            check_numbers(name, getattr(self, name), ())
        if self.landmarks:
            check_numbers("landmarks", self.landmarks, (len(self.landmarks), None))
        if not 0 < self.guest_prior < 1:
            raise unfit("guest_prior", "a probability between 0 and 1")

    @cached_property
    def _landmark_array(self) -> Floats:
        return np.asarray(self.landmarks, dtype=np.float64)

    @cached_property
    def _centre(self) -> Floats:
        middle = self._landmark_array.mean(axis=0)
        return np.asarray(middle / np.linalg.norm(middle))

    def crowding(self, vectors: ArrayLike) -> Floats:
        """How near the landmarks come to unit ``vectors`` ``[..., dim]``: ``[...]``, 0 is usual.

        The soft maximum of the cosines to the landmarks, in place of the mean cosine to a cohort
        of strangers: that mean corrects a score in T-norm (Auckenthaler et al., 2000) and is a
        measure of quality in calibration (Thienpondt et al., "The IDLAB VoxSRC-20 submission",
        ICASSP 2021), but a cohort is voices of people. Zeros without landmarks.

        Raises
        ------
        ModelMismatch
            If the vectors have another dimension than the landmarks.
        """
        values = self._beside_landmarks(vectors)
        if not self.landmarks:
            return np.zeros(values.shape[:-1])
        nearness = np.exp(SHARPNESS * values @ self._landmark_array.T).mean(axis=-1)
        return np.asarray(np.log(nearness) / SHARPNESS - self.usual_crowding)

    def centrality(self, vectors: ArrayLike) -> Floats:
        """The cosine of unit ``vectors`` ``[..., dim]`` and the mean of the landmarks: ``[...]``.

        What a room, a microphone or an accent adds to every voice that is heard with it leads
        away from that mean, and makes strangers who share it alike. Zeros without landmarks.

        Raises
        ------
        ModelMismatch
            If the vectors have another dimension than the landmarks.
        """
        values = self._beside_landmarks(vectors)
        return values @ self._centre if self.landmarks else np.zeros(values.shape[:-1])

    def _beside_landmarks(self, vectors: ArrayLike) -> Floats:
        values = np.asarray(vectors, dtype=np.float64)
        if self.landmarks and values.shape[-1] != len(self.landmarks[0]):
            raise ModelMismatch(
                f"vectors of {values.shape[-1]} dimensions",
                expected=f"{len(self.landmarks[0])}, as the calibration's landmarks have",
                do="give the calibration that belongs to the model",
                code="other_model",
            )
        return values

    def company(self, llrs: ArrayLike) -> Floats:
        """How near a clip comes to the members who did not come first; 0 is usual.

        The mean of their log-likelihood ratios ``[..., members]`` less the usual one: ``[...]``.
        That of few members says little, so the usual one counts as much as ``USUAL_MEMBERS``
        members. It is a T-norm (Auckenthaler et al., 2000) whose cohort is the home.
        """
        values = np.asarray(llrs, dtype=np.float64)
        n_others = values.shape[-1] - 1
        others = values.sum(axis=-1) - values.max(axis=-1)
        return np.asarray((others - n_others * self.usual_company) / (n_others + USUAL_MEMBERS))

    def home_term(self, vectors: ArrayLike, llrs: ArrayLike) -> Floats:
        """What is added to the ``llrs`` ``[..., members]`` of clips ``[..., dim]``: ``[...]``.

        So that about the same share of strangers comes in to homes of every kind: multiples of
        :meth:`company`, of :meth:`centrality` and of the logarithm of the number of members.
        """
        n_members = np.shape(llrs)[-1]
        return np.asarray(
            self.home_offset
            + self.company_scale * self.company(llrs)
            + self.centrality_scale * self.centrality(vectors)
            + self.size_scale * np.log(n_members)
        )

    def likeness(self, profiles: ArrayLike) -> float:
        """How alike the members of a home sound, from their ``[members, dim]``; 0 is usual.

        The mean cosine between two of them less the usual one. A home of two has a single pair,
        so the usual mean counts as much as ``USUAL_PAIRS`` pairs of its own.
        """
        cosines = cosines_between(profiles)
        unusual = cosines.sum() - len(cosines) * self.usual_likeness
        return float(unusual / (len(cosines) + USUAL_PAIRS))

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
            Of clip and profile.
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
        folds = log_duration(speech_s)
        scale = np.asarray(self.scale)[row] + self.duration_scale * folds
        offset = np.asarray(self.offset)[row] + self.duration_offset * folds
        return np.asarray(scale * values + offset + self.crowding_scale * np.asarray(crowding))


def raw_cosines(model: str) -> Scale:
    """Stands in for a fitted scale: cosines times a constant, for figures of other systems.

    Against so large a scale the size of a household counts for nothing.
    """
    n_counts = len(CLIP_COUNTS)
    return Scale(
        model=model,
        guest_prior=0.5,
        scale=(1000.0,) * n_counts,
        offset=(0.0,) * n_counts,
        duration_scale=0.0,
        duration_offset=0.0,
        landmarks=(),
        usual_crowding=0.0,
        crowding_scale=0.0,
    )


def cosines_between(profiles: ArrayLike) -> Floats:
    """The cosines of all pairs of unit ``profiles`` ``[members, dim]``, ``[pairs]``."""
    values = np.asarray(profiles, dtype=np.float64)
    return np.asarray((values @ values.T)[np.triu_indices(len(values), k=1)])


def log_duration(speech_s: ArrayLike) -> Floats:
    """Speech in e-folds of ``USUAL_SPEECH_S``, within what was measured."""
    seconds = np.asarray(speech_s, dtype=np.float64)
    return np.asarray(np.log(np.clip(seconds, SPEECH_S[0], SPEECH_S[-1]) / USUAL_SPEECH_S))


def check_numbers(name: str, values: object, shape: tuple[int | None, ...]) -> None:
    """Refuse a field that is not of ``shape`` (None: any length) or not finite throughout."""
    try:
        array = np.asarray(values)
    except (ValueError, TypeError):
        array = np.empty((0, 0, 0, 0))
    # "0.5" would become a number here, and stay text where it is used
    fits = (
        array.dtype.kind in "if"
        and array.ndim == len(shape)
        and all(
            expected in (None, length) for expected, length in zip(shape, array.shape, strict=True)
        )
    )
    if not fits:
        sizes = " x ".join("n" if length is None else str(length) for length in shape)
        raise unfit(name, f"{sizes} numbers" if shape else "a number")
    if not np.isfinite(array).all():
        raise unfit(name, "finite numbers")


def unfit(name: str, expected: str) -> SpkidError:
    """The error of a field that cannot be what it should be."""
    return SpkidError(
        f"a calibration whose {name} cannot be used",
        expected=expected,
        do="fit it again with spkid fit",
    )
