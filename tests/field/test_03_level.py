"""3: quiet speech counted as none, and loud clean speech as noisy; the level says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from spkid.audio.ears import FRAME_SAMPLES, listen
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.audio.speech import assess


def at_level(voice: np.ndarray, level_dbfs: float) -> np.ndarray:
    """The speech at this level, as a 16-bit file keeps it."""
    quiet = voice * 10 ** ((level_dbfs - assess(voice).level_dbfs) / 20)
    return (np.round(32768 * quiet) / 32768).astype(np.float32)


@pytest.mark.parametrize("level_dbfs", [-12, -30, -40, -50, -60])
def test_quiet_speech_counts_as_what_it_is(home, voice, level_dbfs):
    quality = assess(at_level(voice, level_dbfs))
    assert quality.speech_s == pytest.approx(assess(voice).speech_s, abs=0.2)
    assert quality.level_dbfs == pytest.approx(level_dbfs, abs=0.5)
    assert home.identify(at_level(voice, level_dbfs)).member == "Ana"


def test_quiet_speech_is_enrolled(home, voice):
    home.forget("Ana")
    clips = [at_level(voice, -50), at_level(voice, -55)]
    assert home.enroll("Ana", clips[:1], consent=True).clips[0].accepted


@pytest.mark.parametrize("amplitude", [0.0, 1 / 32768, 1e-3, 0.3])
@pytest.mark.parametrize("bits", [16, 32])
def test_a_noise_floor_does_not_become_speech(home, amplitude, bits):
    noise = amplitude * np.random.default_rng(0).standard_normal(10 * SAMPLE_RATE_HZ)
    if bits == 16:
        noise = np.round(32768 * noise) / 32768
    assert home.identify(noise.astype(np.float32)).status == "no_speech"


def test_a_quiet_sentence_in_a_long_silence_is_found(voice):
    floor = 1e-4 * np.random.default_rng(0).standard_normal(40 * SAMPLE_RATE_HZ)
    floor[20 * SAMPLE_RATE_HZ :][: len(voice)] += at_level(voice, -50)
    heard = assess(floor.astype(np.float32))
    assert heard.speech_s == pytest.approx(assess(voice).speech_s, rel=0.15)
    floor[5_000:6_000] = 0.9  # and a bang does not hide it
    assert assess(floor.astype(np.float32)).speech_s == pytest.approx(heard.speech_s, rel=0.15)


@pytest.mark.parametrize("seconds", [1, 2])
def test_no_clean_clip_cut_to_its_loudest_part_is_noisy(clips, seconds):
    for path in clips.values():
        waveform = load_audio(path)
        energy = np.append(0, np.cumsum(np.square(waveform, dtype=np.float64)))
        n_kept = seconds * SAMPLE_RATE_HZ
        start = int(np.argmax(energy[n_kept:] - energy[:-n_kept]))
        loudest = waveform[start : start + n_kept]
        assert assess(loudest).verdict != "too_noisy", path


def test_an_snr_that_cannot_be_told_is_kept_as_such(home, store, voice):
    frames = voice[: len(voice) // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    unknown = frames[listen(voice).is_speech].ravel()  # without a pause
    assert assess(unknown).snr_db is None
    assert home.identify(unknown).member == "Ana"
    home.forget("Ana")
    (kept,) = home.enroll("Ana", [unknown], consent=True).member.exemplars
    assert kept.snr_db is None
    assert [clip.snr_db for who in store.members("home") for clip in who.exemplars].count(None) == 1
