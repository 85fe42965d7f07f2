"""The inbox: voices that nobody recognised, where a household agreed to keep them."""

from __future__ import annotations

from fastapi import APIRouter, Request

from enrollment.refusals import no_voice
from spkid.serve.access import HOME, ONE_HOME, Home, Serving, add, name_in_path
from spkid.serve.answers import (
    DeletedVoices,
    InboxOn,
    InboxShown,
    MemberShown,
    TermsShown,
    VoiceNamed,
)
from spkid.serve.service import Service
from spkid.serve.showing import shown_id, shown_member, shown_speaker

router = APIRouter(tags=["inbox"])
INBOX = "/households/{household}/inbox"
VOICE = INBOX + "/{voice}"
ONE_VOICE = (*ONE_HOME, "unknown_voice")


@add(router, "GET", INBOX, scopes=HOME, codes=ONE_HOME, response_model=InboxShown)
async def show_inbox(household: Home, request: Request, service: Serving) -> InboxShown:
    """What was agreed to, and a row for what seems to be one person."""

    def work() -> InboxShown:
        service.members(household)
        own = service.home(household).inbox
        terms = own.terms
        return InboxShown(
            household=household,
            terms=TermsShown.model_validate(terms) if terms else None,
            speakers=[shown_speaker(speaker) for speaker in own.speakers()],
        )

    return await service.writing.run(work, request)


@add(router, "PUT", INBOX, scopes=HOME, codes=(*ONE_HOME, "no_consent"), response_model=TermsShown)
async def switch_on(
    household: Home, body: InboxOn, request: Request, service: Serving
) -> TermsShown:
    """Keep the voices of strangers from now on: vectors, no clips."""

    def work() -> TermsShown:
        service.members(household)
        own = service.home(household).inbox
        return TermsShown.model_validate(
            own.switch_on(body.by, consent=body.consent, keep_days=body.days)
        )

    return await service.writing.run(work, request)


@add(router, "DELETE", INBOX, scopes=HOME, codes=ONE_HOME, response_model=DeletedVoices)
async def switch_off(household: Home, request: Request, service: Serving) -> DeletedVoices:
    """Keep no unknown voices any more and delete those there."""
    return await service.writing.run(
        lambda: DeletedVoices(n_deleted=service.home(household).inbox.switch_off()), request
    )


@add(
    router,
    "POST",
    VOICE + "/name",
    scopes=HOME,
    codes=(*ONE_VOICE, "same_voice", "no_consent"),
    response_model=MemberShown,
)
async def name_voice(
    household: Home, voice: str, body: VoiceNamed, request: Request, service: Serving
) -> MemberShown:
    """Say whose voice it is: the clips become that person's profile."""

    def work() -> MemberShown:
        member = service.home(household).inbox.name(
            number_of(service, household, voice),
            body.member,
            consent=body.consent,
            given_by=body.given_by,
            another_person=body.another_person,
        )
        return MemberShown(**shown_member(member))

    return await service.writing.run(work, request)


@add(router, "DELETE", VOICE, scopes=HOME, codes=ONE_VOICE, response_model=DeletedVoices)
async def delete_voice(
    household: Home, voice: str, request: Request, service: Serving
) -> DeletedVoices:
    """Delete one unknown voice."""

    def work() -> DeletedVoices:
        number = number_of(service, household, voice)
        return DeletedVoices(n_deleted=service.home(household).inbox.delete(number))

    return await service.writing.run(work, request)


def number_of(service: Service, household: str, voice: str) -> int:
    """The store's number of the voice that is shown as ``voice``."""
    service.members(household)
    shown = name_in_path(voice)
    for own in service.store.voices.voices(household):
        if shown_id(own.digest) == shown:
            return own.id
    raise no_voice(household)
