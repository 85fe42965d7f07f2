"""The convolutional log-mel against a discrete Fourier transform written out in loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from spkid.training.networks.features import LogMel, fourier_basis, mel_filterbank


def naive_log_mel(waveform: np.ndarray, n_mels: int) -> np.ndarray:
    """``[samples]`` -> ``[n_mels, frames]`` in float64, one bin and one filter at a time."""
    samples = waveform.astype(np.float64)
    samples = samples / (math.sqrt(sum(samples**2) / len(samples)) + 1e-5)

    def hz_of(mel: float) -> float:
        return 700.0 * (10.0 ** (mel / 2595.0) - 1.0)

    lowest, highest = (2595.0 * math.log10(1.0 + hz / 700.0) for hz in (20.0, 7600.0))
    step = (highest - lowest) / (n_mels + 1)
    edges_hz = [hz_of(lowest + index * step) for index in range(n_mels + 2)]
    time = np.arange(400)
    window = np.sin(np.pi * time / 400) ** 2
    columns = []
    for start in range(0, len(samples) - 400 + 1, 160):
        frame = samples[start : start + 400] * window
        power = [abs((frame * np.exp(-2j * np.pi * k * time / 512)).sum()) ** 2 for k in range(257)]
        column = []
        for mel in range(n_mels):
            low, centre, high = edges_hz[mel : mel + 3]
            total = 0.0
            for k in range(257):
                hz = k * 16_000 / 512
                if low < hz <= centre:
                    total += power[k] * (hz - low) / (centre - low)
                elif centre < hz < high:
                    total += power[k] * (high - hz) / (high - centre)
            column.append(math.log(total + 1e-3))
        columns.append(column)
    log_mel = np.array(columns).T
    return log_mel - log_mel.mean(axis=1, keepdims=True)


@pytest.mark.parametrize("n_mels", [24, 80])
def test_log_mel_is_the_naive_one(speech, n_mels):
    waveform = speech(0.12, pitch_hz=140, seed=3)
    fast = LogMel(n_mels)(torch.from_numpy(waveform)[None])[0].numpy()
    np.testing.assert_allclose(fast, naive_log_mel(waveform, n_mels), atol=1e-3)


@pytest.mark.parametrize("n_samples", [400, 559, 560, 561, 16_000])
def test_number_of_frames(n_samples):
    log_mel = LogMel(80)(torch.randn(2, n_samples))
    assert log_mel.shape == (2, 80, (n_samples - 400) // 160 + 1)


@pytest.mark.parametrize("gain", [0.02, 0.5, 2.0, 30.0])
def test_recording_level_does_not_matter(speech, gain):
    waveform = torch.from_numpy(speech(0.5, pitch_hz=120, seed=4))[None]
    log_mel = LogMel(80)
    torch.testing.assert_close(log_mel(gain * waveform), log_mel(waveform), atol=0.02, rtol=0)


def test_fixed_microphone_colour_does_not_matter(speech):
    waveform = speech(1.0, pitch_hz=120, seed=5)
    waveform = waveform + 0.05 * np.random.default_rng(1).standard_normal(len(waveform))
    coloured = np.convolve(waveform, [1.0, -0.6], mode="same")
    log_mel = LogMel(80)
    plain, other = (
        log_mel(torch.from_numpy(x.astype(np.float32))[None]) for x in (waveform, coloured)
    )
    assert (plain - other).abs().mean() < 0.05
    assert plain.abs().mean() > 0.5


def test_each_band_has_no_mean_over_time(speech):
    log_mel = LogMel(80)(torch.from_numpy(speech(0.5, pitch_hz=200, seed=6))[None])
    torch.testing.assert_close(log_mel.mean(dim=2), torch.zeros(1, 80), atol=1e-5, rtol=0)


def test_uncentred_bands_keep_their_mean(speech):
    waveform = torch.from_numpy(speech(0.5, pitch_hz=200, seed=6))[None]
    kept = LogMel(80, centred=False)(waveform)
    assert kept.mean(dim=2).std() > 0.5
    centred = kept - kept.mean(dim=2, keepdim=True)
    torch.testing.assert_close(LogMel(80)(waveform), centred)


def test_silence_is_finite():
    assert torch.equal(LogMel(80)(torch.zeros(1, 4_000)), torch.zeros(1, 80, 23))


def test_rows_of_a_batch_do_not_touch_each_other(speech):
    rows = torch.from_numpy(np.stack([speech(0.3, pitch_hz=p, seed=p) for p in (90, 210)]))
    log_mel = LogMel(80)
    alone = torch.cat([log_mel(row[None]) for row in rows])
    torch.testing.assert_close(log_mel(rows), alone, atol=1e-4, rtol=0)


def test_every_filter_hears_something_and_peaks_at_one_at_most():
    filters = mel_filterbank(80)
    assert filters.shape == (80, 257)
    assert filters.dtype == np.float32
    assert (filters >= 0).all()
    assert (filters <= 1).all()
    assert (filters.sum(axis=1) > 0).all()
    assert (np.diff(filters.argmax(axis=1)) >= 0).all()


def test_fourier_rows_are_the_transform_of_a_windowed_frame():
    frame = np.random.default_rng(2).standard_normal(400)
    rows = fourier_basis()[:, 0] @ frame
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    spectrum = np.fft.rfft(frame * window, n=512)
    np.testing.assert_allclose(rows[:257], spectrum.real, atol=1e-4)
    np.testing.assert_allclose(rows[257:], spectrum.imag, atol=1e-4)


def test_constants_are_not_weights():
    assert LogMel(80).state_dict() == {}
