"""One clip heard, as a file and as samples."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import soundfile

from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.audio.sources import opened
from spkid.audio.speech import assess
from spkid.encoder.hearing import Heard, Refused, hear
from spkid.errors import SpkidError

NEVER_ENOUGH_S = 1e6  # so much speech is asked for that nothing is embedded


@pytest.fixture(scope="module")
def path(clips):
    return min(clips.values(), key=lambda path: path.stat().st_size)


@pytest.fixture(scope="module")
def waveform(path):
    return load_audio(path)


def test_a_file_and_its_samples_agree(encoder, path, waveform):
    from_file, from_samples = hear(path, encoder), hear(waveform, encoder)
    assert from_file.quality == from_samples.quality == assess(waveform)
    assert from_file.quality.verdict == "ok"
    assert from_file.digest == from_samples.digest
    np.testing.assert_allclose(from_file.vector, from_samples.vector, atol=1e-6)
    expected = encoder.embed(waveform - waveform.mean())
    np.testing.assert_allclose(from_file.vector, expected, atol=1e-6)
    assert (from_file.name, from_samples.name) == (str(path), "waveform")
    assert hear(str(path), encoder, min_speech_s=NEVER_ENOUGH_S).name == str(path)


def test_the_digest_is_that_of_the_samples(encoder, waveform, tmp_path):
    def digest(source):
        return hear(source, encoder, min_speech_s=NEVER_ENOUGH_S).digest

    expected = hashlib.sha256(waveform.astype("<f4").tobytes()).hexdigest()
    copy = tmp_path / "copy.wav"
    soundfile.write(copy, waveform, SAMPLE_RATE_HZ, subtype="FLOAT")
    assert digest(waveform) == expected
    assert digest(copy) == expected
    assert digest(waveform.astype(np.float64)) == expected
    assert digest(np.repeat(waveform, 2)[::2]) == expected
    changed = waveform.copy()
    changed[1_000] += 1e-3
    assert digest(changed) != expected
    assert digest(waveform[:-1]) != expected


def test_a_file_of_many_blocks_is_heard_as_one(encoder, waveform, tmp_path):
    long = np.resize(waveform, 40 * SAMPLE_RATE_HZ)
    path = tmp_path / "long.wav"
    soundfile.write(path, long, SAMPLE_RATE_HZ, subtype="FLOAT")
    from_file = hear(path, encoder, min_speech_s=NEVER_ENOUGH_S)
    from_samples = hear(long, encoder, min_speech_s=NEVER_ENOUGH_S)
    assert from_file.digest == from_samples.digest
    assert from_file.quality == from_samples.quality
    assert from_file.quality.duration_s == 40


def test_what_is_not_ok_has_no_vector(encoder, waveform):
    noise = np.random.default_rng(0).normal(0, 0.1, SAMPLE_RATE_HZ).astype(np.float32)
    for source, verdict in (
        (np.zeros(SAMPLE_RATE_HZ, dtype=np.float32), "no_speech"),
        (noise, "no_speech"),
        (np.clip(200 * waveform, -1, 1), "clipped"),
    ):
        clip = hear(source, encoder)
        assert isinstance(clip, Refused)
        assert clip.quality.verdict == verdict


def test_how_much_speech_is_enough_is_the_callers_choice(encoder, waveform):
    speech_s = hear(waveform, encoder).quality.speech_s
    assert isinstance(hear(waveform, encoder, min_speech_s=speech_s), Heard)
    clip = hear(waveform, encoder, min_speech_s=speech_s + 0.01)
    assert isinstance(clip, Refused)
    assert clip.quality.verdict == "too_short"


def test_a_file_is_read_once(encoder, path, monkeypatch):
    n_read = []

    def opening(source):
        n_read.append(source)
        return opened(source)

    monkeypatch.setattr("spkid.encoder.hearing.opened", opening)
    monkeypatch.setattr("spkid.audio.reading.opened", opening)
    assert isinstance(hear(path, encoder), Heard)
    assert n_read == [path]


def test_a_models_nan_gives_no_vector(encoder, waveform, monkeypatch):
    def broken(batch):
        return np.full((len(batch), encoder.dim), np.nan, dtype=np.float32), batch

    monkeypatch.setattr(encoder, "_run", broken)
    for act in (lambda: hear(waveform, encoder), lambda: encoder.embed(waveform[None])):
        with pytest.raises(SpkidError) as caught:
            act()
        assert caught.value.code == "model"


def test_samples_that_cannot_be_heard_are_refused(encoder, waveform):
    for position in (0, len(waveform) // 2, -1):
        broken = waveform.copy()
        broken[position] = np.nan
        with pytest.raises(SpkidError, match="NaN"):
            hear(broken, encoder)
    with pytest.raises(SpkidError, match="shape"):
        hear(np.stack([waveform, waveform]), encoder)


def test_files_that_cannot_be_heard_are_refused(encoder, tmp_path):
    (tmp_path / "text.wav").write_text("not sound")
    for name in ("text.wav", "missing.wav", "."):
        with pytest.raises(SpkidError) as caught:
            hear(tmp_path / name, encoder)
        assert caught.value.code == "unreadable"
