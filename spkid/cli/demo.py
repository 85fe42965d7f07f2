"""The main job on real clips: enroll a family, recognise it, keep strangers out."""

from __future__ import annotations

import json
import math
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from spkid.cli.homes import decision_cells
from spkid.cli.output import JsonFlag, check_outputs, print_json, print_table, say
from spkid.files import write_text

if TYPE_CHECKING:
    from enrollment.matching import Decision

FOLDER = Path(__file__).parents[1] / "demo"


def demo(
    out: Annotated[Path, typer.Option(readable=False, help="The HTML report to write.")] = Path(
        "demo-report.html"
    ),
    as_json: JsonFlag = False,
) -> None:
    """Enroll a family of three, identify new clips of theirs, and meet two strangers."""
    from rich.text import Text

    from enrollment.household import Household
    from enrollment.store.store import Store
    from spkid.scoring.model import Model

    check_outputs(out, inputs=())
    cast = json.loads((FOLDER / "cast.json").read_text(encoding="utf-8"))
    heard: list[tuple[dict[str, Any], str, Decision, float]] = []
    with (
        tempfile.TemporaryDirectory() as folder,
        Store.open(Path(folder) / "demo.sqlite3") as store,
    ):
        model = Model.load()
        home = Household(store, "demo home", model=model)
        for person in cast:
            if person["enroll"]:
                clips = [clip_path(name) for name in person["enroll"]]
                home.enroll(person["name"], clips, consent=True)
                member = next(who for who in home.members() if who.name == person["name"])
                say(
                    f"enrolled {person['name']} ({person['age_group']}): {len(clips)} clips, "
                    f"{member.speech_s:.0f} s of speech, {member.percent} % done"
                )
        for person in cast:
            for name in person["heard"]:
                started = time.perf_counter()
                decision = home.identify(clip_path(name))
                heard.append((person, name, decision, 1000 * (time.perf_counter() - started)))
        threshold = float(model.to_decide().household_threshold(0.05))
        prior = model.to_decide().guest_prior
    write_report(heard, out, threshold=threshold, guest_prior=prior)
    if as_json:
        print_json(
            [
                {"clip": name, "speaker": person["name"], **vars(decision), "milliseconds": ms}
                for person, name, decision, ms in heard
            ]
        )
    else:
        rows = []
        for person, _, decision, ms in heard:
            right = is_right(person, decision)
            who, probability, margin, _, speech = decision_cells(decision)
            cells = (
                f"{person['name']} ({person['age_group']})",
                Text(who, "green" if right else "red"),
            )
            rows.append(
                (*cells, "yes" if right else "NO", probability, margin, speech, f"{ms:.0f}")
            )
        columns = ("speaking", "heard as", "right", "probability", "margin", "speech", "ms")
        print_table("Who is speaking?", columns, rows)
    say(f"Report: {out.resolve()}")


def clip_path(name: str) -> Path:
    """Where a clip of the demo is."""
    return FOLDER / "clips" / f"{name}.opus"


def is_right(person: dict[str, Any], decision: Decision) -> bool:
    """A member by name, a stranger as unknown."""
    if person["enroll"]:
        return bool(decision.member == person["name"])
    return decision.status == "unknown"


def write_report(
    heard: list[tuple[dict[str, Any], str, Decision, float]],
    path: Path,
    *,
    threshold: float,
    guest_prior: float,
) -> None:
    """A page with the chance of each clip's likeliest member against a stranger, by group."""
    from spkid.pages import COLOURS, Plot, Row, new_figure, render, to_svg

    def share(decision: Decision) -> float:
        member, stranger = decision.p_member or 0.0, decision.p_stranger or 0.0
        return 100 * member / (member + stranger)

    groups = sorted({person["age_group"] for person, *_ in heard})
    with new_figure(3.7, 1.2 + 0.6 * len(groups)) as figure:
        axes = figure.subplots()
        for is_member, colour, label in (
            (True, COLOURS[0], "members"),
            (False, COLOURS[1], "strangers"),
        ):
            aside = 0.12 if is_member else -0.12
            points = [
                (share(decision), groups.index(person["age_group"]) + aside)
                for person, _, decision, _ in heard
                if bool(person["enroll"]) == is_member
            ]
            axes.scatter(*zip(*points, strict=True), color=colour, label=label, alpha=0.8)
        axes.axvline(100 / (1 + math.exp(-threshold)), color="#1d2433", linewidth=1)
        axes.set_yticks(range(len(groups)), groups)
        axes.set_ylim(-0.5, len(groups) - 0.5)
        axes.set_xlim(-2, 102)
        axes.set_xlabel("the likeliest member against a stranger, % (line: the threshold)")
        figure.legend(loc="outside upper left", ncols=2)
        svg = to_svg(figure)
    page = render(
        "scores.html",
        title="A family, recognised",
        lead=f"{len(heard)} clips of three members and two strangers, real voices.",
        plot=Plot(svg, "Each dot is one clip; right of the line a member is named."),
        header=("speaking", "group", "heard as", "probability", "margin", "cosine", "speech"),
        rows=[
            Row(person["name"], (person["age_group"], *decision_cells(decision)))
            for person, _, decision, _ in heard
        ],
        note=(
            "Five people show how it works, not how well: 'spkid audit' on many speakers does. "
            f"Before a clip is heard, a stranger is given {100 * guest_prior:.0f} %."
        ),
    )
    write_text(path, page)
