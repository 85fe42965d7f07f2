"""The commands that begin and end what a household agrees to have kept: on, off."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.homes import HouseholdOption, StoreOption, open_store
from spkid.cli.output import JsonFlag, ask, echo, print_json, say

if TYPE_CHECKING:
    from enrollment.agreement import Agreement
    from enrollment.store.store import Store
    from enrollment.store.terms import KeptForAWhile


@dataclass(frozen=True)
class Switched:
    """What is switched: ``words`` for it, one of it by name, its terms, where it is kept."""

    words: str
    one: str
    agreement: Callable[[], type[Agreement]]
    kept: Callable[[Store], KeptForAWhile]

    def counted(self, n: int) -> str:
        """So many of it, in words."""
        return f"{n:,} {self.one}{'' if n == 1 else 's'}"


def add_switches(app: typer.Typer, of: Switched, *, on: str, off: str) -> None:
    """Give ``app`` the commands ``on`` and ``off`` with these helps."""

    @app.command("on", help=on)
    def switch_on(
        household: HouseholdOption,
        by: Annotated[str, typer.Option(help="Who agrees to it for the household.")],
        days: Annotated[int, typer.Option(help="For how long each is kept.")] = 30,
        consent: Annotated[
            bool, typer.Option("--consent", help="That person agreed to what is kept.")
        ] = False,
        store: StoreOption = None,
        as_json: JsonFlag = False,
    ) -> None:
        own = of.agreement()
        if not consent and sys.stdin.isatty():
            say(own.consent_text.format(days=days))
            consent = ask(f"Does {by} agree?")
        with open_store(store) as opened:
            agreement = own(of.kept(opened), household)
            terms = agreement.switch_on(by, consent=consent, keep_days=days)
        if as_json:
            print_json(terms)
        else:
            echo(f"{of.words} in {household} are kept for {days} days, as {by} agreed.")

    @app.command("off", help=off)
    def switch_off(
        household: HouseholdOption, store: StoreOption = None, as_json: JsonFlag = False
    ) -> None:
        with open_store(store) as opened:
            n_deleted = of.kept(opened).switch_off(household)
        if as_json:
            print_json({"household": household, "n_deleted": n_deleted})
        else:
            n_gone = of.counted(n_deleted)
            echo(f"{of.words} in {household} are kept no more; {n_gone} deleted.")
