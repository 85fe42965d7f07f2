"""Households: which there are, who lives in one, another name for it, its own threshold."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from enrollment.profile import Member
from spkid.serve.access import HOME, ONE_HOME, Home, Serving, add, caller_of
from spkid.serve.answers import (
    Calibrated,
    Changed,
    Deleted,
    Far,
    HouseholdCount,
    Households,
    HouseholdShown,
    InboxState,
    MemberShown,
    Name,
    OwnCalibration,
)
from spkid.serve.service import Service
from spkid.serve.showing import shown_change, shown_member, shown_receipt

router = APIRouter(tags=["households"])


@add(router, "GET", "/households", scopes=HOME, response_model=Households)
async def list_households(request: Request, service: Serving) -> Households:
    """The households that the caller may see."""
    caller = caller_of(request)

    def work() -> Households:
        if caller.scope == "household":
            members = service.store.members(caller.household)
        else:
            members = service.store.members()
        counts: dict[str, int] = {}
        for member in members:
            counts[member.household] = counts.get(member.household, 0) + 1
        rows = [HouseholdCount(household=name, n_members=n) for name, n in counts.items()]
        return Households(households=rows)

    return await service.writing.run(work, request)


@add(
    router,
    "GET",
    "/households/{household}",
    scopes=HOME,
    codes=ONE_HOME,
    response_model=HouseholdShown,
)
async def show_household(household: Home, request: Request, service: Serving) -> HouseholdShown:
    """Who lives there, whether the home has its own threshold, and its inbox."""
    return await service.writing.run(lambda: shown_household(service, household), request)


def shown_household(service: Service, household: str) -> HouseholdShown:
    """A household as it is now."""
    members = service.members(household)
    home = service.home(household)
    own = home.own_rate(members)
    inbox = home.inbox
    is_on = inbox.terms is not None
    return HouseholdShown(
        household=members[0].household,
        members=[MemberShown(**shown_member(member)) for member in members],
        calibration=OwnCalibration(far=own.far, rate=own.rate) if own else None,
        inbox=InboxState(is_on=is_on, n_speakers=len(inbox.speakers()) if is_on else 0),
    )


@add(
    router,
    "PATCH",
    "/households/{household}",
    scopes=("all",),
    codes=(*ONE_HOME, "name_taken", "bad_name"),
    response_model=Changed,
)
async def rename_household(
    household: Home, body: Name, request: Request, service: Serving
) -> Changed:
    """Give the household another name; its tokens follow."""

    def work() -> Changed:
        service.tokens.known()  # a damaged one is said before anything is changed
        before = service.members(household)[0].household
        done = service.store.rename(before, body.name)
        service.tokens.rename_household(before, done.household)
        service.gone(before)
        return shown_change(done, [])

    return await service.writing.run(work, request)


@add(
    router,
    "DELETE",
    "/households/{household}",
    scopes=HOME,
    codes=ONE_HOME,
    response_model=Deleted,
)
async def forget_household(household: Home, request: Request, service: Serving) -> Deleted:
    """Delete everybody and everything that is kept there, for good."""
    return await service.writing.run(lambda: forget(service, household), request)


def forget(
    service: Service, household: str, member: str | None = None, clips: list[int] | None = None
) -> Deleted:
    """Delete, and hold nothing of it in memory."""
    try:
        return shown_receipt(service.store.forget(household, member, clips=clips))
    finally:
        service.gone(household)


@add(
    router,
    "POST",
    "/households/{household}/calibration",
    scopes=HOME,
    codes=(*ONE_HOME, "too_few_members"),
    response_model=Calibrated,
)
async def calibrate(household: Home, body: Far, request: Request, service: Serving) -> Calibrated:
    """Choose the home's own threshold, for that share of strangers, from its own clips."""

    def work() -> Calibrated:
        chosen, trials = service.home(household).calibrate(body.far)
        return Calibrated(
            far=chosen.far,
            rate=chosen.rate,
            false_accepts=(
                int((trials.impostor_rates <= chosen.rate).sum()),
                len(trials.impostor_rates),
            ),
            missed=(int((trials.own_rates > chosen.rate).sum()), len(trials.own_rates)),
        )

    return await service.hearing.run(work, request)


@add(
    router,
    "DELETE",
    "/households/{household}/calibration",
    scopes=HOME,
    codes=ONE_HOME,
    status_code=204,
    response_class=Response,
)
async def drop_calibration(household: Home, request: Request, service: Serving) -> Response:
    """Go back to the model's own threshold."""

    def work() -> None:
        service.members(household)
        service.store.set_calibration(household, None)

    await service.writing.run(work, request)
    return Response(status_code=204)


def digests_of(members: list[Member]) -> dict[int, str]:
    """The digest of each enrolled clip, by its number in the store."""
    return {clip.id: clip.digest for member in members for clip in member.exemplars}
