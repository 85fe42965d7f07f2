"""Gaps beside counts by hand, and frames of a trunk that come back as they were kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import soundfile

from spkid.audio.reading import load_audio
from spkid.scoring.metrics import equal_error_rate, threshold_at_false_match_rate

torch = pytest.importorskip("torch")
from torch import nn  # noqa: E402

from benchmarks.harness import gaps, trunk_frames  # noqa: E402
from spkid.training.checkpoint import save_encoder  # noqa: E402
from spkid.training.networks.attentive_trunk import AttentiveTrunk, AttentiveTrunkConfig  # noqa: E402

NAMES = [f"s{number:02d}" for number in range(40)]
GROUPS = ["child", "adult"] * 15 + ["teen"] * 9 + [""]  # nine teens are too few
GROUP_OF = dict(zip(NAMES, GROUPS, strict=True))


@pytest.fixture(scope="module")
def trials():
    rng = np.random.default_rng(0)
    own = [(name, name, 2.0 + rng.normal(), True) for name in NAMES for _ in range(8)]
    strangers = [(*rng.choice(NAMES, 2, replace=False), rng.normal(), False) for _ in range(1500)]
    columns = ["enroll_speaker", "test_speaker", "score", "label"]
    return pd.DataFrame(own + strangers, columns=columns)


def test_gaps_are_those_that_are_counted_by_hand(trials):
    at = np.arange(20, len(trials))
    section = gaps.section_of(trials, at, GROUP_OF)
    part = trials.iloc[at]
    found = gaps.section_figures(section, part["score"].to_numpy())
    strangers = part["score"][~part["label"]].to_numpy()
    threshold = threshold_at_false_match_rate(strangers, gaps.FALSE_MATCH_RATE)
    errors, shared = [], []
    for group in ("child", "adult"):
        inside = [part[f"{side}_speaker"].map(GROUP_OF) == group for side in ("enroll", "test")]
        rows = part[inside[0] & inside[1]]
        target, impostor = rows["score"][rows["label"]], rows["score"][~rows["label"]]
        errors.append(equal_error_rate(target.to_numpy(), impostor.to_numpy()))
        shared.append(((target < threshold).mean() + (impostor >= threshold).mean()) / 2)
    assert set(section.rows) == {"child", "adult"}
    assert [found[group][0] for group in ("child", "adult")] == pytest.approx(errors)
    assert found["gap"][0] == pytest.approx(abs(errors[0] - errors[1]))
    assert found["gap_shared"][0] == pytest.approx(abs(shared[0] - shared[1]))


def test_a_change_is_certain_only_where_it_survives_the_number_of_tests():
    rng = np.random.default_rng(1)
    plain = np.append(0.10, 0.10 + 0.01 * rng.normal(size=400))
    lower = np.append(0.09, plain[1:] - 0.01 + 0.0043 * rng.normal(size=400))
    same, found = gaps.change_of(plain, plain), gaps.change_of(lower, plain)
    assert (same["change"], same["low"], same["high"]) == (0, 0, 0)
    assert found["change"] == pytest.approx(-0.01)
    assert found["high"] - found["change"] == pytest.approx(1.96 * 0.0043, rel=0.1)
    assert found["detectable"] == pytest.approx(2.8 * 0.0043, rel=0.1)
    assert 0.01 < found["p"] < 0.04
    gaps.mark_certain([found])
    assert found["certain"]
    gaps.mark_certain([found, same, found | {"p": 0.9}, found | {"p": 0.5}, found | {"p": 0.6}])
    assert not found["certain"]
    assert not same["certain"]


def test_what_stands_above_the_trunk_reads_its_frames_as_they_were(tmp_path, monkeypatch):
    monkeypatch.setattr(trunk_frames, "FRAMES", tmp_path)
    torch.manual_seed(0)
    sizes = {"n_image_channels": 4, "n_channels": 16, "n_growth": 8, "n_narrow": 32}
    config = AttentiveTrunkConfig(**sizes, n_layers=(2, 1, 1), embedding_dim=8)
    whole = AttentiveTrunk(config).eval()
    nn.init.normal_(whole.weighting.merge.weight)
    save_encoder(tmp_path / "whole.safetensors", whole)
    for name, n_samples in (("long", 27_000), ("short", 10_000)):
        time_s = np.arange(n_samples) / 16_000
        rising = 0.1 * np.sin(2 * np.pi * (100 + 2_000 * time_s) * time_s)
        soundfile.write(tmp_path / f"{name}.wav", rising, 16_000)
    clips = pd.DataFrame({"path": ["long", "short"], "speaker": ["a", "b"], "corpus": "c"})
    clips["place"] = [tmp_path / f"{path}.wav" for path in clips["path"]]
    frames = trunk_frames.TrunkFrames(tmp_path / "whole.safetensors", tmp_path)
    corpus = frames.corpus("some", clips, n_seconds=1)
    table = trunk_frames.frame_vectors(frames.start(), corpus)
    for path, place in zip(clips["path"], clips["place"], strict=True):
        samples = torch.from_numpy(load_audio(place)).repeat(1 if path == "long" else 2)
        first = (len(samples) - trunk_frames.SECOND_SAMPLES) // 2
        crop = samples[first : first + trunk_frames.SECOND_SAMPLES]
        with torch.inference_mode():
            own = whole.trunk(whole.log_mel(crop[None]))  # [1, channels, 50]
            pairs = (own[:, :, 0::2] + own[:, :, 1::2]) / 2
            statistics, _ = whole.pooling(whole.weighting(pairs))
            vector = nn.functional.normalize(whole.head(statistics), dim=1)[0]
        assert table.vectors[table.row_of[path]] @ vector.numpy() == pytest.approx(1, abs=1e-3)
