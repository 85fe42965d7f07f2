"""Commands for a household: identify, verify."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.output import (
    JsonFlag,
    TrustOption,
    echo,
    percent,
    print_json,
    print_table,
    progress_bar,
    rate_option,
    report_error,
    say,
)
from spkid.errors import SpkidError

if TYPE_CHECKING:
    from enrollment.matching import Decision
    from enrollment.store.store import Store
    from spkid.audio.ears import Span
    from spkid.audio.sources import Source
    from spkid.encoder.hearing import Clip

StoreOption = Annotated[
    str | None,
    typer.Option(
        help="Database file, or postgresql+psycopg://user@host/database. "
        "Default: $SPKID_STORE, or a file in the user's data folder."
    ),
]
ModelOption = Annotated[
    str | None,
    typer.Option(
        help="accurate (the default), small, both (the small one asks the accurate one where it "
        "is not sure), or an ONNX file with its calibration beside it (see 'spkid fit')."
    ),
]
HouseholdOption = Annotated[str, typer.Option(help="Name of the household.")]
DeviceOption = Annotated[str, typer.Option(help="Label of the microphone, such as kitchen.")]
HomeRateOption = Annotated[
    float | None,
    rate_option(
        "--far",
        "Share of strangers' clips that may be accepted, such as 1%. Default: the one that "
        "the home was calibrated for, or 5%.",
    ),
]
FarOption = Annotated[
    float, rate_option("--far", "Share of strangers' clips that may be accepted, such as 1%.")
]

REASONS = {
    "ok": "accepted",
    "no_speech": "no speech heard",
    "too_short": "too little speech: two seconds are needed to enroll",
    "too_noisy": "too noisy",
    "clipped": "clipped: recorded too loud",
    "same_clip": "enrolled already, or given twice",
    "several_voices": "somebody else speaks too",
    "unlike_others": "does not sound like the other clips (--force takes it all the same)",
}


READABLE_STAYS = (
    "A search index of an older version may stay, with voices that whoever reads it can use; "
    "it could not be removed, so delete it by hand: {}"
)


def store_place(store: str | None) -> str:
    """``store``, or the one in ``$SPKID_STORE``, or a file in the user's data folder."""
    named = store or os.environ.get("SPKID_STORE")
    if named:
        return named
    import platformdirs

    return str(platformdirs.user_data_path("spkid") / "spkid.sqlite3")


def store_files(store: str | None) -> list[str]:
    """The store's file and what stands beside it; none for a server."""
    from enrollment.store.address import is_address

    place = store_place(store)
    suffixes = ("", "-wal", "-shm", "-journal", ".index")
    return [] if is_address(place) else [place + suffix for suffix in suffixes]


def open_store(store: str | None, *, create: bool = False) -> Store:
    """The store at :func:`store_place`; says where an older version left vectors readable."""
    from enrollment.store.store import Store

    opened = Store.open(store_place(store), create=create)
    for path in opened.readable_indexes:
        say(READABLE_STAYS.format(path))
    return opened


def identify(
    clips: Annotated[
        list[Path] | None,
        typer.Argument(readable=False, help="Audio files; - is standard input."),
    ] = None,
    household: Annotated[
        str | None,
        typer.Option(help="Name of the household. Default: the one of the nearest profile."),
    ] = None,
    microphone: Annotated[
        bool, typer.Option("--microphone", help="Listen, and answer as people speak.")
    ] = False,
    stream: Annotated[
        Path | None,
        typer.Option(
            readable=False, help="The same for raw PCM, int16, one channel; - is standard input."
        ),
    ] = None,
    rate: Annotated[int, typer.Option(help="Of --stream, in Hz.")] = 16_000,
    together: Annotated[
        bool, typer.Option("--together", help="The clips are of one moment: hear them as one.")
    ] = False,
    far: HomeRateOption = None,
    model: ModelOption = None,
    trust_code: TrustOption = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say who is speaking: a member, a stranger, or why nobody can be named."""
    from enrollment.household import Household
    from enrollment.index.profile_index import ProfileIndex, nearest_household
    from spkid.cli.listening import listen_live, only_household
    from spkid.encoder.hearing import hear
    from spkid.scoring.model import Model

    if (bool(clips), microphone, stream is not None).count(True) != 1:
        raise SpkidError(
            "several kinds of sound, or none",
            expected="audio files, or --microphone, or --stream",
            do="give one of them",
        )
    loaded = Model.load(model, trust_code=trust_code)
    if not clips:
        with open_store(store) as opened:
            listen_live(opened, household, loaded, stream, rate_hz=rate, far=far, as_json=as_json)
        return
    homes: dict[str, Household] = {}
    answers: list[tuple[list[Path], str, Decision, float]] = []
    errors: list[SpkidError] = []
    moments = [clips] if together else [[clip] for clip in clips]
    with open_store(store) as opened, progress_bar() as bar:
        known = opened.households()
        household = household or (known[0] if len(known) == 1 else None)
        index = cache(lambda: ProfileIndex(opened, model=loaded.fingerprint))
        for moment in bar.track(moments, description="listening"):
            started = time.perf_counter()
            try:
                if together:
                    name = household or only_household(opened)
                    home = Household(opened, name, model=loaded)
                    decision = home.identify_together(moment, false_accept_rate=far)
                else:
                    clip: Source | Clip = moment[0]
                    if household is None:
                        clip = heard = hear(moment[0], loaded.encoder)
                    name = household or nearest_household(opened, index(), heard)
                    if name not in homes:
                        homes[name] = Household(opened, name, model=loaded)
                    decision = homes[name].identify(clip, false_accept_rate=far)
                taken_ms = 1000 * (time.perf_counter() - started)
                answers.append((moment, name, decision, taken_ms))
            except SpkidError as error:
                errors.append(error)
    if as_json and not (errors and not answers):
        print_json(
            [
                {
                    "clip": " + ".join(map(str, moment)),
                    "household": name,
                    **vars(decision),
                    "milliseconds": taken_ms,
                }
                for moment, name, decision, taken_ms in answers
            ]
        )
    elif answers:
        print_table(
            "Who is speaking" + (f", at {percent(far)} of strangers accepted" if far else ""),
            ("clip", "who", "probability", "margin", "cosine", "speech", "ms"),
            [
                (
                    " + ".join(clip.name for clip in moment),
                    *decision_cells(decision),
                    f"{taken_ms:.0f}",
                )
                for moment, _, decision, taken_ms in answers
            ],
        )
        for hint in dict.fromkeys(hint for *_, answer, _ in answers for hint in answer.hints):
            say(hint)
    for refusal in errors:
        report_error(refusal, as_json=as_json and not answers)
    if errors:
        raise typer.Exit(2)


def decision_cells(decision: Decision) -> tuple[str, str, str, str, str]:
    """Who, probability, margin, cosine and seconds of speech, as text."""
    if decision.status == "ambiguous":
        first, second = decision.candidates[:2]
        who = f"ambiguous: {first.member} or {second.member}"
    else:
        who = decision.member or decision.status.replace("_", " ")
    if decision.other_voices:
        who += f"; somebody else too{seconds_of(decision.other_voices)}"
    figures = ("–", "–", "–")
    if decision.candidates:
        probability = decision.p_stranger if decision.status == "unknown" else decision.p_member
        figures = (
            f"{100 * (probability or 0.0):.0f} %",
            f"{100 * (decision.margin or 0.0):.0f} %",
            f"{decision.candidates[0].cosine:.2f}",
        )
    return (who, *figures, f"{decision.speech_s:.1f} s")


def seconds_of(spans: Sequence[Span]) -> str:
    """Where in a clip, such as ``, at 0.5 to 2.1 s``; empty where nowhere."""
    words = " and ".join(f"{span.start_s:.1f} to {span.end_s:.1f} s" for span in spans)
    return f", at {words}" if words else ""


def verify(
    clips: Annotated[
        list[Path],
        typer.Argument(readable=False, help="One clip with --household and --member, else two."),
    ],
    household: Annotated[str | None, typer.Option(help="Name of the household.")] = None,
    member: Annotated[str | None, typer.Option(help="Name of the person.")] = None,
    far: FarOption = 0.05,
    model: ModelOption = None,
    trust_code: TrustOption = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Same speaker or not? Exit code 0: same, 1: different, 3: cannot tell."""
    from enrollment.household import Household
    from enrollment.verification import verify_clips
    from spkid.scoring.model import Model

    if (household is None) != (member is None) or len(clips) != (2 if member is None else 1):
        raise SpkidError(
            "1 clip" if len(clips) == 1 else f"{len(clips)} clips",
            expected="one clip with --household and --member, or two clips without",
            do="correct the call",
        )
    if household is not None and member is not None:
        with open_store(store) as opened:
            home = Household(opened, household, model=Model.load(model, trust_code=trust_code))
            result = home.verify(member, clips[0], false_accept_rate=far)
    else:
        result = verify_clips(
            clips[0],
            clips[1],
            model=Model.load(model, trust_code=trust_code),
            false_accept_rate=far,
        )
    if as_json:
        print_json(result)
    elif result.same is None:
        echo(f"cannot tell: {REASONS[result.reason].split(':')[0]}")
    else:
        print_table(
            "",
            ("answer", "probability", "log-likelihood ratio", "cosine"),
            [
                (
                    "same speaker" if result.same else "different speaker",
                    f"{100 * (result.p_same or 0.0):.0f} %",
                    f"{result.llr:+.2f}",
                    f"{result.cosine:.2f}",
                )
            ],
        )
    raise typer.Exit({True: 0, False: 1, None: 3}[result.same])
