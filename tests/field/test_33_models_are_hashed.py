"""A model file with a flipped bit loaded under the name of the whole one; its bytes are hashed."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import pytest

from enrollment import Household
from spkid import Model, SpeakerEncoder
from spkid.encoder.encoder import BUNDLED_MODEL
from spkid.errors import ModelMismatch, SpkidError
from spkid.scoring.calibration import BUNDLED_CALIBRATION

CHECKPOINT = Path(__file__).parents[2] / "benchmarks/model/checkpoints/small.safetensors"


@pytest.fixture
def copied(tmp_path):
    """The bundled model with its calibration, in files of the user's."""
    shutil.copy(BUNDLED_CALIBRATION, tmp_path / "mine.calibration.json")
    return shutil.copy(BUNDLED_MODEL, tmp_path / "mine.onnx")


def flip_a_bit(path, place: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1
    path.write_bytes(content)


def test_a_copy_is_the_same_model(copied, encoder):
    assert Model.load(copied).fingerprint == encoder.fingerprint


@pytest.mark.parametrize("place", [0.2, 0.5, 0.8])
def test_one_bit_makes_another_model(copied, encoder, place):
    flip_a_bit(copied, place)
    assert SpeakerEncoder.load(copied).fingerprint != encoder.fingerprint
    with pytest.raises(ModelMismatch, match="calibration of model"):
        Model.load(copied)


def test_profiles_do_not_belong_to_a_damaged_model(copied, store, cast, model, spkid):
    Household(store, "home", model=model).enroll("Ana", cast["Ana"]["enroll"], consent=True)
    code, out, _ = spkid("identify", "--model", copied, cast["Ana"]["heard"][0])
    assert (code, "Ana" in out) == (0, True)
    flip_a_bit(copied)
    code, out, error = spkid("identify", "--model", copied, cast["Ana"]["heard"][0])
    assert (code, out) == (2, "")
    assert "of model" in error
    copied.with_name("mine.calibration.json").unlink()
    with pytest.raises(ModelMismatch, match="profile of 'Ana'"):
        Household(store, "home", model=Model.load(copied)).members()


def test_a_worker_does_not_take_up_a_file_that_was_changed(copied):
    pickled = pickle.dumps(SpeakerEncoder.load(copied))
    flip_a_bit(copied)
    with pytest.raises(ModelMismatch, match="as it was when it was pickled"):
        pickle.loads(pickled)


def test_weights_outside_of_the_file_are_not_loaded(tmp_path, monkeypatch):
    onnx = pytest.importorskip("onnx")
    model = onnx.load(BUNDLED_MODEL)
    monkeypatch.chdir(tmp_path)  # onnxruntime looks there for what belongs to bytes
    onnx.save(model, "parts.onnx", save_as_external_data=True, location="weights")
    with pytest.raises(SpkidError, match="not a usable model"):
        SpeakerEncoder.load("parts.onnx")


def test_a_checkpoint_with_a_flipped_bit_is_refused(tmp_path):
    pytest.importorskip("torch")
    from spkid.training.checkpoint import load_encoder

    path = tmp_path / "encoder.safetensors"
    shutil.copy(CHECKPOINT, path)
    load_encoder(path)
    flip_a_bit(path)
    with pytest.raises(SpkidError, match="do not fit their fingerprint"):
        load_encoder(path)
