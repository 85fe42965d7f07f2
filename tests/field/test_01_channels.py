"""1: stereo in opposite phase was heard as silence; no bad channel costs the voice any more."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.audio.speech import assess

HUM = 0.3 * np.sin(2 * np.pi * 50 * np.arange(60 * SAMPLE_RATE_HZ) / SAMPLE_RATE_HZ)
HISS = 0.3 * np.random.default_rng(0).standard_normal(60 * SAMPLE_RATE_HZ)

CHANNELS = {
    "opposite phase": lambda voice: [voice, -voice],
    "silent": lambda voice: [voice, 0 * voice],
    "silent first": lambda voice: [0 * voice, voice],
    "dead, with an offset": lambda voice: [voice, 0 * voice + 0.4],
    "dead, with hum": lambda voice: [voice, HUM[: len(voice)]],
    "dead, with hiss": lambda voice: [HISS[: len(voice)], voice],
    "opposite phase, quieter": lambda voice: [voice, -0.9 * voice],
    "one turned of three": lambda voice: [voice, voice, -voice],
    "one live of eight, turned": lambda voice: [0 * voice] * 6 + [-voice, 0 * voice],
    "turned, each with its own hiss": lambda voice: [
        voice + 0.01 * HISS[: len(voice)],
        -voice + 0.01 * HISS[-len(voice) :],
    ],
}


@pytest.mark.parametrize("kind", CHANNELS)
def test_the_voice_is_heard_whatever_the_other_channels_are(home, voice, tmp_path, kind):
    file = tmp_path / "channels.wav"
    soundfile.write(file, np.stack(CHANNELS[kind](voice), axis=1), SAMPLE_RATE_HZ, subtype="FLOAT")
    assert home.identify(file).member == "Ana"
    alone, mixed = assess(voice), assess(load_audio(file))
    assert mixed.speech_s == pytest.approx(alone.speech_s, abs=0.2)
    assert mixed.snr_db > alone.snr_db - (25 if "hiss" in kind else 3)


def test_a_channel_that_dies_half_way_does_not_cost_the_rest(home, voice, tmp_path):
    """Each half minute is judged anew."""
    n_half = 30 * SAMPLE_RATE_HZ
    spoken = np.resize(voice, n_half)
    left, right = np.append(spoken, HISS[:n_half]), np.append(HISS[:n_half], -spoken)
    file = tmp_path / "half.wav"
    soundfile.write(file, np.stack([left, right], axis=1), SAMPLE_RATE_HZ)
    assert assess(load_audio(file)).speech_s > 1.9 * assess(spoken).speech_s
    assert home.identify(file).member == "Ana"


def test_two_voices_are_both_kept(cast, tmp_path):
    """Neither may be taken for a dead channel."""
    first, second = (load_audio(cast[name]["heard"][0]) for name in ("Ana", "Ben"))
    n_samples = min(len(first), len(second))
    stereo = np.stack([first[:n_samples], second[:n_samples]], axis=1)
    file = tmp_path / "both.wav"
    soundfile.write(file, stereo, SAMPLE_RATE_HZ, subtype="FLOAT")
    np.testing.assert_allclose(load_audio(file), stereo.mean(axis=1), atol=1e-6)
