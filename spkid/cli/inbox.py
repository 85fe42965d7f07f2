"""Commands for the voices that nobody recognised: inbox on, off, list, name, delete."""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spkid.cli.agreements import Switched, add_switches
from spkid.cli.enrolling import AnotherPersonFlag, GivenByOption, is_another_person
from spkid.cli.homes import HouseholdOption, ModelOption, StoreOption, open_store
from spkid.cli.output import JsonFlag, TrustOption, ask, echo, print_json, print_table, say
from spkid.cli.profiles import MemberOption

if TYPE_CHECKING:
    from enrollment.agreement import Agreement
    from enrollment.inbox import UnknownSpeaker

inbox = typer.Typer(
    help="Voices that nobody recognised, where a household agreed to keep them for a while.",
    no_args_is_help=True,
    add_completion=False,  # the command as a whole has it
)


def _agreement() -> type[Agreement]:
    from enrollment.inbox import InboxAgreement

    return InboxAgreement


OF = Switched("Unknown voices", "clip", _agreement, lambda store: store.voices)
add_switches(
    inbox,
    OF,
    on="Keep the voices of strangers from now on: vectors, no clips.",
    off="Keep no unknown voices any more and delete those there.",
)

NumberArgument = Annotated[int, typer.Argument(help="A number in 'spkid inbox list'.")]


@inbox.command("list")
def list_voices(
    household: HouseholdOption,
    model: ModelOption = None,
    trust_code: TrustOption = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say which voices there are: a row for what seems to be one person."""
    from enrollment.household import Household
    from spkid.scoring.model import Model

    with open_store(store) as opened:
        own = Household(opened, household, model=Model.load(model, trust_code=trust_code)).inbox
        terms, speakers = own.terms, own.speakers()
    rows = [speaker_row(speaker) for speaker in speakers]
    if as_json:
        print_json({"household": household, "terms": terms, "speakers": rows})
        return
    columns = ("number", "clips", "speech s", "first heard", "last heard", "kept until")
    print_table(f"Unknown voices in {household}", columns, [tuple(row.values()) for row in rows])
    if terms is None:
        echo("The inbox is off; 'spkid inbox on' keeps the voices of strangers.")


def speaker_row(speaker: UnknownSpeaker) -> dict[str, Any]:
    """One unknown speaker, by column."""
    first, last = speaker.voices[0], speaker.voices[-1]
    return {
        "number": speaker.number,
        "n_clips": len(speaker.voices),
        "speech_s": round(speaker.speech_s, 1),
        "first_heard_at": first.heard_at,
        "last_heard_at": last.heard_at,
        "kept_until": last.expires_on,
    }


@inbox.command("name")
def name_voice(
    number: NumberArgument,
    household: HouseholdOption,
    member: MemberOption,
    consent: Annotated[
        bool, typer.Option("--consent", help="The person agreed to what is kept.")
    ] = False,
    by: GivenByOption = "",
    another_person: AnotherPersonFlag = False,
    model: ModelOption = None,
    trust_code: TrustOption = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say whose voice it is: the clips become that person's profile."""
    from enrollment.household import Household
    from enrollment.profile import CONSENT_TEXT
    from enrollment.refusals import SameVoice
    from spkid.scoring.model import Model

    if not consent and sys.stdin.isatty():
        say(CONSENT_TEXT)
        consent = ask(f"Does {by or member} agree?")
    with open_store(store) as opened:
        home = Household(opened, household, model=Model.load(model, trust_code=trust_code))
        name = partial(home.inbox.name, number, member, consent=consent, given_by=by)
        try:
            profile = name(another_person=another_person)
        except SameVoice as refusal:
            if not is_another_person(refusal.member, refusal.sounds_like):
                raise
            profile = name(another_person=True)
    n_clips = len(profile.exemplars)
    if as_json:
        print_json({"household": household, "member": profile.name, "n_clips": n_clips})
    else:
        echo(f"{profile.name}: {OF.counted(n_clips)}, {profile.percent} % done.")


@inbox.command("delete")
def delete_voices(
    household: HouseholdOption,
    number: Annotated[
        int | None, typer.Argument(help="A number in 'spkid inbox list'. Default: all.")
    ] = None,
    model: ModelOption = None,
    trust_code: TrustOption = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Delete one unknown voice, or all of them."""
    from enrollment.household import Household
    from spkid.scoring.model import Model

    with open_store(store) as opened:
        if number is None:  # without a model: deleting works when nothing else does
            ids = [voice.id for voice in opened.voices.voices(household)]
            n_deleted = opened.voices.delete(household, ids)
        else:
            home = Household(opened, household, model=Model.load(model, trust_code=trust_code))
            n_deleted = home.inbox.delete(number)
    if as_json:
        print_json({"household": household, "n_deleted": n_deleted})
    else:
        echo(f"{OF.counted(n_deleted)} deleted.")
