"""Telephones and codecs: the voice comes through, changed, as long as it was."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from spkid.training.data.augment import AugmentConfig, augment
from spkid.training.data.codecs import (
    CARRIERS,
    at_double_rate,
    at_half_rate,
    coded,
    through_carriers,
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("carrier", CARRIERS, ids=lambda own: f"{own.coding}-{own.rate_hz}")
@pytest.mark.parametrize("n_samples", [4_000, 15_999])
def test_every_carrier_keeps_the_voice_and_its_length(carrier, n_samples, speech):
    samples = speech(1.0, pitch_hz=130, seed=2)[:n_samples]
    for compression in carrier.compression or (None,):
        heard = coded(samples, carrier, compression=compression)
        assert heard.shape == samples.shape
        assert heard.dtype == np.float32
        cosine = samples @ heard / np.linalg.norm(samples) / np.linalg.norm(heard)
        assert 0.5 < cosine < 1 - 1e-7


@pytest.mark.parametrize("n_samples", [8_000, 8_001, 8_003])
def test_rates_change_and_come_back_within_the_band(n_samples):
    time_s = np.arange(n_samples) / 16_000
    low, high = np.sin(2 * np.pi * 1_000 * time_s), np.sin(2 * np.pi * 6_000 * time_s)
    half = at_half_rate((low + high).astype(np.float32))
    assert len(half) == n_samples // 2
    middle = slice(1_000, -1_000)
    back = at_double_rate(half, n_samples)
    assert len(back) == n_samples
    np.testing.assert_allclose(back[middle], low[middle], atol=0.05)


def test_row_goes_through_with_its_chance_and_the_others_stay(speech):
    rows = torch.from_numpy(
        np.stack([speech(0.3, pitch_hz=90 + 3 * row, seed=row) for row in range(40)])
    )
    untouched = through_carriers(rows, 0.0, seeded(1))
    assert torch.equal(untouched, rows)
    heard = through_carriers(rows, 0.5, seeded(1))
    changed = (heard != rows).any(dim=1)
    assert 10 < int(changed.sum()) < 30
    assert heard.shape == rows.shape
    assert heard[changed].abs().amax(dim=1).max() < 1.3
    assert torch.equal(heard, through_carriers(rows, 0.5, seeded(1)))


def test_silence_stays_finite():
    heard = through_carriers(torch.zeros(16, 4_000), 1.0, seeded(4))
    assert torch.isfinite(heard).all()


def test_augmentation_ends_with_a_carrier(speech):
    rows = torch.from_numpy(np.stack([speech(0.3, pitch_hz=100, seed=row) for row in range(4)]))
    quiet = {"reverb_chance": 0.0, "band_limit_chance": 0.0}
    quiet |= {"noise_chance": 0.0, "babble_chance": 0.0}
    plain = augment(rows, torch.zeros_like(rows), AugmentConfig(**quiet), seeded(1))
    carried = augment(
        rows, torch.zeros_like(rows), AugmentConfig(**quiet, carrier_chance=1.0), seeded(1)
    )
    torch.testing.assert_close(plain, rows, atol=2e-3, rtol=0)
    assert ((carried - rows).abs().amax(dim=1) > 0.01).all()
