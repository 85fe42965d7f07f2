"""Kaldi's features as one convolution, against torchaudio's frame by frame."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torchaudio.compliance import kaldi

from spkid.training.networks.kaldi_filterbank import KaldiFilterbank


def torchaudios(waveform: torch.Tensor, n_mels: int) -> torch.Tensor:
    features = kaldi.fbank(waveform[None], num_mel_bins=n_mels, dither=0.0)
    return (features - features.mean(dim=0)).T


@pytest.mark.parametrize(("n_mels", "n_samples"), [(80, 400), (80, 24_123), (40, 16_000)])
def test_features_are_torchaudios(speech, n_mels, n_samples):
    waveform = torch.from_numpy(speech(1.6, pitch_hz=140, seed=5)[:n_samples]) + 0.01
    found = KaldiFilterbank(n_mels)(waveform[None])[0]
    torch.testing.assert_close(found, torchaudios(waveform, n_mels), atol=2e-3, rtol=0)


def test_silence_within_a_clip_stops_at_the_same_floor(speech):
    waveform = np.concatenate([speech(0.3, pitch_hz=90, seed=1), np.zeros(4_000, np.float32)])
    found = KaldiFilterbank(80)(torch.from_numpy(waveform)[None])[0]
    expected = torchaudios(torch.from_numpy(waveform), 80)
    assert (expected[:, -1] < expected[:, 0]).all()
    torch.testing.assert_close(found, expected, atol=2e-3, rtol=0)
