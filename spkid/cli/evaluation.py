"""Commands for measuring: embed, score, evaluate, households."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from spkid.cli.output import (
    ColumnsOption,
    JsonFlag,
    TrustOption,
    check_outputs,
    percent,
    print_json,
    print_table,
    progress_bar,
    rate_option,
    say,
)

EmbeddingsOption = Annotated[
    Path, typer.Option(readable=False, help="The .npz that 'spkid embed' wrote.")
]
COHORT_TOP = 25  # the best of what benchmarks/score_norm.py tried
CohortOption = Annotated[
    Path | None,
    typer.Option(readable=False, help="Embeddings of strangers (.npz); gives s-norms."),
]
CohortTopOption = Annotated[
    int, typer.Option("--cohort-top", help="How many of the nearest strangers count.")
]


def embed(
    manifest: Annotated[Path, typer.Argument(readable=False, help="CSV with a column 'path'.")],
    root: Annotated[Path, typer.Option(readable=False, help="Folder that the paths start from.")],
    out: Annotated[
        Path, typer.Option(readable=False, help="Where to write paths and embeddings (.npz).")
    ],
    model: Annotated[
        Path | None, typer.Option(readable=False, help="Another exported model.")
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Clips at a time. Default: one for each core."),
    ] = None,
    ray: Annotated[
        str | None,
        typer.Option(help="Embed on a Ray cluster: its address, 'auto' or 'local'."),
    ] = None,
    trust_code: TrustOption = False,
    as_json: JsonFlag = False,
) -> None:
    """Embed every clip of a manifest. Run it again to continue where it was stopped."""
    from spkid.data.manifest import read_manifest
    from spkid.encoder.batch import check_root, embed_manifest, in_threads
    from spkid.encoder.encoder import SpeakerEncoder
    from spkid.encoder.on_ray import on_ray

    check_outputs(out, inputs=(manifest, model))
    paths = list(dict.fromkeys(read_manifest(manifest)["path"]))
    check_root(paths, root)
    encoder = SpeakerEncoder.load(model, trust_code=trust_code)
    with progress_bar() as bar:
        task = bar.add_task("embedding", total=len(paths))
        result = embed_manifest(
            paths,
            root,
            out,
            encoder,
            embed_files=on_ray(encoder, ray, jobs) if ray else in_threads(encoder, jobs),
            advance=lambda n: bar.advance(task, n),
            report=say,
        )
    if as_json:
        print_json(result)
    else:
        say(
            f"{result.n_embedded} embedded, {result.n_resumed} already there, "
            f"{len(result.skipped)} skipped; {out}"
        )
    if not result.n_embedded + result.n_resumed:
        raise typer.Exit(2)


def score(
    trials: Annotated[
        Path, typer.Argument(readable=False, help="Trial list in VoxCeleb or Kaldi order.")
    ],
    embeddings: EmbeddingsOption,
    out: Annotated[
        Path, typer.Option(readable=False, help="Where to write 'enroll test score label' lines.")
    ],
    cohort: CohortOption = None,
    cohort_top: CohortTopOption = COHORT_TOP,
    as_json: JsonFlag = False,
) -> None:
    """Score a trial list: log-likelihood ratios of the bundled model, else raw cosines."""
    from spkid.data.score_files import write_scores
    from spkid.data.trial_lists import read_trials
    from spkid.encoder.vectors import EmbeddingTable
    from spkid.scoring.calibration import Calibration, bundled_or_raw
    from spkid.scoring.s_norm import Cohort, normalized_trials
    from spkid.scoring.trials import calibrated_trials, score_trials

    check_outputs(out, inputs=(trials, embeddings, cohort))
    table = read_trials(trials)
    vectors = EmbeddingTable.load(embeddings)
    scale = bundled_or_raw(vectors.model)
    table["score"] = score_trials(table, vectors)
    kind = "raw cosines (another model made the vectors)"
    if cohort:
        strangers = Cohort.load(cohort, like=vectors, n_top=cohort_top)
        table["score"] = normalized_trials(table, vectors, strangers)
        kind = "adaptive s-norms (no calibration holds for them)"
    elif isinstance(scale, Calibration):
        table["score"] = calibrated_trials(table, vectors, scale)
        kind = "calibrated log-likelihood ratios"
    write_scores(out, table)
    if as_json:
        print_json({"n_trials": len(table), "scores": kind, "out": str(out)})
    else:
        say(f"{len(table)} trials scored as {kind}; {out}")


def evaluate(
    scores: Annotated[Path, typer.Argument(readable=False, help="Score file with labels.")],
    columns: ColumnsOption = None,
    as_json: JsonFlag = False,
) -> None:
    """EER, minimum detection costs, Cllr and minimum Cllr of a score file."""
    from spkid.data.left_out import sound_trials
    from spkid.data.score_files import read_score_file
    from spkid.scoring.evaluation import evaluate_scores

    read = read_score_file(scores, columns=columns)
    table, left_out = sound_trials(read.table)
    figures = evaluate_scores(table)
    for line in (*read.notes, *(each.words for each in left_out)):
        say(line)
    if as_json:
        out = [dataclasses.asdict(each) for each in left_out]
        print_json({**dataclasses.asdict(figures), "left_out": out})
    else:
        rows = [
            ("same-speaker trials", figures.n_target),
            ("different-speaker trials", figures.n_impostor),
            ("EER", percent(figures.equal_error_rate)),
            ("minDCF, P = 0.01", f"{figures.min_dcf_001:.3f}"),
            ("minDCF, P = 0.05", f"{figures.min_dcf_005:.3f}"),
            ("Cllr, scores as log-likelihood ratios", f"{figures.cllr:.3f} bit"),
            ("minimum Cllr", f"{figures.min_cllr:.3f} bit"),
        ]
        print_table(scores.name, ("figure", "value"), rows)
    if figures.equal_error_rate > 0.5:
        say("The EER is above 50 %: the labels or the sign of the scores are the wrong way round.")


def households(
    protocol: Annotated[Path, typer.Argument(readable=False, help="CSV of simulated homes.")],
    embeddings: EmbeddingsOption,
    far: Annotated[float, rate_option("--far", "Share of guests' clips to accept.")] = 0.05,
    cohort: CohortOption = None,
    cohort_top: CohortTopOption = COHORT_TOP,
    as_json: JsonFlag = False,
) -> None:
    """Members missed and guests accepted over simulated homes, by size and kind."""
    from spkid.data.manifest import read_manifest
    from spkid.encoder.vectors import EmbeddingTable
    from spkid.scoring.calibration import bundled_or_raw
    from spkid.scoring.s_norm import Cohort
    from spkid.scoring.scale import raw_cosines
    from spkid.scoring.simulated_homes import PROTOCOL_COLUMNS, figures_by_row, score_homes

    table = read_manifest(protocol, required=PROTOCOL_COLUMNS)
    vectors = EmbeddingTable.load(embeddings)
    scale = bundled_or_raw(vectors.model)
    strangers = None
    if cohort:
        strangers = Cohort.load(cohort, like=vectors, n_top=cohort_top)
        scale = raw_cosines(vectors.model)
    probes = score_homes(table, vectors, scale, cohort=strangers)
    figures = dict(figures_by_row(probes, scale, fpir=far))
    if as_json:
        print_json({name: dataclasses.asdict(row) for name, row in figures.items()})
        return
    columns = (
        "homes",
        "number",
        "closed-set error",
        f"misses at {percent(far)} guests",
        "open-set EER",
        "shipped threshold: guests",
        "misses",
    )
    rows = [
        (
            name,
            row.n_homes,
            percent(row.closed_set_error),
            percent(row.fnir),
            percent(row.open_set_eer),
            percent(row.shipped_fpir),
            percent(row.shipped_fnir),
        )
        for name, row in figures.items()
    ]
    print_table(protocol.name, columns, rows)
