"""Clips and speakers from the layouts that people have: CSV, Kaldi, speechbrain, folders."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from spkid.data.manifest import read_manifest
from spkid.errors import BadTable
from spkid.files import LARGEST_TABLE, open_regular, read_text, why_unreadable

if TYPE_CHECKING:
    import pandas as pd

AUDIO_SUFFIXES = {
    *(".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff", ".au", ".caf", ".w64"),
    *(".m4a", ".mp4", ".aac", ".3gp", ".webm", ".mka", ".wma", ".amr"),  # extra: formats
}
SPEECHBRAIN_COLUMNS = ("ID", "wav", "spk_id")
LAYOUTS = (
    "a CSV with the columns path and speaker, a folder with such a manifest.csv, a Kaldi folder "
    "(wav.scp, utt2spk), a speechbrain CSV (ID, wav, spk_id), or a folder with one folder a speaker"
)


@dataclass(frozen=True)
class Source:
    """``clips`` has a row a clip, all columns strings but the last.

    ``path`` (from ``root``, or absolute), ``speaker`` (empty: unknown), ``split``, ``corpus``
    and ``span``: the first and the last-plus-one sample at 16 kHz, or None for the whole file.
    Columns that the layout has beside these are kept. ``left_out`` says how many files of a
    folder were no clips by their ending; empty where there were none.
    """

    root: Path
    clips: pd.DataFrame
    left_out: str = ""


def read_source(path: str | Path) -> Source:
    """The clips at ``path``, whose layout is told from what is there.

    Where a layout has no ``split``, every clip is for training; where it has no ``corpus``,
    all are of one.

    Raises
    ------
    BadTable
        If no layout fits, or a file of it is damaged.
    """
    path = Path(path)
    if path.is_dir() and (path / "manifest.csv").exists():
        return _from_csv(path / "manifest.csv")
    if path.is_dir() and (path / "wav.scp").exists():
        return _from_kaldi(path)
    if path.is_dir():
        return _from_folders(path)
    if path.suffix == ".csv":
        return _from_csv(path)
    raise BadTable(
        f"{path}: neither a folder nor a CSV file", expected=LAYOUTS, do="check the path"
    )


def audio_files(root: Path) -> list[str]:
    """Every audio file under ``root``, as sorted paths from there."""
    return sorted(
        path.relative_to(root).as_posix()
        for path in root.rglob("*")
        if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file()
    )


def _left_out(root: Path, n_flat: int) -> str:
    """How many files under ``root`` are no clips of a speaker, in words; empty for none."""
    endings = Counter(
        path.suffix.lower() or "no ending"
        for path in root.rglob("*")
        if path.suffix.lower() not in AUDIO_SUFFIXES and path.is_file()
    )
    reasons = [f"{n_files} {ending}" for ending, n_files in endings.most_common(5)]
    reasons += [f"{n_flat} in no speaker's folder"] if n_flat else []
    n_files = endings.total() + n_flat
    return f"{root}: left out {n_files} files ({', '.join(reasons)})" if reasons else ""


def _completed(table: pd.DataFrame) -> pd.DataFrame:
    for column, value in (("split", "train"), ("corpus", "all"), ("span", None)):
        if column not in table.columns:
            table[column] = value
    return table


def _from_csv(path: Path) -> Source:
    try:
        with open_regular(path) as file:
            header = file.readline()
    except OSError:
        header = b""  # the sentence is the manifest's
    if b"spk_id" in header:
        return _from_speechbrain(path)
    return Source(path.parent, _completed(read_manifest(path, required=("path", "speaker"))))


def _from_speechbrain(path: Path) -> Source:
    """``$data_root`` and ``{data_root}`` stand for the CSV's folder; start and stop are samples."""
    table = read_manifest(path, required=SPEECHBRAIN_COLUMNS)
    table["path"] = [
        wav.replace("$data_root/", "").replace("{data_root}/", "") for wav in table["wav"]
    ]
    table["speaker"] = table["spk_id"]
    if {"start", "stop"} <= set(table.columns):
        try:
            spans = [
                (int(start), int(stop)) if stop else None
                for start, stop in zip(table["start"], table["stop"], strict=True)
            ]
        except ValueError as error:
            raise BadTable(
                f"{path}: a start or stop that is no number ({error})",
                expected="samples at 16 kHz",
                do="correct the file",
            ) from error
        for row, span in enumerate(spans):
            if span is not None and not 0 <= span[0] < span[1]:
                raise BadTable(
                    f"{path}: row {row + 2} goes from sample {span[0]} to {span[1]}",
                    expected="a start before its stop",
                    do="correct the file",
                )
        table["span"] = spans
    return Source(path.parent, _completed(table))


def _from_kaldi(folder: Path) -> Source:
    import pandas as pd

    if (folder / "segments").exists():
        raise BadTable(
            f"{folder}: a segments file",
            expected="one recording an utterance",
            do="cut the recordings (extract-segments.sh) and point wav.scp at the pieces",
        )
    recordings, speakers = _two_columns(folder / "wav.scp"), _two_columns(folder / "utt2spk")
    for utterance, place in recordings.items():
        if place.endswith("|"):
            raise BadTable(
                f"{folder / 'wav.scp'}: {utterance} is a command, not a file",
                expected="paths of audio files",
                do="write the audio to files first",
            )
        if utterance not in speakers:
            raise BadTable(
                f"{folder / 'utt2spk'}: nothing on {utterance}",
                expected="a line for every utterance of wav.scp",
                do="correct the file",
            )
    rows = [(place, speakers[utterance], utterance) for utterance, place in recordings.items()]
    return Source(folder, _completed(pd.DataFrame(rows, columns=["path", "speaker", "utterance"])))


def _two_columns(path: Path) -> dict[str, str]:
    try:
        lines = read_text(path, at_most=LARGEST_TABLE).splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise BadTable(
            f"{path}: {why_unreadable(error) if isinstance(error, OSError) else 'not UTF-8 text'}",
            expected="the Kaldi files wav.scp and utt2spk",
            do="check the folder",
        ) from error
    pairs = [line.strip().split(maxsplit=1) for line in lines if line.strip()]
    if short := next((pair for pair in pairs if len(pair) < 2), None):
        raise BadTable(
            f"{path}: {short[0]!r} alone on its line",
            expected="two columns",
            do="correct the file",
        )
    table = dict(pairs)
    if len(table) < len(pairs):
        raise BadTable(
            f"{path}: the same key on two lines", expected="one line each", do="correct the file"
        )
    return table


def _from_folders(root: Path) -> Source:
    """The first folder is the speaker: VoxCeleb's ``id/video/utterance.wav`` too."""
    import pandas as pd

    paths = audio_files(root)
    rows = [(path, path.split("/")[0]) for path in paths if "/" in path]
    if not rows:
        raise BadTable(f"{root}: no clips in folders", expected=LAYOUTS, do="check the path")
    table = _completed(pd.DataFrame(rows, columns=["path", "speaker"]))
    return Source(root, table, _left_out(root, len(paths) - len(rows)))
