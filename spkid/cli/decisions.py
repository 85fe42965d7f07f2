"""Commands for a household's own log of answers: decisions on, off, list, tell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.agreements import Switched, add_switches
from spkid.cli.homes import HouseholdOption, StoreOption, open_store
from spkid.cli.output import JsonFlag, echo, percent, print_json, print_table
from spkid.errors import SpkidError

if TYPE_CHECKING:
    from enrollment.agreement import Agreement

decisions = typer.Typer(
    help="Answers written down to be audited, where a household agreed to that for a while.",
    no_args_is_help=True,
    add_completion=False,  # the command as a whole has it
)


def _agreement() -> type[Agreement]:
    from enrollment.decision_log import DecisionLog

    return DecisionLog


add_switches(
    decisions,
    Switched("Answers", "answer", _agreement, lambda store: store.decisions),
    on="Write each answer down from now on: no sound, no vector.",
    off="Write nothing down any more and delete what was.",
)


@decisions.command("list")
def list_decisions(
    household: HouseholdOption, store: StoreOption = None, as_json: JsonFlag = False
) -> None:
    """Say which answers were given, and who really spoke where that is known."""
    with open_store(store) as opened:
        terms, rows = opened.decisions.terms(household), opened.decisions.rows(household)
    if as_json:
        print_json({"household": household, "terms": terms, "answers": rows})
        return
    columns = ("number", "heard", "answer", "probability", "at", "speech s", "who spoke")
    print_table(
        f"Answers in {household}",
        columns,
        [
            (
                str(row.id),
                row.heard_at,
                row.member or row.status.replace("_", " "),
                percent(row.p_stranger if row.status == "unknown" else row.p_member),
                percent(row.accepted_rate),
                f"{row.speech_s:.1f}",
                row.spoke or (f"{row.guest}, a guest" if row.guest else "–"),
            )
            for row in rows
        ],
    )
    if terms is None:
        echo("Nothing is written down; 'spkid decisions on' begins with it.")


@decisions.command("tell")
def tell(
    number: Annotated[int, typer.Argument(help="A number in 'spkid decisions list'.")],
    household: HouseholdOption,
    member: Annotated[str | None, typer.Option(help="The member who spoke.")] = None,
    guest: Annotated[
        str | None, typer.Option(help="A name for the guest who spoke, to know that guest again.")
    ] = None,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say who really spoke. A clip that is confirmed with 'spkid confirm' needs no telling."""
    if (member is None) == (guest is None):
        raise SpkidError(
            "nobody, or two people", expected="--member or --guest", do="give one of them"
        )
    with open_store(store) as opened:
        opened.decisions.tell(household, number, member=member, guest=guest)
    if as_json:
        print_json({"household": household, "number": number, "member": member, "guest": guest})
    else:
        echo(f"Answer {number} was to {member or guest}.")
