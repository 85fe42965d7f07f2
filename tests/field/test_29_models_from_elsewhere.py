"""A mistyped ``--model`` asked a hub, and a folder's YAML ran as code; now neither happens unasked.

Held: without ``hub:`` nothing is fetched, without ``trust_code`` nothing is run, and a path that
is not there is `NotFound`.
"""

from __future__ import annotations

import socket

import pytest

from spkid import Model, SpeakerEncoder
from spkid.encoder.base import Encoder
from spkid.errors import NotFound, SpkidError
from spkid.training.networks.speechbrain import SpeechBrainEncoder

CODE = "harm: !apply:os.mkdir ['{}']\n"


@pytest.fixture
def harmful(tmp_path):
    """A folder whose settings, when they are read, make another folder."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "hyperparams.yaml").write_text(CODE.format(tmp_path / "harmed"))
    return folder


@pytest.fixture
def asked(monkeypatch):
    """Every host that anybody asks for."""
    hosts = []

    def ask(host, *args, **options):
        hosts.append(host)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", ask)
    return hosts


@pytest.mark.parametrize(
    "source",
    [
        "speechbrain/spkrec-ecapa-voxceleb",
        "speechbrain:speechbrain/spkrec-ecapa-voxceleb",
        "speechbrain:no/such/folder",
        "speechbrian:model",
        "no.onnx",
        "onnx:no.onnx",
        "hub:owner/name",
    ],
)
@pytest.mark.parametrize("trust_code", [False, True])
def test_a_mistyped_model_is_not_found_and_nobody_is_asked(source, trust_code, asked):
    for load in (SpeakerEncoder.load, Model.load):
        with pytest.raises(NotFound) as caught:
            load(source, trust_code=trust_code)
        assert caught.value.code == "model"
    assert asked == []


def test_code_is_not_run_unasked(harmful, tmp_path, asked):
    for load in (SpeakerEncoder.load, Model.load):
        with pytest.raises(SpkidError, match=r"trust_code=True") as caught:
            load(f"speechbrain:{harmful}")
        assert caught.value.code == "untrusted_code"
    with pytest.raises(SpkidError) as caught:
        SpeakerEncoder.load("speechbrain:hub:owner/name")
    assert caught.value.code == "untrusted_code"
    assert asked == []
    assert not (tmp_path / "harmed").exists()
    with pytest.raises(SpkidError):  # it is no model, but now it was read
        SpeakerEncoder.load(f"speechbrain:{harmful}", trust_code=True)
    assert (tmp_path / "harmed").exists()


def test_the_command_line_names_its_flag(harmful, tmp_path, spkid, cast):
    clip = cast["Ana"]["heard"][0]
    words = ("verify", clip, clip, "--model", f"speechbrain:{harmful}")
    code, _, err = spkid(*words)
    assert code == 2
    assert "--trust-code" in err
    assert not (tmp_path / "harmed").exists()
    assert spkid(*words, "--trust-code")[0] == 2
    assert (tmp_path / "harmed").exists()


def test_only_the_prefix_leads_to_the_hub(monkeypatch):
    fetched = []

    def from_hparams(source, **options):
        fetched.append(source)
        raise RuntimeError("not in this test")

    monkeypatch.setattr(
        "speechbrain.inference.classifiers.EncoderClassifier.from_hparams", from_hparams
    )
    for source in ("hub:owner/name", "owner/name"):
        with pytest.raises(SpkidError):
            SpeechBrainEncoder(source)
    assert fetched[0] == "owner/name"
    assert fetched[1].startswith("/")  # a place on this machine, whether it is there or not


def test_a_kind_that_says_nothing_of_code_needs_trust():
    class Other(Encoder):
        def _run(self, batch):
            raise NotImplementedError

    assert Other.runs_code
    assert not SpeakerEncoder.runs_code
