"""A small speechbrain checkpoint behind our face: embedding, files, households, the commands."""

from __future__ import annotations

import dataclasses
import os
import sys

import numpy as np
import pytest
import torch

from spkid.encoder.encoder import SpeakerEncoder
from spkid.errors import ModelMismatch, NotFound, SpkidError
from spkid.scoring.model import calibration_beside
from spkid.training.networks.speechbrain import SpeechBrainEncoder

HYPERPARAMS = """
n_mels: 24
pretrained_path: {folder}
compute_features: !new:speechbrain.lobes.features.Fbank
    n_mels: !ref <n_mels>
mean_var_norm: !new:speechbrain.processing.features.InputNormalization
    norm_type: sentence
    std_norm: False
embedding_model: !new:speechbrain.lobes.models.ECAPA_TDNN.ECAPA_TDNN
    input_size: !ref <n_mels>
    channels: [16, 16, 16, 16, 24]
    kernel_sizes: [5, 3, 3, 3, 1]
    dilations: [1, 2, 3, 4, 1]
    attention_channels: 8
    se_channels: 8
    lin_neurons: 12
classifier: !new:speechbrain.lobes.models.ECAPA_TDNN.Classifier
    input_size: 12
    out_neurons: 3
modules:
    compute_features: !ref <compute_features>
    mean_var_norm: !ref <mean_var_norm>
    embedding_model: !ref <embedding_model>
    classifier: !ref <classifier>
pretrainer: !new:speechbrain.utils.parameter_transfer.Pretrainer
    loadables:
        embedding_model: !ref <embedding_model>
        classifier: !ref <classifier>
    paths:
        embedding_model: !ref <pretrained_path>/embedding_model.ckpt
        classifier: !ref <pretrained_path>/classifier.ckpt
"""


def make_checkpoint(folder, *, seed: int):
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN, Classifier

    torch.manual_seed(seed)
    network = ECAPA_TDNN(
        24,
        channels=[16, 16, 16, 16, 24],
        attention_channels=8,
        se_channels=8,
        lin_neurons=12,
    )
    folder.mkdir()
    torch.save(network.state_dict(), folder / "embedding_model.ckpt")
    torch.save(Classifier(12, out_neurons=3).state_dict(), folder / "classifier.ckpt")
    (folder / "hyperparams.yaml").write_text(HYPERPARAMS.format(folder=folder))
    return folder


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    return make_checkpoint(tmp_path_factory.mktemp("hub") / "small", seed=1)


@pytest.fixture(scope="module")
def encoder(checkpoint) -> SpeakerEncoder:
    return SpeakerEncoder.load(f"speechbrain:{checkpoint}", trust_code=True)


def test_same_vector_as_speechbrain_step_by_step(encoder, checkpoint, speech):
    """Features, normalisation and network put together by hand, without its loader."""
    from speechbrain.lobes.features import Fbank
    from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN

    network = ECAPA_TDNN(
        24, channels=[16, 16, 16, 16, 24], attention_channels=8, se_channels=8, lin_neurons=12
    )
    network.load_state_dict(torch.load(checkpoint / "embedding_model.ckpt"))
    voice = speech(3.0, pitch_hz=130, seed=4)
    with torch.no_grad():
        features = Fbank(n_mels=24)(torch.from_numpy(voice)[None])
        features = features - features.mean(dim=1, keepdim=True)
        expected = network.eval()(features)[0, 0].numpy()
    vector = encoder.embed(voice)
    assert encoder.dim == len(vector) == 12
    np.testing.assert_allclose(vector, expected / np.linalg.norm(expected), atol=1e-4)


def test_batches_short_and_long_clips_are_as_with_ours(encoder, speech):
    voice = speech(1.0, pitch_hz=130, seed=4)
    np.testing.assert_allclose(encoder.embed(voice), encoder.embed(np.tile(voice, 2)), atol=1e-5)
    rows = encoder.embed(np.stack([voice, voice[::-1].copy()]))
    assert rows.shape == (2, 12)
    np.testing.assert_allclose(rows[0], encoder.embed(voice), atol=1e-5)
    long = encoder.embed(np.tile(voice, 25))
    np.testing.assert_allclose(np.linalg.norm(long), 1.0, atol=1e-5)
    with pytest.raises(SpkidError, match=r"0\.10 s"):
        encoder.embed(voice[:1_600])
    with pytest.raises(SpkidError, match="only zeros"):
        encoder.embed(np.zeros(16_000))
    with pytest.raises(SpkidError, match="no frame weights"):
        encoder.frame_weights(voice)


def test_fingerprint_is_of_the_weights(encoder, checkpoint, tmp_path):
    again = SpeakerEncoder.load(f"speechbrain:{checkpoint}", trust_code=True)
    make_checkpoint(tmp_path / "other", seed=2)
    other = SpeakerEncoder.load(f"speechbrain:{tmp_path / 'other'}", trust_code=True)
    assert again.fingerprint == encoder.fingerprint
    assert len(encoder.fingerprint) == 16
    assert other.fingerprint != encoder.fingerprint


def test_household_with_a_foreign_encoder(encoder, clips, tmp_path):
    from enrollment import Household, Store
    from spkid import Calibration, Model

    own = dataclasses.replace(Calibration.load(), model=encoder.fingerprint, landmarks=())
    paths = sorted(map(str, clips.values()))
    with Store.open(tmp_path / "home.sqlite3") as store:
        home = Household(store, "home", model=Model(encoder, own))
        home.enroll("Ana", paths[:1], consent=True)
        assert store.members("home")[0].model == encoder.fingerprint
        with pytest.raises(ModelMismatch, match=encoder.fingerprint):
            Household(store, "home").enroll("Ana", paths[:1], consent=True)


def test_embed_command(checkpoint, clips, tmp_path, encoder):
    from typer.testing import CliRunner

    from spkid.cli.main import app
    from spkid.encoder.vectors import EmbeddingTable

    path = sorted(clips.values())[0]
    (tmp_path / "m.csv").write_text(f"path\n{path.name}\n")
    words = ["embed", str(tmp_path / "m.csv"), "--root", str(path.parent)]
    words += ["--out", str(tmp_path / "e.npz"), "--model", f"speechbrain:{checkpoint}"]
    result = CliRunner().invoke(app, [*words, "--trust-code"])
    assert result.exit_code == 0, result.output
    table = EmbeddingTable.load(tmp_path / "e.npz")
    assert table.model == encoder.fingerprint
    np.testing.assert_allclose(table.vectors[0], encoder.embed_file(path), atol=1e-5)


@pytest.mark.parametrize("fault", ["no weights", "other sizes", "pickled object", "not yaml"])
def test_damaged_folder_is_one_sentence(tmp_path, fault):
    folder = make_checkpoint(tmp_path / "bad", seed=1)
    if fault == "no weights":
        (folder / "embedding_model.ckpt").unlink()
    elif fault == "other sizes":
        text = (folder / "hyperparams.yaml").read_text()
        (folder / "hyperparams.yaml").write_text(text.replace("lin_neurons: 12", "lin_neurons: 9"))
    elif fault == "pickled object":
        torch.save({"weights": Harm()}, folder / "embedding_model.ckpt")
    else:
        (folder / "hyperparams.yaml").write_text("a: [1,\n")
    with pytest.raises(SpkidError, match="not loaded by speechbrain"):
        SpeakerEncoder.load(f"speechbrain:{folder}", trust_code=True)
    assert not (tmp_path / "harmed").exists()


class Harm:
    """Unpickled, it would make a folder."""

    def __reduce__(self):
        return os.mkdir, ("harmed",)


def test_hub_without_a_network_is_one_sentence(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    with pytest.raises(SpkidError, match="speechbrain/nothing-of-this-name: not loaded"):
        SpeakerEncoder.load("speechbrain:hub:speechbrain/nothing-of-this-name", trust_code=True)


def test_without_the_train_extra_it_says_what_to_install(monkeypatch, checkpoint):
    monkeypatch.setitem(sys.modules, "spkid.training.networks.speechbrain", None)
    with pytest.raises(SpkidError, match=r"spkid\[train\]") as caught:
        SpeakerEncoder.load(f"speechbrain:{checkpoint}", trust_code=True)
    assert caught.value.code == "no_torch"


def test_its_calibration_is_looked_for_beside_the_folder(checkpoint):
    expected = checkpoint.with_suffix(".calibration.json")
    assert calibration_beside(f"speechbrain:{checkpoint}") == expected


def test_without_its_kind_in_front_nothing_is_fetched_and_no_code_is_run(checkpoint, monkeypatch):
    monkeypatch.setattr(SpeechBrainEncoder, "__init__", None)
    for source in (checkpoint, "speechbrain/spkrec-ecapa-voxceleb", "models/absent.onnx"):
        with pytest.raises(SpkidError) as caught:
            SpeakerEncoder.load(source)
        assert caught.value.code == "model"
    with pytest.raises(NotFound, match="speechbrain"):
        SpeakerEncoder.load("hub:owner/name")
