"""Mitigation on the command line: what is done about an audit's worst cohort, and what it costs."""

from __future__ import annotations

import shlex
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.auditing import words_of
from spkid.cli.output import (
    ColumnsOption,
    JsonFlag,
    check_folder,
    echo,
    print_json,
    print_table,
    progress_bar,
    say,
)
from spkid.cli.training import data_at, need_torch
from spkid.errors import SpkidError
from spkid.files import made_folder

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from spkid.mitigation.words import Mitigation
    from spkid.mitigation.worst_cohort import WorstCohort


def mitigate(
    scores: Annotated[
        Path, typer.Argument(readable=False, help="The score file that was audited.")
    ],
    audit: Annotated[Path, typer.Option(readable=False, help="Folder that 'spkid audit' wrote.")],
    metadata: Annotated[
        Path, typer.Option(readable=False, help="CSV of the audit; describes training clips too.")
    ],
    out: Annotated[
        Path,
        typer.Option(readable=False, help="Folder of page, JSON, CSV, score files and runs."),
    ],
    methods: Annotated[
        str,
        typer.Option(help="Of reweighting, oversampling, ewc, calibration (by group), membership."),
    ] = "reweighting,oversampling,ewc",
    data: Annotated[
        Path | None, typer.Option(readable=False, help="Clips to train on, and of the trials.")
    ] = None,
    encoder: Annotated[
        Path | None, typer.Option(readable=False, help="The encoder.safetensors to improve.")
    ] = None,
    noise: Annotated[
        Path | None, typer.Option(readable=False, help="Folder with noise clips to train with.")
    ] = None,
    embeddings: Annotated[
        Path | None,
        typer.Option(readable=False, help="Vectors (.npz) of the clips, for membership."),
    ] = None,
    ewc: Annotated[
        float, typer.Option(min=0.0, help="How firmly EWC holds the weights of the others.")
    ] = 1e4,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Another value, such as train.n_steps=500; may be repeated."),
    ] = None,
    columns: ColumnsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Try ways to help the worst cohort of an audit, and what each costs everybody else."""
    from spkid.audit.grouping import attach_groups, parse_grouping
    from spkid.audit.inputs import described
    from spkid.audit.origin import origin_of, renamed
    from spkid.data.score_files import read_score_file
    from spkid.encoder.vectors import EmbeddingTable
    from spkid.mitigation.groupwise import CALIBRATION, TRAINED, groupwise_calibration
    from spkid.mitigation.membership import MEMBERSHIP, membership_calibration, trial_membership
    from spkid.mitigation.page import FILES
    from spkid.mitigation.trade import BEFORE
    from spkid.mitigation.worst_cohort import WorstCohort

    asked, known = words_of(methods), (*TRAINED, CALIBRATION, MEMBERSHIP)
    if not asked or not set(asked) <= set(known):
        raise SpkidError(
            f"--methods {methods!r}",
            expected=f"one or more of {', '.join(known)}",
            do="correct the option",
        )
    if MEMBERSHIP in asked and embeddings is None:
        raise SpkidError(
            "--methods membership without --embeddings",
            expected="vectors of the clips of the score file, by which voices are told",
            do="make them with 'spkid embed' and give the file",
        )
    made = [*FILES, *(f"{system}.scores" for system in (BEFORE, *known))]
    inputs = (scores, metadata, audit / "cohort.csv", data, encoder, embeddings)
    check_folder(out, made, inputs=inputs)
    voices = EmbeddingTable.load(embeddings) if MEMBERSHIP in asked and embeddings else None
    to_train = [method for method in TRAINED if method in asked]
    given = need_training(to_train, data, encoder) if to_train else None
    cohort = WorstCohort.read(audit)
    people, _ = described(metadata)
    groupings = [section["name"] for section in cohort.record["groupings"]]
    trials, _, _ = attach_groups(
        read_score_file(scores, columns=columns).table,
        people,
        tuple(map(parse_grouping, groupings)),
    )
    choosing = cohort.choosing(trials)
    notes = list(notes_on(cohort, trials, choosing, groupings))
    systems = {BEFORE: trials["score"].to_numpy(float)}
    made_folder(out)
    if given is not None:
        from spkid.training.finetune import fine_tuning_recipe
        from spkid.training.mitigate import trained_scores

        settings = [*(changes or []), *data_at(given[0], noise), f"train.ewc={ewc}"]
        with progress_bar() as bar:
            trained = trained_scores(
                fine_tuning_recipe(settings),
                given[1],
                methods=to_train,
                cohort=cohort,
                metadata=people,
                trials=trials,
                out=out,
                progress=bar,
            )
        systems = dict(trained.scores)
        notes.append(
            f"Trained on {trained.n_trained} speakers, none of them audited; "
            f"{trained.n_like_cohort} are like the cohort. 'Before' is the encoder you gave, "
            "with its own cosines on the trials of the score file."
        )
    if CALIBRATION in asked:
        systems[CALIBRATION] = groupwise_calibration(
            trials, systems[BEFORE], cohort=cohort.speakers, choosing=choosing
        )
    if voices is not None:
        membership = trial_membership(trials, voices, choosing=choosing)
        systems[MEMBERSHIP] = membership_calibration(
            trials, systems[BEFORE], membership, choosing=choosing
        )
    found = traded(scores, cohort, trials, systems, choosing, notes)
    read = {
        "scores": scores,
        "audit": audit / "audit.json",
        "metadata": metadata,
        "encoder": encoder,
        "embeddings": embeddings,
    }
    origin = renamed(origin_of("mitigate", read, {}), shlex.join(["spkid", *sys.argv[1:]]))
    found = replace(found, origin=origin)
    report(found, trials, systems, out, as_json=as_json)


def need_training(methods: list[str], data: Path | None, encoder: Path | None) -> tuple[Path, Path]:
    """The clips and the encoder that the trained methods need; says so where one is missing."""
    if data is None or encoder is None:
        raise SpkidError(
            f"--methods {','.join(methods)} without --data or --encoder",
            expected="the train extra, the clips (--data) and an encoder.safetensors (--encoder)",
            do="give both, or --methods calibration, which needs the score file alone",
            code="no_clips",
        )
    need_torch()
    return data, encoder


def notes_on(
    cohort: WorstCohort, trials: pd.DataFrame, choosing: frozenset[str], groupings: list[str]
) -> list[str]:
    """Whether the speakers who are read had a say in which known group is the cohort."""
    from spkid.mitigation.worst_cohort import worst_group

    if cohort.kind != "group":
        return ["The audit found the cohort on the speakers for choosing alone."]
    threshold = cohort.record["threshold"]["value"]
    grouping, group = worst_group(trials, threshold, groupings, choosing)
    if (grouping, (group,)) == (cohort.grouping, cohort.labels):
        return ["The speakers used for choosing alone point to the same worst group."]
    other = f"{grouping}: {group}" if grouping else "none"
    return [
        f"The speakers used for choosing alone point to another worst group: {other}. The audit "
        f"picked {cohort.name} with the help of speakers whose results are reported here, so the "
        "gap before is probably overstated, and so is any fall in it."
    ]


def traded(
    scores: Path,
    cohort: WorstCohort,
    trials: pd.DataFrame,
    systems: dict[str, np.ndarray],
    choosing: frozenset[str],
    notes: list[str],
) -> Mitigation:
    """The trade with who was used for what."""
    import numpy as np
    import pandas as pd

    from spkid.audit.grouping import speakers_of
    from spkid.mitigation.groupwise import TRAINED
    from spkid.mitigation.trade import trade_off
    from spkid.mitigation.words import Mitigation

    inside = [trials[f"{side}_speaker"].isin(choosing).to_numpy() for side in ("enroll", "test")]
    strangers = inside[0] & inside[1] & ~trials["label"].to_numpy(bool)
    trade = trade_off(
        trials,
        systems,
        cohort=cohort.speakers,
        choosing=choosing,
        may_be_chosen=TRAINED,
        false_match_rate=cohort.false_match_rate(trials["score"].to_numpy(float)[strangers]),
    )
    names = speakers_of(trials)
    speakers = pd.DataFrame(
        {
            "speaker": names,
            "used_for": np.where(np.isin(names, list(choosing)), "choosing", "reading"),
            "cohort": np.isin(names, list(cohort.speakers)),
        }
    )
    return Mitigation(f"Mitigation for {scores.name}", cohort, trade, speakers, tuple(notes))


def report(
    found: Mitigation,
    trials: pd.DataFrame,
    systems: dict[str, np.ndarray],
    out: Path,
    *,
    as_json: bool,
) -> None:
    """Write and print it; each system's scores for ``spkid audit --compare``."""
    from spkid.data.score_files import write_scores
    from spkid.mitigation.page import mitigation_record, shown_rows, write_mitigation
    from spkid.mitigation.words import mitigation_verdict

    write_mitigation(found, out)
    for system, own in systems.items():
        write_scores(out / f"{system}.scores", trials.assign(score=own))
    if as_json:
        print_json(mitigation_record(found))
        return
    rows = []
    for row in shown_rows(found.trade):
        cells = [[each["value"], each["change"] or each["range"]] for each in row["cells"][:2]]
        rest = [each["value"] for each in row["cells"][2:]]
        rows.append((row["words"], *cells[0], *cells[1], *rest))
    change = "range, or change"
    header = ("mean error", "everybody", change, "gap", change, "cohort", "others")
    title = "mean error and gap on held-out speakers, with 95 % intervals"
    print_table(f"{found.cohort.name}: {title}", header, rows)
    for line in (*mitigation_verdict(found), *([found.caveat] if found.caveat else [])):
        echo(line)
    for note in found.notes:
        say(note)
    say(f"Page: {out / 'mitigation.html'}; scores of every system beside it")
