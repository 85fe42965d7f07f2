"""Small frozen values: exemplars, members and what an enrollment says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from enrollment.names import name_key
from enrollment.refusals import not_unit
from spkid.audio.ears import Span
from spkid.encoder.unit import are_unit
from spkid.scoring.posterior import profile_vector

AgeGroup = Literal["", "child"]

MAX_EXEMPLARS = 10
WANTED_SPEECH_S = 20.0
WANTED_CLIPS = 3
ENROLL_SPEECH_S = 2.0  # shorter clips can be matched but never enrolled
CONSENT_VERSION = "1"
CONSENT_TEXT = (
    "I agree that a mathematical description of my voice is kept on this device to recognise "
    "me. It can be deleted at any time with 'spkid forget'."
)
AUDIO_CONSENT_TEXT = (
    "I agree that the clips themselves are kept too, encrypted, so that my profile can be moved "
    "to a new model. They can be deleted at any time with 'spkid forget'."
)


def check_unit(vectors: ArrayLike, *, dim: int | None = None) -> None:
    """Refuse what is no unit vector ``[dim]``, or no such vectors ``[n, dim]``.

    Raises
    ------
    SpkidError
        If a vector is empty, not finite, of another length than one or of another dimension.
    """
    if not are_unit(vectors, dim=dim):
        raise not_unit()


def percent_done(speech_s: float, n_clips: int) -> int:
    """How complete a profile is: 20 s of speech over three clips are 100."""
    return int(100 * min(1.0, speech_s / WANTED_SPEECH_S, n_clips / WANTED_CLIPS))


@dataclass(frozen=True)
class Consent:
    """What a person agreed to, who said so and when (UTC, ISO 8601; the store fills it in).

    ``audio_text`` is empty where the clips themselves must not be kept.
    """

    given_by: str
    version: str = CONSENT_VERSION
    text: str = CONSENT_TEXT
    audio_text: str = ""
    given_at: str = ""


@dataclass(frozen=True)
class Exemplar:
    """One enrolled clip: its unit vector and what is known of it.

    ``snr_db`` is None where it could not be told; ``is_narrowband`` where the speech ends at 4 kHz,
    or may, since an older store did not keep it. ``id`` and ``added_at`` are the store's;
    ``device`` is a label such as "kitchen"; ``origin`` is ``confirmed`` where a person said
    later whose voice an identified clip was.
    """

    # never changes under its id, and arrays have no one answer to whether they are equal
    vector: NDArray[np.float32] = field(repr=False, compare=False)
    digest: str
    speech_s: float
    snr_db: float | None
    device: str = ""
    origin: Literal["enrolled", "confirmed"] = "enrolled"
    added_at: str = ""
    id: int = 0
    is_narrowband: bool = False

    def __post_init__(self) -> None:
        check_unit(self.vector)


@dataclass(frozen=True)
class SecondVectors:
    """Clips as a second ``model`` describes them: unit vectors ``[dim]`` by the clips' digests."""

    model: str
    by_digest: Mapping[str, NDArray[np.float32]] = field(repr=False)

    def __post_init__(self) -> None:
        if self.by_digest:
            check_unit(list(self.by_digest.values()))


@dataclass(frozen=True)
class Member:
    """A person of a household; ``model`` is the fingerprint behind every vector.

    ``age_group`` is "child" where somebody said so, else empty.

    Raises
    ------
    SpkidError
        If the exemplars are of several dimensions.
    """

    household: str
    name: str
    model: str
    consent_at: str
    exemplars: tuple[Exemplar, ...]
    age_group: AgeGroup = ""

    def __post_init__(self) -> None:
        if self.exemplars:
            check_unit([exemplar.vector for exemplar in self.exemplars])

    @property
    def speech_s(self) -> float:
        """Seconds of speech over all exemplars."""
        return sum(exemplar.speech_s for exemplar in self.exemplars)

    @cached_property
    def vector(self) -> NDArray[np.float64]:
        """Unit mean of the exemplars, ``[dim]``."""
        return profile_vector([exemplar.vector for exemplar in self.exemplars])

    @property
    def narrowband_share(self) -> float:
        """Share of the exemplars that came by telephone, or may have; 0 to 1."""
        return sum(exemplar.is_narrowband for exemplar in self.exemplars) / len(self.exemplars)

    @property
    def percent(self) -> int:
        """How complete the profile is: 20 s of speech over three clips are 100."""
        return percent_done(self.speech_s, len(self.exemplars))

    @property
    def speech_needed_s(self) -> float:
        """Seconds of speech still wanted."""
        return max(0.0, WANTED_SPEECH_S - self.speech_s)


def find_named(members: Sequence[Member], name: str) -> Member | None:
    """The member of that name, however it is written; of look-alikes, the one written so."""
    key = name_key(name)
    alike = [member for member in members if name_key(member.name) == key]
    exact = [member for member in alike if member.name == name]
    return next(iter([*exact, *alike]), None)


@dataclass(frozen=True)
class ClipVerdict:
    """``reason`` is ``ok``, a quality verdict or another code for why the clip is refused.

    These are ``several_voices``, ``unlike_others`` and ``same_clip``. ``sounds_like`` is another
    member of the household whose voice, or whose clip, this seems to be; ``other_voices`` is where
    somebody else than the main voice speaks.
    """

    name: str
    accepted: bool
    reason: str
    speech_s: float
    sounds_like: str | None = None
    other_voices: tuple[Span, ...] = ()


@dataclass(frozen=True)
class Enrollment:
    """The verdict on each clip, and the member as stored; None where nothing was."""

    clips: tuple[ClipVerdict, ...]
    member: Member | None


@dataclass(frozen=True)
class Receipt:
    """What was deleted, without any biometrics.

    ``n_decisions`` counts the answers about them that were written down. ``log_emptied`` is False
    where another program was reading the store: the deleted pages leave the write-ahead log when
    that program closes it. It is always False on PostgreSQL, whose own log and backups no client
    can cut.

    ``sealed_indexes`` are files of a saved search index that could not be removed and that
    nobody can read any more: the key went with the deletion. ``readable_indexes`` are those of
    an older version, which can be read, and places where this user may not look: delete them
    by hand.
    """

    household: str
    members: tuple[str, ...]
    n_exemplars: int
    n_decisions: int
    at: str
    log_emptied: bool
    sealed_indexes: tuple[str, ...] = ()
    readable_indexes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rearranged:
    """What ``rename``, ``merge`` or ``move`` made.

    ``household`` and ``member`` are the names from now on (no member where the household was
    renamed), ``dropped`` the ids of clips for which a profile had no room, ``uncalibrated`` the
    households whose own threshold is gone with what it was measured on, ``gone_household`` the
    one that went with its last member. Of a member who moved, ``n_decisions`` answers that were
    written down in the old home are gone.
    """

    household: str
    member: str | None
    dropped: tuple[int, ...] = ()
    uncalibrated: tuple[str, ...] = ()
    gone_household: str | None = None
    n_decisions: int = 0


@dataclass(frozen=True)
class Change:
    """One line of the store's log: ids and a time, no names and no biometrics.

    ``kind`` is ``clip_added`` or ``clip_removed`` (one for each exemplar, with its id),
    ``member_forgotten``, ``member_renamed``, ``member_merged`` (the one that is gone),
    ``member_left``, ``member_joined``, ``household_forgotten``, ``household_renamed``,
    ``calibrated``, ``second_vectors`` (a member's of a second model are new), ``inbox_on``,
    ``inbox_off``, ``decisions_on`` or ``decisions_off``.
    """

    sequence: int
    at: str
    kind: str
    household_id: int
    member_id: int | None
    exemplar_id: int | None


@dataclass(frozen=True)
class ExemplarBatch:
    """Some exemplars in the order of their ids, for an index.

    Shapes: ``ids`` and ``member_ids`` int64 ``[n]``, ``vectors`` float32 ``[n, dim]``.
    """

    ids: NDArray[np.int64]
    member_ids: NDArray[np.int64]
    vectors: NDArray[np.float32] = field(repr=False)

    def __post_init__(self) -> None:
        check_unit(self.vectors)
