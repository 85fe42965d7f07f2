"""Enrolling clip by clip: what is accepted is committed before the answer says so."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request

from enrollment.profile import MAX_EXEMPLARS, ClipVerdict
from enrollment.session import EnrollmentSession
from spkid.serve.access import HOME, ONE_HOME, Home, Person, Serving, add
from spkid.serve.answers import Enrolled, SpanShown, Verdict
from spkid.serve.routes.members import MEMBER
from spkid.serve.service import Service
from spkid.serve.uploads import bounds_of, decoded, files_of

router = APIRouter(tags=["enroll"])
Device = Annotated[str, Query(max_length=80, description="Label of the microphone.")]
Consent = Annotated[
    bool, Query(description="The person agreed to the texts that GET /service tells.")
]
GivenBy = Annotated[
    str,
    Query(
        max_length=200,
        description="Who agreed, where that is not the person: a parent of a child.",
    ),
]
Child = Annotated[
    bool | None, Query(description="That this is a child, whose voice changes sooner.")
]
AnotherPerson = Annotated[
    bool, Query(description="That this is another person than the one whom the clips sound like.")
]


@add(
    router,
    "POST",
    MEMBER + "/clips",
    scopes=HOME,
    codes=(*ONE_HOME, "same_voice", "no_consent"),
    audio="An audio file, or a form with one to ten of them as parts 'file'.",
    response_model=Enrolled,
)
async def enroll(
    household: Home,
    member: Person,
    request: Request,
    service: Serving,
    consent: Consent = False,
    given_by: GivenBy = "",
    device: Device = "",
    child: Child = None,
    another_person: AnotherPerson = False,
    force: Annotated[
        bool, Query(description="Also take clips that do not sound like the others.")
    ] = False,
    origin: Annotated[
        Literal["enrolled", "confirmed"],
        Query(description="'confirmed': somebody said whose voice an identified clip was."),
    ] = "enrolled",
) -> Enrolled:
    """Add clips to a person's profile; household and person begin with their first clip."""
    files = await files_of(request, at_most=MAX_EXEMPLARS)
    bounds = bounds_of(service.limits)

    def work() -> Enrolled:
        session = service.home(household).session(
            member,
            consent=consent,
            given_by=given_by,
            child=child,
            device=device,
            vault=service.vault,
            origin=origin,
        )
        while files:
            session.add(decoded(files.pop(0), bounds))
        if force:
            session.accept_all()
        return saved(service, session, another_person=another_person)

    return await service.hearing.run(work, request)


def saved(service: Service, session: EnrollmentSession, *, another_person: bool) -> Enrolled:
    """Commit what is accepted; how complete the profile is then."""
    done = session.save(another_person=another_person)
    for clip in done.clips:
        service.metrics.clips.labels(clip.reason).inc()
    return shown_session(session, done.clips)


def shown_session(session: EnrollmentSession, clips: tuple[ClipVerdict, ...]) -> Enrolled:
    """How complete the profile is with what the session accepted."""
    return Enrolled(
        household=session.household,
        member=session.member,
        percent=session.percent,
        speech_s=round(session.speech_s, 2),
        speech_needed_s=round(session.speech_needed_s, 2),
        clips_needed=session.clips_needed,
        clips=[shown_verdict(number, clip) for number, clip in enumerate(clips)],
    )


def shown_verdict(number: int, clip: ClipVerdict) -> Verdict:
    """What became of one clip."""
    return Verdict(
        number=number,
        accepted=clip.accepted,
        reason=clip.reason,
        speech_s=round(clip.speech_s, 2),
        sounds_like=clip.sounds_like,
        other_voices=[SpanShown.model_validate(span) for span in clip.other_voices],
    )
