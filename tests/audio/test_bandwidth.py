"""What came by telephone is told from what did not."""

from __future__ import annotations

import numpy as np
import pytest
import soundfile

from spkid.audio.bandwidth import PART_FRAMES, is_narrowband
from spkid.audio.ears import listen
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.audio.speech import assess
from spkid.training.data.codecs import at_half_rate


@pytest.fixture
def by_telephone(tmp_path):
    """``by_telephone(waveform)`` -> the same through a file at 8 kHz in mu-law."""

    def sent(waveform):
        file = tmp_path / "call.wav"
        samples = at_half_rate(waveform[: len(waveform) // 2 * 2])
        soundfile.write(file, samples, SAMPLE_RATE_HZ // 2, subtype="ULAW")
        return load_audio(file)

    return sent


def test_only_a_telephone_ends_at_four_kilohertz(clips, by_telephone):
    for path in clips.values():
        waveform = load_audio(path)
        if not assess(waveform).is_narrowband:
            for level in (1.0, 0.01):
                assert assess(by_telephone(level * waveform)).is_narrowband
    told = [assess(load_audio(path)).is_narrowband for path in clips.values()]
    assert np.mean(told) < 0.05


def test_only_what_is_said_counts(clips, by_telephone):
    waveform = by_telephone(load_audio(next(iter(clips.values()))))
    said = listen(waveform).is_said
    rng = np.random.default_rng(0)
    hiss = np.repeat(~said, 320)
    waveform = waveform[: len(hiss)] + 0.1 * hiss * rng.normal(size=len(hiss)).astype(np.float32)
    assert is_narrowband(waveform, said)
    assert not is_narrowband(waveform, ~said)
    assert not is_narrowband(waveform, np.zeros_like(said))
    assert not is_narrowband(waveform[:0], said[:0])


def test_a_long_clip_is_heard_in_parts(monkeypatch):
    monkeypatch.setattr("spkid.audio.bandwidth.PART_FRAMES", 7)
    rng = np.random.default_rng(0)
    noise = rng.normal(size=40 * 320).astype(np.float32)
    low = np.fft.irfft(
        np.where(np.arange(noise.size // 2 + 1) < noise.size // 4, np.fft.rfft(noise), 0)
    )
    later = np.concatenate([np.zeros(10 * 320), noise])[: noise.size]
    everywhere = np.ones(40, dtype=bool)
    assert PART_FRAMES > 40
    assert is_narrowband(low.astype(np.float32), everywhere)
    assert not is_narrowband((low + 0.3 * later).astype(np.float32), everywhere)
