"""Commands that put profiles in their right place: rename, merge, move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.homes import HouseholdOption, StoreOption, open_store
from spkid.cli.output import JsonFlag, echo, print_json
from spkid.cli.profiles import KeyOption, MemberOption

if TYPE_CHECKING:
    from enrollment.profile import Rearranged


def rename(
    household: HouseholdOption,
    to: Annotated[str, typer.Option(help="The new name.")],
    member: Annotated[
        str | None, typer.Option(help="Who gets it. Default: the household itself.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Give a member or a household another name; clips, consent and threshold stay."""
    with open_store(store) as opened:
        done = opened.rename(household, to, member=member)
    who = f"{member} of {done.household}" if member else household
    tell(done, f"{who} is called {done.member or done.household} now.", as_json=as_json)


def merge(
    household: HouseholdOption,
    member: Annotated[str, typer.Option(help="The profile that becomes part of the other.")],
    into: Annotated[str, typer.Option(help="The profile that stays.")],
    key: KeyOption = None,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Make one profile of two of one person; kept clips need --key."""
    from enrollment.store.vault import Vault

    vault = Vault.load(key) if key else None
    with open_store(store) as opened:
        done = opened.merge(household, member, into, vault=vault)
    tell(done, f"{member} is part of {done.member} of {done.household} now.", as_json=as_json)


def move(
    household: HouseholdOption,
    member: MemberOption,
    to_household: Annotated[str, typer.Option(help="Where the person lives now, new or known.")],
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Move a member to another household, with clips and consent."""
    with open_store(store) as opened:
        done = opened.move(household, member, to_household)
    tell(done, f"{done.member} belongs to {done.household} now.", as_json=as_json)


def tell(done: Rearranged, sentence: str, *, as_json: bool) -> None:
    """What was done, and what had to go for it."""
    if as_json:
        print_json(done)
        return
    echo(sentence)
    if done.dropped:
        numbers = ", ".join(map(str, done.dropped))
        echo(f"Deleted for want of room, with least speech: clips {numbers}.")
    if done.uncalibrated:
        homes = " and ".join(done.uncalibrated)
        echo(f"The own threshold of {homes} is gone; 'spkid calibrate' makes a new one.")
    if done.gone_household:
        echo(f"{done.gone_household} had no other member and is gone.")
