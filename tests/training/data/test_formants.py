"""Formants and pitch move apart: seen on a vowel whose resonance and pitch are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.signal import lfilter

from spkid.training.data.augment import AugmentConfig, augment
from spkid.training.data.formants import change_pitch, log_envelope, move_formants
from spkid.training.data.speeds import SPEEDS

RATE_HZ = 16_000
PITCH_HZ = 100.0
FORMANT_HZ = 1_200.0


def vowel(pitch_hz: float, formant_hz: float, n_samples: int = 16_000) -> torch.Tensor:
    pulses = np.zeros(n_samples)
    pulses[(np.arange(0, n_samples * pitch_hz / RATE_HZ - 1) * RATE_HZ / pitch_hz).astype(int)] = (
        1.0
    )
    radius, angle = 0.97, 2 * np.pi * formant_hz / RATE_HZ
    voice = lfilter([1.0], [1.0, -2 * radius * np.cos(angle), radius**2], pulses)
    return torch.from_numpy(0.1 * voice / np.abs(voice).max()).float()


def formant_of(voice: torch.Tensor) -> float:
    spectrum = torch.stft(voice[None], 512, 128, window=torch.hann_window(512), return_complex=True)
    envelope = log_envelope(spectrum)[0, :, 20:-20].mean(dim=1)
    return float(envelope[10:].argmax() + 10) * RATE_HZ / 512


def pitch_of(voice: torch.Tensor) -> float:
    power = np.abs(np.fft.rfft(voice.numpy()[2_000:10_000], 65_536)) ** 2
    shifts = np.fft.irfft(power)[100:250]  # 64 to 160 Hz
    return RATE_HZ / (100 + int(np.argmax(shifts)))


@pytest.mark.parametrize("ratio", [0.8, 0.9, 1.2])
def test_formants_move_and_the_pitch_stays(ratio):
    moved = move_formants(vowel(PITCH_HZ, FORMANT_HZ)[None], torch.tensor([ratio]))[0]
    assert formant_of(moved) == pytest.approx(ratio * FORMANT_HZ, rel=0.08)
    assert pitch_of(moved) == pytest.approx(PITCH_HZ, rel=0.02)


@pytest.mark.parametrize("number", range(1, len(SPEEDS)))
def test_pitch_changes_and_the_formants_stay(number):
    rows = vowel(PITCH_HZ, FORMANT_HZ)[None].repeat(2, 1)
    changed = change_pitch(rows, torch.tensor([0, number]))
    torch.testing.assert_close(changed[0], rows[0])
    assert pitch_of(changed[1]) == pytest.approx(SPEEDS[number] * PITCH_HZ, rel=0.02)
    assert formant_of(changed[1]) == pytest.approx(FORMANT_HZ, rel=0.08)


def test_nothing_moved_is_nothing_changed(speech):
    rows = torch.from_numpy(speech(1.0, pitch_hz=120, seed=1))[None]
    torch.testing.assert_close(move_formants(rows, torch.ones(1)), rows, atol=1e-5, rtol=0)


def test_pitch_is_an_augmentation_with_a_chance(speech):
    rows = torch.from_numpy(np.stack([speech(0.5, pitch_hz=120, seed=seed) for seed in range(8)]))
    nothing = {f"{name}_chance": 0.0 for name in ("reverb", "band_limit", "noise", "babble")}
    heard = augment(
        rows,
        torch.zeros_like(rows),
        AugmentConfig(**nothing, pitch_chance=0.5),
        torch.Generator().manual_seed(1),
    )
    changed = (heard - rows).abs().amax(dim=1) > 0.01
    assert 0 < int(changed.sum()) < 8
