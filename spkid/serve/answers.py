"""What requests hold and answers tell, as the OpenAPI document shows it."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from spkid.serve.tokens import Scope

EXAMPLE_MODEL = "36ec17f3e4124240"
AT = "2026-11-27T02:00:00+00:00"


class _Answer(BaseModel):
    model_config = ConfigDict(from_attributes=True, extra="forbid")


class Problem(_Answer):
    """An error (RFC 9457); ``code`` is for programs.

    ``sounds_like`` stands with ``same_voice``: the member whom the clips sound like.
    """

    type: str
    title: str
    status: int
    detail: str
    code: str
    got: str
    expected: str
    do: str
    sounds_like: str | None = None


class Health(_Answer):
    """Whether the service can answer."""

    status: Literal["ok"]


class LimitsShown(_Answer):
    """What is taken: bytes, and seconds of sound or speech."""

    upload_bytes: int
    clip_s: float
    recording_s: float
    enroll_speech_s: float
    match_speech_s: float
    wanted_speech_s: float
    wanted_clips: int
    max_clips: int


class ConsentTexts(_Answer):
    """What a person agrees to; ``audio`` is empty where clips are not kept."""

    version: str
    voice: str
    audio: str
    inbox: str


class ServiceShown(_Answer):
    """What the service is and what this caller may do."""

    version: str
    model: str = Field(examples=[EXAMPLE_MODEL])
    scope: Scope
    household: str | None = Field(examples=["home"])
    token_required: bool
    keeps_audio: bool
    has_audit: bool
    limits: LimitsShown
    consent: ConsentTexts


class HouseholdCount(_Answer):
    """One household of the list."""

    household: str = Field(examples=["home"])
    n_members: int = Field(examples=[2])


class Households(_Answer):
    """Those that this caller may see."""

    households: list[HouseholdCount]


class MemberShown(_Answer):
    """A profile, without any biometrics."""

    household: str = Field(examples=["home"])
    member: str = Field(examples=["Ana"])
    percent: int = Field(examples=[81])
    n_clips: int
    speech_s: float
    speech_needed_s: float
    clips_needed: int
    consent_at: str = Field(examples=[AT])
    model: str = Field(examples=[EXAMPLE_MODEL])
    age_group: str
    newest_clip_at: str | None = Field(examples=[AT])
    enroll_again: bool


class OwnCalibration(_Answer):
    """Accept at the shipped ``rate`` to let in ``far`` of strangers."""

    far: float = Field(examples=[0.01])
    rate: float = Field(examples=[0.0101])


class InboxState(_Answer):
    """Whether unknown voices are kept, and of how many people they seem to be."""

    is_on: bool
    n_speakers: int


class HouseholdShown(_Answer):
    """A household and its members."""

    household: str = Field(examples=["home"])
    members: list[MemberShown]
    calibration: OwnCalibration | None
    inbox: InboxState


class ClipShown(_Answer):
    """An enrolled clip."""

    id: str = Field(examples=["9f2c0e5a7b1d3c48"])
    speech_s: float
    snr_db: float | None
    device: str
    origin: Literal["enrolled", "confirmed"]
    added_at: str = Field(examples=[AT])


class ConsentShown(_Answer):
    """What was agreed to, by whom and when."""

    given_by: str
    given_at: str
    version: str
    text: str


class MemberWithClips(MemberShown):
    """A profile with its clips and consents."""

    clips: list[ClipShown]
    consents: dict[str, ConsentShown]


class Deleted(_Answer):
    """What was deleted, without any biometrics."""

    household: str
    members: list[str]
    n_exemplars: int
    n_decisions: int
    at: str = Field(examples=[AT])
    log_emptied: bool
    sealed_indexes: int
    readable_indexes: int


class Changed(_Answer):
    """The names from now on; ``dropped`` are clips for which a profile had no room."""

    household: str
    member: str | None
    dropped: list[str]
    uncalibrated: list[str]
    gone_household: str | None


class SpanShown(_Answer):
    """Seconds from the beginning of the clip."""

    start_s: float
    end_s: float


class Verdict(_Answer):
    """What became of one clip; ``reason`` is ``ok`` or why it is refused."""

    number: int
    accepted: bool
    reason: str = Field(examples=["ok"])
    speech_s: float
    sounds_like: str | None
    other_voices: list[SpanShown]


class Enrolled(_Answer):
    """How complete the profile is now, and a verdict on each clip."""

    household: str = Field(examples=["home"])
    member: str = Field(examples=["Ana"])
    percent: int = Field(examples=[24])
    speech_s: float
    speech_needed_s: float
    clips_needed: int
    clips: list[Verdict]


class CandidateShown(_Answer):
    """One member's share of an answer."""

    member: str
    probability: float
    llr: float
    cosine: float


class SpectrogramShown(_Answer):
    """Unsigned bytes in base64, band by band; 0 is ``lowest_db`` or less, 255 ``highest_db``."""

    n_bands: int
    n_frames: int
    lowest_hz: float
    highest_hz: float
    lowest_db: float
    highest_db: float
    bytes: str


class PictureShown(_Answer):
    """Which frames counted: frame ``i`` is centred on ``first_frame_s + i * frame_s``."""

    frame_s: float
    first_frame_s: float
    duration_s: float
    weights: list[float] | None
    spectrogram: SpectrogramShown


class Identified(_Answer):
    """Who is speaking; the figures are null where nothing was decided."""

    household: str = Field(examples=["home"])
    status: Literal[
        "known", "unknown", "ambiguous", "too_short", "no_speech", "poor_audio", "several_voices"
    ]
    member: str | None = Field(examples=["Ana"])
    p_member: float | None
    p_stranger: float | None
    margin: float | None
    cosine: float | None
    model: str = Field(examples=[EXAMPLE_MODEL])
    speech_s: float
    candidates: list[CandidateShown]
    hints: list[str]
    other_voices: list[SpanShown]
    milliseconds: float
    picture: PictureShown | None


class Verified(_Answer):
    """Is it this person? ``same`` is null where it cannot be told."""

    household: str
    member: str
    same: bool | None
    reason: str
    p_same: float | None
    llr: float | None
    cosine: float | None
    model: str


class SegmentShown(_Answer):
    """One stretch of speech."""

    start_s: float
    end_s: float
    who: str | None
    status: str
    probability: float | None


class TimelineShown(_Answer):
    """Who spoke when."""

    household: str
    segments: list[SegmentShown]


class Calibrated(OwnCalibration):
    """The chosen rate, and the home's own clips: so many wrong of so many."""

    false_accepts: tuple[int, int]
    missed: tuple[int, int]


class TermsShown(_Answer):
    """What somebody agreed to for the household."""

    given_by: str
    given_at: str
    keep_days: int
    version: str
    text: str


class UnknownSpeakerShown(_Answer):
    """Clips of what seems to be one voice that nobody recognised."""

    id: str = Field(examples=["1b77a03c55e09f12"])
    n_clips: int
    speech_s: float
    first_heard_at: str
    last_heard_at: str
    kept_until: str


class InboxShown(_Answer):
    """The unknown voices; ``terms`` is null while none are kept."""

    household: str
    terms: TermsShown | None
    speakers: list[UnknownSpeakerShown]


class DeletedVoices(_Answer):
    """How many clips went."""

    n_deleted: int


class Name(_Answer):
    """A new name."""

    name: str = Field(max_length=200, examples=["Anna"])


class Into(_Answer):
    """The profile that stays."""

    into: str = Field(max_length=200, examples=["Ana"])


class ToHousehold(_Answer):
    """Where the person lives now."""

    to_household: str = Field(max_length=200, examples=["flat 3"])


class Far(_Answer):
    """The share of strangers' clips that may be accepted."""

    far: float = Field(gt=0, lt=1, allow_inf_nan=False, examples=[0.01])


class InboxOn(_Answer):
    """Who agrees to it, for how many days a voice is kept."""

    by: str = Field(max_length=200, examples=["Ana"])
    days: int = 30
    consent: bool


class VoiceNamed(_Answer):
    """Whose voice it is, and that this person agreed.

    ``given_by`` is who agreed, where that is not the person: a parent of a child.
    """

    member: str = Field(max_length=200, examples=["Gran"])
    consent: bool = False
    given_by: str = Field("", max_length=200)
    another_person: bool = False
