"""The command that enrolls: clips or the microphone, verdicts, and what a person is asked."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.homes import (
    REASONS,
    DeviceOption,
    HouseholdOption,
    ModelOption,
    StoreOption,
    open_store,
    seconds_of,
)
from spkid.cli.output import (
    JsonFlag,
    TrustOption,
    ask,
    echo,
    print_json,
    print_table,
    progress_bar,
    say,
)
from spkid.errors import SpkidError

if TYPE_CHECKING:
    from enrollment.profile import ClipVerdict
    from enrollment.session import EnrollmentSession
    from enrollment.store.store import Store

AnotherPersonFlag = Annotated[
    bool,
    typer.Option(
        "--another-person",
        help="The person is not the member whom the clips sound like (a twin, say).",
    ),
]

GivenByOption = Annotated[
    str,
    typer.Option("--by", help="Who agreed, where that is not the person: a parent of a child."),
]


def enroll(
    household: HouseholdOption,
    member: Annotated[str, typer.Option(help="Name of the person.")],
    clips: Annotated[
        list[Path] | None,
        typer.Argument(readable=False, help="Audio files, 2 s of speech or more each."),
    ] = None,
    microphone: Annotated[
        bool, typer.Option("--microphone", help="Listen until the profile is complete.")
    ] = False,
    consent: Annotated[
        bool,
        typer.Option(
            "--consent", help="The person agreed to what is kept (with --keep-audio, clips too)."
        ),
    ] = False,
    by: GivenByOption = "",
    force: Annotated[
        bool, typer.Option("--force", help="Also take clips that do not sound like the others.")
    ] = False,
    review: Annotated[
        bool, typer.Option("--review", help="Ask about each clip that was rejected.")
    ] = False,
    another_person: AnotherPersonFlag = False,
    child: Annotated[
        bool | None,
        typer.Option("--child/--no-child", help="A child: its voice changes sooner."),
    ] = None,
    device: DeviceOption = "",
    keep_audio: Annotated[
        Path | None,
        typer.Option(
            readable=False, help="Keep the clips too, encrypted with this key file (made if new)."
        ),
    ] = None,
    model: ModelOption = None,
    trust_code: TrustOption = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Add clips to a member's voice profile."""
    from enrollment.household import Household
    from enrollment.profile import AUDIO_CONSENT_TEXT, CONSENT_TEXT, WANTED_CLIPS
    from enrollment.store.vault import Vault
    from spkid.scoring.model import Model

    if bool(clips) == microphone:
        raise SpkidError("no clips", expected="audio files, or --microphone", do="give one of both")
    if not consent and sys.stdin.isatty():
        say(CONSENT_TEXT)
        if keep_audio:
            say(AUDIO_CONSENT_TEXT)
        consent = ask(f"Does {by or member} agree?")
    with store_for_enrollment(store, consent=consent) as opened, progress_bar() as bar:
        vault = Vault.load(keep_audio, create=consent) if keep_audio else None
        home = Household(opened, household, model=Model.load(model, trust_code=trust_code))
        session = home.session(
            member, consent=consent, given_by=by, child=child, device=device, vault=vault
        )
        if session.is_enrolled and session.member != member:
            say(f"{member!r} is {session.member}, who is enrolled already.")
        if microphone:
            listen(session)
        else:
            for clip in bar.track(clips or [], description="listening"):
                session.add(clip)
        if force:
            session.accept_all()
        if review:
            ask_about_rejected(session)
        result = session.save(
            another_person=another_person or is_another_person(session.member, session.sounds_like)
        )
    profile = result.member
    if as_json:
        print_json(
            {
                "household": session.household,
                "member": session.member,
                "percent": profile.percent if profile else 0,
                "speech_s": profile.speech_s if profile else 0.0,
                "speech_needed_s": profile.speech_needed_s if profile else None,
                "clips": result.clips,
            }
        )
    else:
        print_verdicts(session)
        if profile:
            more = max(0, WANTED_CLIPS - len(profile.exemplars))
            echo(
                f"{profile.name}: {profile.percent} % done, "
                f"{profile.speech_needed_s:.0f} s of speech "
                f"and {more} clip{'' if more == 1 else 's'} still wanted."
            )
    if not any(clip.accepted for clip in result.clips):
        raise nothing_enrolled(result.clips)


def print_verdicts(session: EnrollmentSession) -> None:
    """A row for each clip of the session."""
    rows = [
        (Path(clip.name).name, f"{clip.speech_s:.1f} s", verdict_words(clip))
        for clip in session.verdicts
    ]
    print_table(f"{session.member} in {session.household}", ("clip", "speech", "verdict"), rows)


def verdict_words(clip: ClipVerdict) -> str:
    """The verdict on a clip in words."""
    if clip.sounds_like is None:
        return REASONS[clip.reason] + seconds_of(clip.other_voices)
    if clip.accepted:
        return f"{REASONS[clip.reason]}, but sounds like {clip.sounds_like}"
    return f"{REASONS[clip.reason]}, as a clip of {clip.sounds_like}"


def is_another_person(member: str, other: str | None) -> bool:
    """Whether somebody at the terminal knows better than the voices that sound alike."""
    if other is None or not sys.stdin.isatty():
        return False
    return ask(f"These clips sound like {other}. Is {member} another person?")


def listen(session: EnrollmentSession) -> None:
    """Enroll from the microphone until the profile is complete, or Ctrl-C."""
    from enrollment.live import ENROLLING
    from spkid.audio.events import Ongoing, SpeechBegan, Utterance
    from spkid.audio.live import LiveSound
    from spkid.audio.reading import SAMPLE_RATE_HZ
    from spkid.cli.listening import in_words
    from spkid.cli.microphone import microphone_chunks

    say("Speak freely, with pauses. Ctrl-C ends and keeps what was accepted.")
    sound = LiveSound(SAMPLE_RATE_HZ, ENROLLING)
    try:
        for chunk, at_s in microphone_chunks():
            for event in sound.feed(chunk, at_s):
                if isinstance(event, Utterance):
                    words = verdict_words(session.add(event.waveform))
                    say(
                        f"{words}: {session.percent} % done, "
                        f"{session.speech_needed_s:.0f} s of speech still wanted"
                    )
                elif not isinstance(event, SpeechBegan | Ongoing):
                    say(in_words(event))
            if session.percent == 100:
                break
    except KeyboardInterrupt:
        say("stopped")


def ask_about_rejected(session: EnrollmentSession) -> None:
    """Let a person who listened to a rejected clip take it all the same."""
    from enrollment.session import REVIEWABLE

    if not sys.stdin.isatty():
        raise SpkidError(
            "nobody to ask about rejected clips",
            expected="a terminal",
            do="leave out --review",
        )
    for number, verdict in enumerate(session.verdicts):
        if verdict.reason in REVIEWABLE and ask(
            f"{verdict.name}: {REASONS[verdict.reason]}. Take it all the same?"
        ):
            session.accept(number)


def store_for_enrollment(store: str | None, *, consent: bool) -> Store:
    """The store; it is not made before somebody has agreed."""
    from enrollment.refusals import no_consent

    try:
        return open_store(store, create=consent)
    except SpkidError as error:
        if error.code == "no_store" and not consent:
            raise no_consent() from None
        raise


def nothing_enrolled(clips: tuple[ClipVerdict, ...]) -> SpkidError:
    """The error for an enrollment in which no clip was good enough."""
    if not clips:
        return SpkidError(
            "nothing heard",
            expected="two seconds of speech or more",
            do="check the microphone; nothing was stored",
            code="no_speech",
        )
    first = clips[0]
    return SpkidError(
        f"no clip accepted ({first.name}: {verdict_words(first)})",
        expected="clear clips of one person, two seconds of speech or more each",
        do="record again; nothing was stored",
        code=first.reason,
    )
