"""The command that says who spoke when: timeline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.homes import (
    HomeRateOption,
    HouseholdOption,
    ModelOption,
    StoreOption,
    open_store,
    store_files,
)
from spkid.cli.output import (
    JsonFlag,
    TrustOption,
    check_outputs,
    check_plot,
    print_json,
    print_table,
    save_plot,
)
from spkid.errors import SpkidError
from spkid.files import write_text

if TYPE_CHECKING:
    from enrollment.timeline import Segment

NOBODY_NAMED = ("unknown", "doubtful", "too_short")


def timeline(
    recording: Annotated[
        Path,
        typer.Argument(
            readable=False, help="An audio file of up to 24 hours; - is standard input."
        ),
    ],
    household: HouseholdOption,
    out_rttm: Annotated[
        Path | None, typer.Option(readable=False, help="Write the segments as RTTM.")
    ] = None,
    transcript: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="What was said, as .srt, .vtt or WhisperX's .json; names go to --out-transcript.",
        ),
    ] = None,
    out_transcript: Annotated[
        Path | None,
        typer.Option(readable=False, help="Write the transcript with names, in its own format."),
    ] = None,
    plot: Annotated[
        Path | None, typer.Option(readable=False, help="Write a picture as a .png or .svg.")
    ] = None,
    far: HomeRateOption = None,
    model: ModelOption = None,
    trust_code: TrustOption = False,
    store: StoreOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say who of a household spoke when in a long recording."""
    from enrollment.household import Household
    from enrollment.timeline import rttm
    from enrollment.transcript import named_transcript
    from spkid.scoring.model import Model

    inputs = (recording, model, transcript, *store_files(store))
    check_plot(plot, inputs=(*inputs, out_rttm, out_transcript))
    check_outputs(out_rttm, out_transcript, inputs=inputs)
    if transcript is not None:
        named_transcript(transcript, ())  # what cannot be read is said before the work
    if (transcript is None) != (out_transcript is None):
        raise SpkidError(
            "one of --transcript and --out-transcript",
            expected="both",
            do="name the transcript, and the file for it with names",
        )
    with open_store(store) as opened:
        home = Household(opened, household, model=Model.load(model, trust_code=trust_code))
        segments = home.timeline(recording, false_accept_rate=far)
        members = [member.name for member in home.members()]
    if out_rttm is not None:
        write_text(out_rttm, rttm(segments, recording.stem))
    if transcript is not None and out_transcript is not None:
        write_text(out_transcript, named_transcript(transcript, segments))
    if plot is not None:
        draw(segments, members, plot)
    if as_json:
        print_json({"household": household, "recording": str(recording), "segments": segments})
        return
    print_table(
        f"Who of {household} spoke when",
        ("from", "to", "who", "probability"),
        [
            (
                clock(part.start_s),
                clock(part.end_s),
                part.who or part.status.replace("_", " "),
                "–" if part.probability is None else f"{100 * part.probability:.0f} %",
            )
            for part in segments
        ],
    )


def clock(seconds: float) -> str:
    """``h:mm:ss.s``."""
    tenths = round(10 * seconds)
    return f"{tenths // 36_000}:{tenths // 600 % 60:02d}:{tenths // 10 % 60:02d}.{tenths % 10}"


def draw(segments: Sequence[Segment], members: Sequence[str], path: Path) -> None:
    """A row for each member, then for strangers, doubt and what was too short."""
    from spkid.pages import new_figure

    rows: dict[tuple[str | None, str], tuple[str, str]] = {
        (name, "known"): (name, f"C{place}") for place, name in enumerate(members)
    }
    rows |= {(None, status): (status.replace("_", " "), "0.6") for status in NOBODY_NAMED}
    with new_figure(10, 1 + 0.35 * len(rows)) as figure:
        axes = figure.subplots()
        for place, (kind, (_, color)) in enumerate(rows.items()):
            own = [part for part in segments if (part.who, part.status) == kind]
            spans = [(part.start_s, part.end_s - part.start_s) for part in own]
            axes.broken_barh(spans, (place - 0.4, 0.8), facecolors=color)
        axes.set_yticks(range(len(rows)), [words for words, _ in rows.values()])
        axes.set(xlabel="seconds", ylim=(len(rows) - 0.5, -0.5), xlim=(0, segments[-1].end_s))
        axes.grid(axis="x", color="0.9")
        save_plot(figure, path)
