"""Members: one profile, its names, two that become one, another home, all that is kept."""

from __future__ import annotations

import tempfile
from pathlib import Path

from fastapi import APIRouter, Request, Response

from enrollment.export import export_member
from enrollment.refusals import no_clip
from spkid.serve.access import HOME, ONE_MEMBER, Home, Person, Serving, add, name_in_path
from spkid.serve.answers import (
    Changed,
    ClipShown,
    ConsentShown,
    Deleted,
    Into,
    MemberWithClips,
    Name,
    ToHousehold,
)
from spkid.serve.routes.households import digests_of, forget
from spkid.serve.service import Service
from spkid.serve.showing import shown_change, shown_id, shown_member

router = APIRouter(tags=["members"])
MEMBER = "/households/{household}/members/{member}"
ZIP = "application/zip"


@add(router, "GET", MEMBER, scopes=HOME, codes=ONE_MEMBER, response_model=MemberWithClips)
async def show_member(
    household: Home, member: Person, request: Request, service: Serving
) -> MemberWithClips:
    """A profile with its clips and what the person agreed to."""

    def work() -> MemberWithClips:
        found = service.member(household, member)
        consents = service.store.consents(found.household, found.name)
        return MemberWithClips(
            **shown_member(found),
            clips=[
                ClipShown(
                    id=shown_id(clip.digest),
                    speech_s=round(clip.speech_s, 2),
                    snr_db=None if clip.snr_db is None else round(clip.snr_db, 1),
                    device=clip.device,
                    origin=clip.origin,
                    added_at=clip.added_at,
                )
                for clip in found.exemplars
            ],
            consents={
                subject: ConsentShown.model_validate(consent)
                for subject, consent in consents.items()
            },
        )

    return await service.writing.run(work, request)


@add(
    router,
    "PATCH",
    MEMBER,
    scopes=HOME,
    codes=(*ONE_MEMBER, "name_taken"),
    response_model=Changed,
)
async def rename_member(
    household: Home, member: Person, body: Name, request: Request, service: Serving
) -> Changed:
    """Give a person another name."""
    return await service.writing.run(
        lambda: shown_change(service.store.rename(household, body.name, member=member), []), request
    )


@add(router, "DELETE", MEMBER, scopes=HOME, codes=ONE_MEMBER, response_model=Deleted)
async def forget_member(
    household: Home, member: Person, request: Request, service: Serving
) -> Deleted:
    """Delete a person for good; the household goes with its last member."""
    return await service.writing.run(lambda: forget(service, household, member), request)


@add(
    router,
    "DELETE",
    MEMBER + "/clips/{clip}",
    scopes=HOME,
    codes=(*ONE_MEMBER, "unknown_clip"),
    response_model=Deleted,
)
async def forget_clip(
    household: Home, member: Person, clip: str, request: Request, service: Serving
) -> Deleted:
    """Delete one clip for good; the person goes with the last one."""
    return await service.writing.run(
        lambda: forget(service, household, member, [number_of(service, household, member, clip)]),
        request,
    )


def number_of(service: Service, household: str, member: str, clip: str) -> int:
    """The store's number of the clip that is shown as ``clip``."""
    shown = name_in_path(clip)
    for own in service.member(household, member).exemplars:
        if shown_id(own.digest) == shown:
            return own.id
    raise no_clip(0, member)


@add(
    router,
    "POST",
    MEMBER + "/merge",
    scopes=HOME,
    codes=(*ONE_MEMBER, "same_profile"),
    response_model=Changed,
)
async def merge_members(
    household: Home, member: Person, body: Into, request: Request, service: Serving
) -> Changed:
    """Make one profile of two of one person; of too many clips those with most speech stay."""

    def work() -> Changed:
        digests = digests_of(service.members(household))
        done = service.store.merge(household, member, body.into, vault=service.vault)
        return shown_change(done, [shown_id(digests[number]) for number in done.dropped])

    return await service.writing.run(work, request)


@add(
    router,
    "POST",
    MEMBER + "/move",
    scopes=("all",),
    codes=(*ONE_MEMBER, "name_taken"),
    response_model=Changed,
)
async def move_member(
    household: Home, member: Person, body: ToHousehold, request: Request, service: Serving
) -> Changed:
    """Give a person to another household, with clips and consent."""
    return await service.writing.run(
        lambda: shown_change(service.store.move(household, member, body.to_household), []), request
    )


@add(
    router,
    "GET",
    MEMBER + "/archive",
    scopes=HOME,
    codes=ONE_MEMBER,
    response_class=Response,
    responses={200: {"content": {ZIP: {"schema": {"type": "string", "format": "binary"}}}}},
)
async def archive(household: Home, member: Person, request: Request, service: Serving) -> Response:
    """All that is kept of a person, as a zip archive that the person can read."""

    def work() -> bytes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "archive.zip"
            export_member(service.store, household, member, path, vault=service.vault)
            return path.read_bytes()

    content = await service.writing.run(work, request)
    headers = {"Content-Disposition": 'attachment; filename="spkid-archive.zip"'}
    return Response(content, media_type=ZIP, headers=headers)
