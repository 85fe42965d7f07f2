"""Commands for a household: enroll, identify, verify, profiles, forget."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.output import (
    JsonFlag,
    percent,
    print_json,
    print_table,
    progress_bar,
    report_error,
    say,
)
from spkid.errors import SpkidError

if TYPE_CHECKING:
    from enrollment.matching import Decision
    from enrollment.profile import ClipVerdict
    from enrollment.store import Store

StoreOption = Annotated[
    str | None,
    typer.Option(
        help="Database file, or postgresql+psycopg://user@host/database. "
        "Default: $SPKID_STORE, or a file in the user's data folder."
    ),
]
HouseholdOption = Annotated[str, typer.Option(help="Name of the household.")]
FarOption = Annotated[
    float, typer.Option("--far", help="Share of strangers' clips that may be accepted.")
]

REASONS = {
    "ok": "accepted",
    "no_speech": "no speech heard",
    "too_short": "too little speech: two seconds are needed to enrol",
    "too_noisy": "too noisy",
    "clipped": "clipped: recorded too loud",
    "unlike_others": "does not sound like the other clips (--force takes it all the same)",
}


def store_place(store: str | None) -> str:
    """``store``, or the one in ``$SPKID_STORE``, or a file in the user's data folder."""
    import platformdirs

    named = store or os.environ.get("SPKID_STORE")
    return named or str(platformdirs.user_data_path("spkid") / "spkid.sqlite3")


def open_store(store: str | None, *, create: bool = False) -> Store:
    """The store at :func:`store_place`."""
    from enrollment.store import Store

    return Store.open(store_place(store), create=create)


def enroll(
    clips: Annotated[
        list[Path], typer.Argument(readable=False, help="Audio files, 2 s of speech or more each.")
    ],
    household: HouseholdOption,
    member: Annotated[str, typer.Option(help="Name of the person.")],
    consent: Annotated[
        bool, typer.Option("--consent", help="The person agreed that a voice profile is kept.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Also take clips that do not sound like the others.")
    ] = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Add clips to a member's voice profile."""
    from enrollment.household import Household
    from enrollment.profile import CONSENT_TEXT, WANTED_CLIPS

    if not consent and sys.stdin.isatty():
        say(CONSENT_TEXT)
        consent = typer.confirm(f"Does {member} agree?")
    with store_for_enrolment(store, consent=consent) as opened, progress_bar() as bar:
        task = bar.add_task("listening", total=len(clips))
        home = Household(opened, household)
        result = home.enroll(
            member, clips, consent=consent, force=force, advance=lambda: bar.advance(task)
        )
    profile = result.member
    if as_json:
        print_json(
            {
                "household": household,
                "member": member,
                "percent": profile.percent if profile else 0,
                "speech_s": profile.speech_s if profile else 0.0,
                "speech_needed_s": profile.speech_needed_s if profile else None,
                "clips": result.clips,
            }
        )
    else:
        rows = [
            (Path(clip.name).name, f"{clip.speech_s:.1f} s", REASONS[clip.reason])
            for clip in result.clips
        ]
        print_table(f"{member} in {household}", ("clip", "speech", "verdict"), rows)
        if profile:
            more = max(0, WANTED_CLIPS - len(profile.exemplars))
            say(
                f"{member}: {profile.percent} % done, {profile.speech_needed_s:.0f} s of speech"
                f" and {more} clips still wanted."
            )
    if not any(clip.accepted for clip in result.clips):
        raise nothing_enrolled(result.clips)


def store_for_enrolment(store: str | None, *, consent: bool) -> Store:
    """The store; it is not made before somebody has agreed."""
    from enrollment.refusals import no_consent

    try:
        return open_store(store, create=consent)
    except SpkidError as error:
        if error.code == "no_store" and not consent:
            raise no_consent() from None
        raise


def nothing_enrolled(clips: tuple[ClipVerdict, ...]) -> SpkidError:
    """The error for an enrolment in which no clip was good enough."""
    first = clips[0]
    return SpkidError(
        f"no clip accepted ({first.name}: {REASONS[first.reason]})",
        expected="clear clips of one person, two seconds of speech or more each",
        do="record again; nothing was stored",
        code=first.reason,
    )


def identify(
    clips: Annotated[list[Path], typer.Argument(readable=False, help="Audio files.")],
    household: Annotated[
        str | None,
        typer.Option(help="Name of the household. Default: the one of the nearest profile."),
    ] = None,
    far: FarOption = 0.05,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say who is speaking: a member, a stranger, or why nobody can be named."""
    from enrollment.household import Household, nearest_household
    from spkid.clips import hear
    from spkid.embedder import SpeakerEncoder

    encoder = SpeakerEncoder.load()
    answers: list[tuple[Path, str, Decision, float]] = []
    errors: list[SpkidError] = []
    with open_store(store) as opened, progress_bar() as bar:
        for clip in bar.track(clips, description="listening"):
            started = time.perf_counter()
            try:
                heard = hear(clip, encoder)
                name = household or nearest_household(opened, heard)
                home = Household(opened, name, encoder=encoder)
                decision = home.identify(heard, false_accept_rate=far)
                taken_ms = 1000 * (time.perf_counter() - started)
                answers.append((clip, name, decision, taken_ms))
            except SpkidError as error:
                errors.append(error)
    if as_json and not (errors and not answers):
        print_json(
            [
                {"clip": str(clip), "household": name, **vars(decision), "milliseconds": taken_ms}
                for clip, name, decision, taken_ms in answers
            ]
        )
    elif answers:
        print_table(
            f"Who is speaking, at {percent(far)} of strangers accepted",
            ("clip", "who", "probability", "margin", "cosine", "speech", "ms"),
            [
                (clip.name, *decision_cells(decision), f"{taken_ms:.0f}")
                for clip, _, decision, taken_ms in answers
            ],
        )
    for error in errors:
        report_error(error, as_json=as_json and not answers)
    if errors:
        raise typer.Exit(2)


def decision_cells(decision: Decision) -> tuple[str, str, str, str, str]:
    """Who, probability, margin, cosine and seconds of speech, as text."""
    if decision.status == "ambiguous":
        first, second = decision.candidates[:2]
        who = f"ambiguous: {first.member} or {second.member}"
    else:
        who = decision.member or decision.status.replace("_", " ")
    figures = (
        ("–", "–", "–")
        if decision.probability is None
        else (
            f"{100 * decision.probability:.0f} %",
            f"{100 * decision.margin:.0f} %",
            f"{decision.cosine:.2f}",
        )
    )
    return (who, *figures, f"{decision.speech_s:.1f} s")


def verify(
    clips: Annotated[
        list[Path],
        typer.Argument(readable=False, help="One clip with --household and --member, else two."),
    ],
    household: Annotated[str | None, typer.Option(help="Name of the household.")] = None,
    member: Annotated[str | None, typer.Option(help="Name of the person.")] = None,
    far: FarOption = 0.05,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Same speaker or not? Exit code 0: same, 1: different, 3: cannot tell."""
    from enrollment.household import Household, verify_clips
    from spkid.calibration import Calibration
    from spkid.embedder import SpeakerEncoder

    against_member = household is not None and member is not None
    if (household is None) != (member is None) or len(clips) != (1 if against_member else 2):
        raise SpkidError(
            f"{len(clips)} clip(s)",
            expected="one clip with --household and --member, or two clips without",
            do="correct the call",
        )
    if against_member:
        with open_store(store) as opened:
            result = Household(opened, household).verify(member, clips[0], false_accept_rate=far)
    else:
        result = verify_clips(
            clips[0],
            clips[1],
            encoder=SpeakerEncoder.load(),
            calibration=Calibration.load(),
            false_accept_rate=far,
        )
    if as_json:
        print_json(result)
    elif result.answer == "cannot_tell":
        say(f"cannot tell: {REASONS[result.reason].split(':')[0]}")
    else:
        print_table(
            "",
            ("answer", "probability", "log-likelihood ratio", "cosine"),
            [
                (
                    f"{result.answer} speaker",
                    f"{100 * result.probability:.0f} %",
                    f"{result.llr:+.2f}",
                    f"{result.cosine:.2f}",
                )
            ],
        )
    raise typer.Exit({"same": 0, "different": 1, "cannot_tell": 3}[result.answer])


def profiles(
    household: Annotated[str | None, typer.Option(help="Only this household.")] = None,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List who is enrolled, without any biometrics."""
    from enrollment.refusals import no_household

    with open_store(store) as opened:
        members = opened.members(household)
        if household is not None and not members:
            raise no_household(household, opened.households())
    rows = [
        {
            "household": member.household,
            "member": member.name,
            "percent": member.percent,
            "n_clips": len(member.exemplars),
            "speech_s": round(member.speech_s, 1),
            "consent_at": member.consent_at,
            "model": member.model,
        }
        for member in members
    ]
    if as_json:
        print_json(rows)
    else:
        columns = ("household", "member", "done %", "clips", "speech s", "consent", "model")
        print_table("Profiles", columns, [tuple(row.values()) for row in rows])


def forget(
    household: HouseholdOption,
    member: Annotated[str | None, typer.Option(help="Only this person.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Delete a member or a whole household for good."""
    who = f"{member} of {household}" if member else f"everybody of {household}"
    with open_store(store) as opened:
        if not yes:
            if not sys.stdin.isatty():
                raise SpkidError(
                    "no answer to whether to delete",
                    expected="--yes, or a terminal to ask at",
                    do="add --yes",
                )
            typer.confirm(f"Delete the voice profile of {who}?", abort=True)
        receipt = opened.forget(household, member)
    if as_json:
        print_json(receipt)
    else:
        names = ", ".join(receipt.members)
        say(f"Deleted {names} of {household}: {receipt.n_exemplars} clips' vectors, {receipt.at}.")
        if not receipt.log_emptied:
            say("Another program has the store open; its log is emptied when that one closes it.")
