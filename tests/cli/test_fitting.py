"""``spkid fit``: from labelled clips, or their vectors, to a calibration that decides."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from spkid.audio.reading import load_audio
from spkid.encoder.vectors import save_embeddings
from spkid.scoring.calibration import Calibration
from spkid.scoring.pools import Pool, guest_log_odds

DIM = 24


@pytest.fixture
def planted(tmp_path):
    """``planted(n_speakers, seed=)`` -> a manifest, its vectors, and the vectors by speaker."""

    def plant(n_speakers, *, seed=0, n_clips=5, noise=0.8):
        rng = np.random.default_rng(seed)
        centres = rng.normal(size=(n_speakers, 1, DIM))
        clips = centres + noise * rng.normal(size=(n_speakers, n_clips, DIM))
        clips /= np.linalg.norm(clips, axis=-1, keepdims=True)
        names = {f"s{s}/{c}.wav": (s, c) for s in range(n_speakers) for c in range(n_clips)}
        lines = [f"{path},s{s},{'ab'[s % 2]}" for path, (s, _) in names.items()]
        (tmp_path / "clips.csv").write_text("\n".join(["path,speaker,corpus", *lines]) + "\n")
        vectors = {path: clips[place].astype(np.float32) for path, place in names.items()}
        save_embeddings(tmp_path / "v.npz", vectors, model="m1", dim=DIM)
        return tmp_path / "clips.csv", tmp_path / "v.npz", clips

    return plant


def test_the_stated_share_of_fresh_strangers_comes_in(spkid, planted, tmp_path):
    manifest, vectors, _ = planted(120)
    out = tmp_path / "fitted.json"
    code, shown, _ = spkid("fit", manifest, "--vectors", vectors, "--out", out, "--json")
    assert code == 0
    assert json.loads(shown) == {
        "model": "m1",
        "out": str(out),
        "n_clips": 600,
        "n_speakers": {"a": 60, "b": 60},
        "skipped": [],
    }
    fitted = Calibration.load(out)
    _, _, fresh = planted(300, seed=1)
    pool = Pool({str(s): np.repeat(own[:, None], 4, axis=1) for s, own in enumerate(fresh)})
    guests = guest_log_odds(pool, fitted, np.random.default_rng(2), length=2)
    for rate in (0.02, 0.05, 0.1, 0.2):
        let_in = np.mean(guests >= fitted.household_threshold(rate))
        assert rate / 1.6 < let_in < 1.2 * rate  # the rate is that of the worse pool


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "give --model or --out"),
        (("--out", "here.onnx"), "expected a .json file"),
        (("--out", "nowhere/here.json"), "no such folder"),
    ],
)
def test_where_to_write_is_checked_first(spkid, planted, tmp_path, monkeypatch, options, said):
    monkeypatch.chdir(tmp_path)
    manifest, vectors, _ = planted(12)
    code, _, error = spkid("fit", manifest, "--vectors", vectors, *options)
    assert code == 2
    assert said in error
    assert sorted(path.name for path in tmp_path.glob("*.*")) == ["clips.csv", "v.npz"]


def test_what_cannot_be_fitted_is_refused(spkid, planted, tmp_path):
    out = tmp_path / "fitted.json"

    def refusal(manifest, vectors, *more):
        code, shown, _ = spkid("fit", manifest, "--vectors", vectors, "--out", out, "--json", *more)
        assert code == 2
        assert not out.exists()
        return json.loads(shown)

    manifest, vectors, clips = planted(18)
    few = refusal(manifest, vectors)
    assert few["code"] == "too_few_speakers"
    assert "9 speakers with 4 clips or more" in few["error"]
    manifest, vectors, _ = planted(40, noise=50.0)
    assert refusal(manifest, vectors)["code"] == "not_separable"
    manifest, vectors, clips = planted(40)
    unnamed = {f"s{s}/{c}.wav": own for s, of in enumerate(clips) for c, own in enumerate(of)}
    save_embeddings(vectors, unnamed, model="", dim=DIM)
    assert "unknown model" in refusal(manifest, vectors)["error"]


def test_clips_make_a_calibration_beside_the_model(spkid, encoder, clips, tmp_path):
    """Twelve "speakers", each a few of the demo's clips: enough to fit, not to be good."""
    model = tmp_path / "mine.onnx"
    model.write_bytes(encoder.path.read_bytes())
    paths = sorted(clips.values())
    for number in range(12):
        folder = tmp_path / "clips" / f"speaker{number}"
        folder.mkdir(parents=True)
        for clip in range(4):
            once = load_audio(paths[(4 * number + clip) % len(paths)])
            soundfile.write(folder / f"{clip}.wav", np.tile(once, 2)[: 16_000 * 6], 16_000)
    (tmp_path / "clips" / "speaker0" / "broken.wav").write_bytes(b"nothing")
    code, shown, error = spkid("fit", tmp_path / "clips", "--model", model, "--json")
    assert code == 0
    assert "broken.wav: not audio" in error
    assert "12 speakers make a rough calibration" in error
    told = json.loads(shown)
    assert (told["n_speakers"], told["n_clips"]) == ({"all": 12}, 48)
    assert told["skipped"] == ["speaker0/broken.wav"]
    fitted = Calibration.load(tmp_path / "mine.calibration.json")
    assert fitted.model == encoder.fingerprint
    assert fitted.trained_on == "labelled clips: 12 of all"
    # the cuts were heard: short clips are told from long ones
    short, long = (fitted.log_likelihood_ratio(0.8, 3, speech_s) for speech_s in (0.7, 2.8))
    assert short != long
