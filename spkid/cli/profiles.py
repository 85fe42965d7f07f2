"""Commands for the profiles of a store: profiles, confirm, forget, archive, reembed."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spkid.cli.enrolling import (
    AnotherPersonFlag,
    is_another_person,
    nothing_enrolled,
    print_verdicts,
)
from spkid.cli.homes import (
    READABLE_STAYS,
    DeviceOption,
    HouseholdOption,
    ModelOption,
    StoreOption,
    open_store,
    store_files,
    store_place,
)
from spkid.cli.output import (
    JsonFlag,
    TrustOption,
    ask,
    check_outputs,
    echo,
    print_json,
    print_table,
    progress_bar,
    say,
)
from spkid.errors import SpkidError

if TYPE_CHECKING:
    from enrollment.profile import Member
    from enrollment.reembed import Move

MemberOption = Annotated[str, typer.Option(help="Name of the person.")]
KeyOption = Annotated[
    Path | None, typer.Option(readable=False, help="The key file given to enroll --keep-audio.")
]

LOG_KEPT = "Another program has the store open; its log is emptied when that one closes it."
SERVER_KEEPS = "The server's own log and backups still hold the bytes until it recycles them."
SEALED_STAYS = "The saved search index could not be removed; nobody can read it any more: {}"


def profiles(
    household: Annotated[str | None, typer.Option(help="Only this household.")] = None,
    clips: Annotated[bool, typer.Option("--clips", help="A row for each clip.")] = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """List who is enrolled, without any biometrics."""
    from enrollment.age import age_hint
    from enrollment.refusals import no_household

    with open_store(store) as opened:
        members = opened.members(household)
        if household is not None and not members:
            raise no_household(household, opened.households())
    rows = clip_rows(members) if clips else member_rows(members)
    if as_json:
        print_json(rows)
        return
    columns: tuple[str, ...]
    if clips:
        columns = ("household", "member", "clip", "speech s", "SNR dB", "device", "origin", "added")
    else:
        columns = ("household", "member", "done %", "clips", "speech s", "consent", "model")
    print_table("Profiles", columns, [tuple(row.values())[: len(columns)] for row in rows])
    for hint in [*filter(None, map(age_hint, members)), *look_alike_hints(members)]:
        echo(hint)


def look_alike_hints(members: list[Member]) -> list[str]:
    """What to do about names that an older store took for different ones."""
    from enrollment.names import look_alikes

    homes: dict[str, list[str]] = {}
    for member in members:
        homes.setdefault(member.household, []).append(member.name)
    hints = [
        f"The households {' and '.join(map(repr, names))} look alike: give one another name with "
        "'spkid rename', or take its members to the other with 'spkid move'."
        for names in look_alikes(homes)
    ]
    for household, own in homes.items():
        hints += [
            f"{' and '.join(map(repr, names))} of {household} look alike: make them one with "
            "'spkid merge', or give one another name with 'spkid rename'."
            for names in look_alikes(own)
        ]
    return hints


def member_rows(members: list[Member]) -> list[dict[str, Any]]:
    """A row for each member, by column."""
    from enrollment.age import is_old, newest_clip_at

    return [
        {
            "household": member.household,
            "member": member.name,
            "percent": member.percent,
            "n_clips": len(member.exemplars),
            "speech_s": round(member.speech_s, 1),
            "consent_at": member.consent_at,
            "model": member.model,
            "age_group": member.age_group,
            "newest_clip_at": newest_clip_at(member),
            "enroll_again": is_old(member),
        }
        for member in members
    ]


def clip_rows(members: list[Member]) -> list[dict[str, Any]]:
    """A row for each clip, by column."""
    return [
        {
            "household": member.household,
            "member": member.name,
            "clip": clip.id,
            "speech_s": round(clip.speech_s, 1),
            "snr_db": None if clip.snr_db is None else round(clip.snr_db, 1),
            "device": clip.device,
            "origin": clip.origin,
            "added_at": clip.added_at,
        }
        for member in members
        for clip in member.exemplars
    ]


def confirm(
    clips: Annotated[
        list[Path], typer.Argument(readable=False, help="Audio files; - is standard input.")
    ],
    household: HouseholdOption,
    member: MemberOption,
    force: Annotated[
        bool, typer.Option("--force", help="Also take clips that do not sound like the profile.")
    ] = False,
    another_person: AnotherPersonFlag = False,
    device: DeviceOption = "",
    keep_audio: KeyOption = None,
    model: ModelOption = None,
    trust_code: TrustOption = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Add clips whose speaker somebody has confirmed; undo it with forget --confirmed."""
    from enrollment.household import Household
    from enrollment.store.vault import Vault
    from spkid.scoring.model import Model

    with open_store(store) as opened, progress_bar() as bar:
        vault = Vault.load(keep_audio) if keep_audio else None
        home = Household(opened, household, model=Model.load(model, trust_code=trust_code))
        session = home.session(
            member, consent=False, device=device, vault=vault, origin="confirmed"
        )
        for clip in bar.track(clips, description="listening"):
            session.add(clip)
        if force:
            session.accept_all()
        result = session.save(
            another_person=another_person or is_another_person(session.member, session.sounds_like)
        )
    if as_json:
        print_json(
            {"household": session.household, "member": session.member, "clips": result.clips}
        )
    else:
        print_verdicts(session)
    if not any(clip.accepted for clip in result.clips):
        raise nothing_enrolled(result.clips)


def forget(
    household: HouseholdOption,
    member: Annotated[str | None, typer.Option(help="Only this person.")] = None,
    clip: Annotated[
        list[int] | None, typer.Option(help="Only this clip (profiles --clips); repeatable.")
    ] = None,
    confirmed: Annotated[
        bool, typer.Option("--confirmed", help="Only the person's clips that confirm added.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Delete clips, a member or a whole household for good."""
    from enrollment.profile import find_named
    from enrollment.store.address import is_address

    who = f"{member} of {household}" if member else f"everybody of {household}"
    if (clip or confirmed) and member is None:
        raise SpkidError(
            "no member", expected="--member with --clip or --confirmed", do="say whose clips"
        )
    with open_store(store) as opened:
        ids = list(clip or [])
        if confirmed:
            person = find_named(opened.members(household), member or "")
            own = person.exemplars if person else ()
            ids += [each.id for each in own if each.origin == "confirmed"]
        if not yes:
            if not sys.stdin.isatty():
                raise SpkidError(
                    "no answer to whether to delete",
                    expected="--yes, or a terminal to ask at",
                    do="add --yes",
                )
            what = "1 clip" if len(ids) == 1 else f"{len(ids)} clips"
            if not (clip or confirmed):
                what = "the voice profile"
            ask(f"Delete {what} of {who}?", abort=True)
        receipt = opened.forget(household, member, clips=ids if clip or confirmed else None)
    if as_json:
        print_json(receipt)
    else:
        names = ", ".join(receipt.members) or "nothing"
        n_clips = f"{receipt.n_exemplars} clip{'' if receipt.n_exemplars == 1 else 's'}"
        n_answers = receipt.n_decisions
        answers = f" and {n_answers} logged answer{'' if n_answers == 1 else 's'}"
        what = f"the vectors of {n_clips}{answers if n_answers else ''}"
        echo(f"Deleted {names} of {household}: {what}, {receipt.at}.")
        if not receipt.log_emptied:
            say(LOG_KEPT if not is_address(store_place(store)) else SERVER_KEEPS)
        for path in receipt.sealed_indexes:
            say(SEALED_STAYS.format(path))
        for path in receipt.readable_indexes:
            say(READABLE_STAYS.format(path))


def archive(
    household: HouseholdOption,
    member: MemberOption,
    out: Annotated[Path, typer.Option(readable=False, help="The zip archive to write.")],
    key: KeyOption = None,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Write all that is kept of a person, readable for that person; kept clips with --key."""
    from enrollment.export import export_member
    from enrollment.store.vault import Vault

    check_outputs(out, inputs=(key, *store_files(store)))
    vault = Vault.load(key) if key else None
    with open_store(store) as opened:
        names = export_member(opened, household, member, out, vault=vault)
    if as_json:
        print_json({"archive": str(out), "files": names})
    else:
        echo(f"{out}: {', '.join(names)}")


def reembed(
    key: KeyOption = None,
    model: ModelOption = None,
    trust_code: TrustOption = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Move profiles to the model in use, from kept audio; list who must enroll again."""
    from enrollment.reembed import reembed as move_store
    from enrollment.store.vault import Vault
    from spkid.scoring.model import Model

    loaded = Model.load(model, trust_code=trust_code)
    encoder, quick = loaded.encoder, loaded.quick.model.encoder if loaded.quick else None
    vault = Vault.load(key) if key else None
    with open_store(store) as opened:
        moves = move_store(opened, encoder, vault, quick=quick)
    if as_json:
        print_json(moves)
        return
    rows = [(move.household, move.member, *move_words(move)) for move in moves]
    of = f"model {encoder.fingerprint}" + (f" and of {quick.fingerprint}" if quick else "")
    if rows:
        print_table(f"To {of}", ("household", "member", "outcome", "why"), rows)
    else:
        echo(f"All profiles are of {of} already.")


def move_words(move: Move) -> tuple[str, str]:
    """What became of a profile, and why."""
    left = f"{move.n_left} clips without audio " if move.n_left else ""
    if move.outcome == "moved":
        return f"moved, {move.n_moved} clips", left and left + "are gone"
    if move.outcome == "doubled":
        return f"for both, {move.n_moved} clips", left and left + "are for one model alone"
    return "must enroll again", move.reason
