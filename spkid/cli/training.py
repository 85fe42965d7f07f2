"""Commands that need the train extra: train, finetune, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spkid.cli.output import JsonFlag, check_folder, check_outputs, print_json, progress_bar, say
from spkid.errors import SpkidError

RUN_FILES = ("encoder.safetensors", "run.json", "log.jsonl", "curves.svg")


def need_torch() -> None:
    """Say how to get torch where it is missing."""
    from importlib.util import find_spec

    try:
        missing = find_spec("torch") is None
    except ImportError:
        missing = True
    if missing:
        raise SpkidError(
            "torch is not installed",
            expected="the train extra",
            do="run: pip install 'spkid[train]'",
            code="no_torch",
        )


def train(
    config: Annotated[
        Path,
        typer.Argument(readable=False, help="TOML file: [data], [train], [encoder], [augment]."),
    ],
    out: Annotated[
        Path,
        typer.Option(readable=False, help="Folder of the run; an unfinished run in it is resumed."),
    ],
    data: Annotated[
        Path | None,
        typer.Option(readable=False, help="Folder or CSV file of clips, instead of data.speech."),
    ] = None,
    noise: Annotated[
        Path | None, typer.Option(readable=False, help="Folder of noise, instead of data.noise.")
    ] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a value, such as train.n_steps=500; may be repeated."),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="A teacher's embeddings (.npz), or a folder with one such file a speed.",
        ),
    ] = None,
    start: Annotated[
        Path | None,
        typer.Option(readable=False, help="Begin from this encoder.safetensors."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Train an encoder. Run again with the same --out, it resumes where it stopped."""
    need_torch()
    from spkid.training.recipe import read_recipe
    from spkid.training.train import train as run_training

    check_folder(out, RUN_FILES, inputs=(config, data, teacher, start))
    recipe = read_recipe(config, [*(changes or []), *data_at(data, noise)])
    with progress_bar() as bar:
        run_training(recipe, out=out, teacher=teacher, start=start, progress=bar)
    finished("trained", out / "encoder.safetensors", as_json=as_json)


def finetune(
    start: Annotated[Path, typer.Argument(readable=False, help="encoder.safetensors of a run.")],
    cohort: Annotated[
        Path,
        typer.Option(readable=False, help="CSV with a column speaker: the speakers to tune for."),
    ],
    data: Annotated[
        Path,
        typer.Option(
            readable=False, help="Folder or CSV file of clips, of these and of all other speakers."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(readable=False, help="Folder of the run; an unfinished run in it is resumed."),
    ],
    ewc: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="Strength of the elastic weight consolidation that keeps what is known of the "
            "other speakers: 0 is none; 1e4 was best for children in benchmarks.fair_training.",
        ),
    ] = 0.0,
    noise: Annotated[Path | None, typer.Option(readable=False, help="Folder of noise.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a value, such as train.n_steps=500; may be repeated."),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Fine-tune an encoder for a cohort of speakers and keep what it knows of the others."""
    need_torch()
    from spkid.training.finetune import fine_tuning_recipe
    from spkid.training.finetune import finetune as run_finetuning

    check_folder(out, RUN_FILES, inputs=(start, cohort, data))
    given = [*data_at(data, noise), f"train.ewc={ewc}"]
    recipe = fine_tuning_recipe([*(changes or []), *given])
    with progress_bar() as bar:
        run_finetuning(recipe, start, cohort=cohort, out=out, progress=bar)
    finished("fine-tuned", out / "encoder.safetensors", as_json=as_json)


def export(
    checkpoint: Annotated[
        Path, typer.Argument(readable=False, help="encoder.safetensors of a run.")
    ],
    out: Annotated[Path, typer.Option(readable=False, help="The ONNX file to write.")],
    as_json: JsonFlag = False,
) -> None:
    """Export a trained encoder as one ONNX graph."""
    need_torch()
    from spkid.training.checkpoint import load_encoder
    from spkid.training.export import export_onnx

    check_outputs(out, inputs=[checkpoint])
    export_onnx(load_encoder(checkpoint), out)
    finished("exported", out, as_json=as_json)


def data_at(speech: Path | None, noise: Path | None) -> list[str]:
    """The places given by their own options, as ``--set`` would have them."""
    places = (("speech", speech), ("noise", noise))
    return [f"data.{name}={place}" for name, place in places if place is not None]


def finished(verb: str, path: Path, *, as_json: bool) -> None:
    """Say which file was made."""
    if as_json:
        print_json({verb: str(path)})
    else:
        say(f"{verb}: {path}")
