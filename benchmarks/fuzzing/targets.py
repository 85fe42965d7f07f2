"""What is fuzzed: each kind of file that somebody else may hand us, through users' own doors.

A target takes the bytes of a file. It may refuse them with an `SpkidError` and nothing else.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import soundfile

from enrollment import Store
from enrollment.index.config import IndexConfig
from enrollment.index.profile_index import ProfileIndex
from enrollment.profile import Consent, Exemplar
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.data.decision_log import read_decisions
from spkid.data.manifest import read_manifest
from spkid.data.score_files import read_scores
from spkid.data.trial_lists import read_trials
from spkid.encoder.vectors import EmbeddingTable, save_embeddings
from spkid.errors import SpkidError
from spkid.scoring.calibration import BUNDLED_CALIBRATION, Calibration
from spkid.scoring.model import Model

DIM, MODEL = 8, "fuzzed"
AUDIO = ("wav", "flac", "ogg", "mp3", "aiff", "caf", "w64", "au", "m4a", "webm", "amr", "bin")
TABLES: tuple[tuple[str, Callable[[Path], object]], ...] = (
    ("scores.txt", read_scores),
    ("scores.csv", read_scores),
    ("manifest.csv", read_manifest),
    ("trials.txt", read_trials),
    ("log.jsonl", read_decisions),
    ("vectors.npz", EmbeddingTable.load),
)
MODELS: tuple[tuple[str, Callable[[Path], object]], ...] = (
    ("model.onnx", Model.load),
    ("mine.calibration.json", Calibration.load),
)
SAVED_AT_ONCE = IndexConfig(saved_from=1)
Seeds = dict[str, list[bytes]]


def unit(seed: int) -> np.ndarray:
    """A unit vector ``[DIM]``."""
    vector = np.random.default_rng(seed).standard_normal(DIM).astype(np.float32)
    return vector / np.linalg.norm(vector)


def _by_first_byte(names: Sequence[str], content: bytes) -> tuple[str, bytes]:
    """Which of ``names`` the first byte chooses, and the rest."""
    return names[content[0] % len(names)], content[1:]


def audio(folder: Path, content: bytes) -> None:
    """A recording; the first byte chooses the ending of its name."""
    if not content:
        return
    suffix, rest = _by_first_byte(AUDIO, content)
    path = folder / f"clip.{suffix}"
    path.write_bytes(rest)
    waveform = load_audio(path)
    if not np.isfinite(waveform).all():
        raise AssertionError("samples that are not finite")


def _read_as(readers: Sequence[tuple[str, Callable[[Path], object]]]) -> Callable[..., None]:
    def read(folder: Path, content: bytes) -> None:
        if not content:
            return
        name, rest = _by_first_byte([name for name, _ in readers], content)
        (folder / name).write_bytes(rest)
        dict(readers)[name](folder / name)

    return read


def store(folder: Path, content: bytes) -> None:
    """Somebody's store file: listed, searched and forgotten from."""
    own = folder / "home"
    shutil.rmtree(own, ignore_errors=True)
    own.mkdir()
    path = own / "home.sqlite3"
    path.write_bytes(content)
    with Store.open(path, create=False) as opened:
        for member in opened.members():
            repr(member)
        opened.changes()
        for household in opened.households():
            opened.calibration(household)
            opened.forget(household)


def index(folder: Path, content: bytes) -> None:
    """A saved index that is not as it was written: it is made again, and answers truly."""
    path = folder / "indexed.sqlite3"
    if not path.exists():
        path.write_bytes(made_store(folder))
    with Store.open(path, create=False) as opened:
        opened.index_folder.mkdir(mode=0o700, exist_ok=True)
        (opened.index_folder / "profiles.index").write_bytes(content)
        searched = ProfileIndex(opened, model=MODEL, config=SAVED_AT_ONCE)
        found = searched.search(unit(1), n_hits=1)
        if [hit.member for hit in found] != ["Ana"]:
            raise AssertionError("the search lost its way")


TARGETS: dict[str, Callable[[Path, bytes], None]] = {
    "audio": audio,
    "table": _read_as(TABLES),
    "store": store,
    "index": index,
    "model": _read_as(MODELS),
}


def run(target: str, folder: Path, content: bytes) -> bool:
    """Whether ``target`` took ``content``; anything but a plain refusal is raised."""
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            TARGETS[target](folder, content)
    except SpkidError as error:
        if not str(error):
            raise AssertionError("a refusal without a word") from error
        return False
    return True


def made_store(folder: Path) -> bytes:
    """The bytes of a store with two members."""
    path = folder / "made.sqlite3"
    with Store.open(path) as opened:
        for number, name in enumerate(("Ana", "Ben"), 1):
            exemplar = Exemplar(
                vector=unit(number), digest=f"{number:064x}", speech_s=3.0, snr_db=20.0
            )
            consent = Consent("Ana", "1", "yes")
            opened.add("home", name, [exemplar], model=MODEL, consent=consent)
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    content = path.read_bytes()
    for left in folder.glob("made.sqlite3*"):
        left.unlink()
    return content


def seeds() -> Seeds:
    """Whole files of every kind, to begin from; the first byte as the targets read it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        return {
            "audio": _audio_seeds(),
            "table": _table_seeds(folder),
            "store": [made_store(folder)],
            "index": _index_seeds(folder),
            "model": _model_seeds(),
        }


def _audio_seeds() -> list[bytes]:
    sound = 0.1 * np.sin(np.arange(SAMPLE_RATE_HZ // 4) / 20).astype(np.float32)
    formats = {
        "wav": ("WAV", "PCM_16"),
        "flac": ("FLAC", "PCM_16"),
        "ogg": ("OGG", "OPUS"),
        "mp3": ("MP3", "MPEG_LAYER_III"),
        "aiff": ("AIFF", "PCM_16"),
        "caf": ("CAF", "PCM_16"),
        "w64": ("W64", "PCM_16"),
        "au": ("AU", "ULAW"),
    }
    found = []
    for suffix, (kind, subtype) in formats.items():
        file = io.BytesIO()
        soundfile.write(file, sound, SAMPLE_RATE_HZ, format=kind, subtype=subtype)
        found.append(bytes([AUDIO.index(suffix)]) + file.getvalue())
    return found


def _table_seeds(folder: Path) -> list[bytes]:
    save_embeddings(folder / "v.npz", {"a.wav": unit(1), "b.wav": unit(2)}, model=MODEL, dim=DIM)
    texts = {
        "scores.txt": b"1 a.wav b.wav 0.5\n0 a.wav c.wav -0.25\n",
        "scores.csv": "enroll,test,label,score\na,b,target,0.5\na,ü,nontarget,1e-3\n".encode(),
        "manifest.csv": b"path,speaker,split,gender\na.wav,001,train,female\n",
        "trials.txt": b"1 a.wav b.wav\n0 a.wav c.wav\n",
        "log.jsonl": b'{"household": "home", "speaker": "s1", "truth": "Ana", "answer": ""}\n',
        "vectors.npz": (folder / "v.npz").read_bytes(),
    }
    names = [name for name, _ in TABLES]
    return [bytes([names.index(name)]) + text for name, text in texts.items()]


def _index_seeds(folder: Path) -> list[bytes]:
    path = folder / "seed.sqlite3"
    path.write_bytes(made_store(folder))
    with Store.open(path, create=False) as opened:
        ProfileIndex(opened, model=MODEL, config=SAVED_AT_ONCE)
        return [(opened.index_folder / "profiles.index").read_bytes()]


def _model_seeds() -> list[bytes]:
    bundled = json.loads(BUNDLED_CALIBRATION.read_text(encoding="utf-8"))
    small = bundled | {"landmarks": [row[:2] for row in bundled["landmarks"][:2]]}
    return [b"\x00" + _small_graph(), b"\x01" + json.dumps(small).encode()]


def _small_graph() -> bytes:
    """An ONNX graph of a few nodes with what a model of ours says of itself."""
    import onnx
    from onnx import TensorProto, helper

    values = [
        helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", "samples"]),
        helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["batch", DIM]),
        helper.make_tensor_value_info("frame_weights", TensorProto.FLOAT, ["batch", "samples"]),
    ]
    matrix = helper.make_tensor("m", TensorProto.FLOAT, [1, DIM], unit(3).tolist())
    nodes = [
        helper.make_node("ReduceMax", ["waveform"], ["loudest"], axes=[1], keepdims=1),
        helper.make_node("MatMul", ["loudest", "m"], ["embedding"]),
        helper.make_node("Identity", ["waveform"], ["frame_weights"]),
    ]
    graph = helper.make_graph(nodes, "small", values[:1], values[1:], [matrix])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    helper.set_model_props(model, {"spkid.encoder": json.dumps({"embedding_dim": DIM})})
    content: bytes = onnx.ModelProto.SerializeToString(model)
    return content


def scratch_folder() -> Path:
    """A folder of this process, in memory where the system has such a place."""
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else None
    return Path(tempfile.mkdtemp(prefix="spkid-fuzz-", dir=parent))
