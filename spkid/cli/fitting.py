"""The command that fits a model's calibration to clips of known speakers: fit."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from spkid.cli.output import (
    JsonFlag,
    TrustOption,
    check_outputs,
    print_json,
    print_table,
    progress_bar,
    say,
)
from spkid.errors import SpkidError

if TYPE_CHECKING:
    from collections.abc import Hashable

    import pandas as pd

    from spkid.encoder.base import Encoder, Vector

FEW_SPEAKERS = 50  # below which a calibration is called rough


def fit(
    source: Annotated[
        Path,
        typer.Argument(
            readable=False,
            help="Clips of speakers whom the model never heard: a folder with one folder a "
            "speaker, a CSV with path and speaker (and corpus, the kind of speaker), or another "
            "layout that 'spkid train' reads.",
        ),
    ],
    model: Annotated[
        Path | None,
        typer.Option(readable=False, help="The exported model that is to be calibrated."),
    ] = None,
    trust_code: TrustOption = False,
    vectors: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Vectors of the clips that 'spkid embed' wrote (.npz), in place of listening. "
            "The length of a clip then counts for nothing.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            readable=False,
            help="Where to write the calibration (.json); by default beside the model, where it "
            "is found when the model is loaded.",
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Fit a calibration, without which a model refuses to decide.

    At least ten speakers with four clips of three seconds each; fifty or more are better.
    """
    from spkid.data.sources import read_source
    from spkid.encoder.encoder import SpeakerEncoder
    from spkid.encoder.vectors import EmbeddingTable
    from spkid.scoring.calibration import Calibration
    from spkid.scoring.pools import clips_to_fit

    target = place_of(model, out)
    check_outputs(target, inputs=(source / "manifest.csv", model, vectors))
    given = read_source(source)
    if given.left_out:
        say(given.left_out)
    clips = clips_to_fit(given.clips)
    encoder = (
        SpeakerEncoder.load(model, trust_code=trust_code)
        if model is not None or vectors is None
        else None
    )
    skipped: list[str] = []
    if vectors is not None:
        table = EmbeddingTable.load(vectors)
        if encoder is not None:
            table.check_model(
                encoder.fingerprint, name=f"{vectors}: vectors", expected="the model given"
            )
        fingerprint, values = table.model, table.vectors[table.rows(clips["path"])]
    else:
        assert encoder is not None
        found = heard(clips, given.root, encoder)
        skipped = [clips["path"][row] for row in clips.index if row not in found]
        clips = clips.loc[list(found)]
        fingerprint, values = encoder.fingerprint, stacked(found.values(), encoder.dim)
    calibration = Calibration.fit(
        values,
        list(clips["speaker"]),
        model=fingerprint,
        pools=list(clips["corpus"]),
    )
    calibration.save(target)
    speakers = clips.groupby("corpus")["speaker"].nunique()
    if as_json:
        print_json(
            {
                "model": fingerprint,
                "out": str(target),
                "n_clips": len(clips),
                "n_speakers": {name: int(n) for name, n in speakers.items()},
                "skipped": skipped,
            }
        )
    else:
        rows = [(name, n, (clips["corpus"] == name).sum()) for name, n in speakers.items()]
        print_table(f"{target}", ("pool", "speakers", "clips"), rows)
    if speakers.max() < FEW_SPEAKERS:
        say(
            f"{speakers.max()} speakers make a rough calibration: strangers may be accepted more "
            f"or less often than stated. Give {FEW_SPEAKERS} or more."
        )
    if len(speakers) == 1:
        say(
            "All speakers are in one pool. Strangers of another kind may be accepted more often "
            "than stated: name the kinds in a column 'corpus'."
        )


def place_of(model: Path | None, out: Path | None) -> Path:
    """The file to write to."""
    from spkid.scoring.model import calibration_beside

    if out is None and model is None:
        raise SpkidError(
            "neither a model nor a place to write to",
            expected="the bundled model, which has its calibration, to be left as it is",
            do="give --model or --out",
        )
    target = out or calibration_beside(str(model))
    if target.suffix != ".json":
        raise SpkidError(f"{target}", expected="a .json file", do="choose another --out")
    if not target.parent.is_dir():
        raise SpkidError(
            f"{target.parent}: no such folder", expected="a folder", do="choose another --out"
        )
    return target


def heard(clips: pd.DataFrame, root: Path, encoder: Encoder) -> dict[Hashable, Vector]:
    """Vectors of each clip, whole and cut, by its row; a clip that cannot be used is told."""
    from spkid.encoder.batch import embed_cuts
    from spkid.scoring.scale import SPEECH_S

    files = [(root / path, span) for path, span in zip(clips["path"], clips["span"], strict=True)]
    with progress_bar() as bar:
        task = bar.add_task("listening", total=len(files))
        results = embed_cuts(files, encoder, SPEECH_S, advance=lambda n: bar.advance(task, n))
    found = {}
    for row, (path, _), result in zip(clips.index, files, results, strict=True):
        if isinstance(result, SpkidError):
            say(f"skipped: {result}" if str(path) in str(result) else f"skipped: {path}: {result}")
        else:
            found[row] = result
    return found


def stacked(vectors: Iterable[Vector], dim: int) -> Vector:
    """``[clips, 1 + lengths, dim]``, also of no clip at all."""
    import numpy as np

    from spkid.scoring.scale import SPEECH_S

    each = list(vectors)
    return np.stack(each) if each else np.empty((0, 1 + len(SPEECH_S), dim), np.float32)
