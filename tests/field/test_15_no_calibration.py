"""A model without a calibration answered ``known`` to strangers and could get none; held."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from unittest import mock

import numpy as np
import pytest

from enrollment import Household
from enrollment.verification import verify_clips
from spkid import Model, SpeakerEncoder
from spkid.encoder.vectors import save_embeddings
from spkid.errors import NotCalibrated, SpkidError


@pytest.fixture
def enrolled(store, cast, model):
    Household(store, "home", model=model).enroll("Ana", cast["Ana"]["enroll"], consent=True)
    return store


def test_an_uncalibrated_model_names_nobody_and_compares_nothing(enrolled, cast, encoder):
    home = Household(enrolled, "home", model=Model(encoder))
    own, stranger = cast["Ana"]["heard"][0], cast["Ben"]["heard"][0]
    for act in (
        lambda: home.identify(stranger),
        lambda: home.identify(own),
        lambda: home.verify("Ana", own),
        lambda: home.timeline(own),
        lambda: home.enroll("Ben", [stranger], consent=True),
        lambda: verify_clips(own, stranger, model=home.model),
    ):
        with pytest.raises(NotCalibrated) as caught:
            act()
        assert caught.value.code == "not_calibrated"
        assert "spkid fit" in str(caught.value)
    assert [member.name for member in enrolled.members()] == ["Ana"]


@pytest.mark.parametrize("field", ["household_thresholds", "pair_thresholds"])
def test_no_calibration_has_thresholds_that_are_not_numbers(calibration, field):
    def all_nan(value):
        return tuple(map(all_nan, value)) if isinstance(value, tuple) else math.nan

    with pytest.raises(SpkidError):
        dataclasses.replace(calibration, **{field: all_nan(getattr(calibration, field))})


def test_a_model_of_ones_own_gets_its_calibration_from_the_package(spkid, cast, tmp_path):
    encoder, model = SpeakerEncoder.load("small"), tmp_path / "mine.onnx"
    model.write_bytes(encoder.path.read_bytes())
    words = ("--household", "home", "--model", model)
    ana = (*words, "--member", "Ana")
    assert json.loads(spkid("enroll", *cast["Ana"]["enroll"], *ana, "--consent", "--json")[1]) == {
        "error": mock.ANY,
        "code": "not_calibrated",
    }
    manifest, vectors = drawn_speakers(tmp_path, encoder)
    assert spkid("fit", manifest, "--vectors", vectors, "--model", model)[0] == 0
    assert spkid("enroll", *cast["Ana"]["enroll"], *ana, "--consent")[0] == 0
    own, stranger = cast["Ana"]["heard"][0], cast["Ben"]["heard"][0]
    answers = json.loads(spkid("identify", own, stranger, *words, "--json")[1])
    assert [answer["status"] for answer in answers] == ["known", "unknown"]
    assert spkid("verify", own, *ana)[0] == 0
    assert spkid("verify", stranger, *ana)[0] == 1


def drawn_speakers(folder: Path, encoder: SpeakerEncoder) -> tuple[Path, Path]:
    """Vectors of 40 speakers with five clips each in the place of clips to listen to."""
    rng = np.random.default_rng(0)
    drawn = rng.normal(size=(40, 1, 24)) + 0.5 * rng.normal(size=(40, 5, 24))
    drawn /= np.linalg.norm(drawn, axis=-1, keepdims=True)
    vectors = {
        f"s{speaker}/{clip}.wav": np.pad(own, (0, encoder.dim - len(own))).astype(np.float32)
        for speaker, clips in enumerate(drawn)
        for clip, own in enumerate(clips)
    }
    save_embeddings(folder / "v.npz", vectors, model=encoder.fingerprint, dim=encoder.dim)
    rows = [f"{path},{path.split('/')[0]}" for path in vectors]
    (folder / "clips.csv").write_text("\n".join(["path,speaker", *rows]) + "\n")
    return folder / "clips.csv", folder / "v.npz"
