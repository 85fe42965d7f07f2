"""Augmentation: levels, rooms and bands measured from outside; masks no wider than said."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spkid.training.data.augment import (
    AugmentConfig,
    add_at_snr,
    augment,
    channel_gains,
    mask_features,
    room_responses,
)

NOTHING = AugmentConfig(
    reverb_chance=0.0, band_limit_chance=0.0, noise_chance=0.0, babble_chance=0.0
)


def seeded(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def power_db(waveforms: torch.Tensor) -> np.ndarray:
    """Mean power of each row, in float64."""
    return 10 * np.log10((waveforms.double().numpy() ** 2).mean(axis=1))


@pytest.fixture
def voices(speech) -> torch.Tensor:
    """Five speech-like rows ``[5, 8000]``."""
    rows = [speech(0.5, pitch_hz=90 + 35 * row, seed=row) for row in range(5)]
    return torch.from_numpy(np.stack(rows))


def test_snr_is_the_one_asked_for(voices):
    noise = 0.3 * torch.randn(voices.shape, generator=seeded(1))
    snr_db = torch.tensor([-5.0, 0.0, 7.5, 20.0, 40.0])
    added = add_at_snr(voices, noise, snr_db) - voices
    np.testing.assert_allclose(power_db(voices) - power_db(added), snr_db, atol=0.01)


def test_row_of_zeros_is_left_alone(voices):
    noise = torch.randn(voices.shape, generator=seeded(1))
    noise[1] = 0.0
    mixed = add_at_snr(voices, noise, torch.full((5,), 10.0))
    assert torch.equal(mixed[1], voices[1])
    silent = add_at_snr(torch.zeros_like(voices), noise, torch.full((5,), 10.0))
    assert torch.equal(silent, torch.zeros_like(voices))


def test_room_has_the_energy_ratio_asked_for():
    ratio_db = torch.tensor([-3.0, 0.0, 6.0, 12.0])
    response = room_responses(torch.full((4,), 0.3), ratio_db, seeded(2)).double().numpy()
    direct = response[:, 0] ** 2
    tail = (response[:, 1:] ** 2).sum(axis=1)
    np.testing.assert_allclose(10 * np.log10(direct / tail), ratio_db, atol=0.01)
    assert (response[:, 0] == 1.0).all()
    assert (response[:, 1:16] == 0.0).all()


@pytest.mark.parametrize("reverb_time_s", [0.2, 0.5])
def test_room_falls_by_60_db_in_its_time(reverb_time_s):
    n_rooms = 200
    response = room_responses(
        torch.full((n_rooms,), reverb_time_s), torch.zeros(n_rooms), seeded(3)
    ).double()
    early, late = (
        (response[:, start : start + 400] ** 2).mean().item() for start in (800, 800 + 1600)
    )
    assert 10 * np.log10(early / late) == pytest.approx(60 * 0.1 / reverb_time_s, abs=0.6)


def test_gains_follow_limits_and_tilt():
    hz = np.linspace(0, 8000, 801)
    gains = channel_gains(
        torch.tensor([300.0, -400.0]), torch.tensor([3000.0, 9000.0]), torch.tensor([0.0, 6.0]), 801
    )
    gains_db = 20 * np.log10(gains.numpy())
    middle = (hz > 700) & (hz < 2300)
    assert (np.abs(gains_db[0, middle]) < 0.05).all()
    assert np.interp(300, hz, gains_db[0]) == pytest.approx(-6.02, abs=0.1)
    assert np.interp(3000, hz, gains_db[0]) == pytest.approx(-6.02, abs=0.1)
    assert (gains_db[0, hz > 4000] < -50).all()
    assert (gains_db[0, :1] < -55).all()
    # 6 dB over three octaves of (hz + 100)
    for low, high in ((300, 700), (700, 1500), (1500, 3100)):
        rise_db = np.interp(high, hz, gains_db[1]) - np.interp(low, hz, gains_db[1])
        assert rise_db == pytest.approx(2.0, abs=0.02)


def test_with_no_chance_the_waveform_stays(voices):
    noises = torch.randn(voices.shape, generator=seeded(4))
    quiet = augment(voices, noises, NOTHING, seeded(5))
    assert torch.equal(quiet, voices)


def test_band_limit_takes_the_outside_away():
    config = replace(
        NOTHING,
        band_limit_chance=1.0,
        lowest_hz=(400.0, 400.0),
        highest_hz=(3000.0, 3000.0),
        tilt_db=0.0,
    )
    white = torch.randn(4, 16_000, generator=seeded(6))
    limited = augment(white, torch.zeros_like(white), config, seeded(7))

    def band_db(waveforms: torch.Tensor, low_hz: int, high_hz: int) -> np.ndarray:
        power = np.abs(np.fft.rfft(waveforms.double().numpy(), axis=1)) ** 2  # 1 Hz a bin
        return 10 * np.log10(power[:, low_hz:high_hz].mean(axis=1))

    assert (band_db(white, 0, 150) - band_db(limited, 0, 150) > 30).all()
    assert (band_db(white, 4000, 8000) - band_db(limited, 4000, 8000) > 45).all()
    kept = band_db(white, 700, 2300) - band_db(limited, 700, 2300)
    np.testing.assert_allclose(kept, 0.0, atol=0.1)


def test_reverberation_is_a_plain_convolution(voices):
    config = replace(NOTHING, reverb_chance=1.0)
    impulses = torch.zeros(5, 8_000)
    impulses[:, 0] = 1.0
    # the draws do not depend on the sound, so the same seed gives the same rooms
    responses = augment(impulses, impulses, config, seeded(8)).double().numpy()
    reverbed = augment(voices, impulses, config, seeded(8))
    for row in range(5):
        expected = np.convolve(voices[row].double().numpy(), responses[row])[:8_000]
        np.testing.assert_allclose(reverbed[row], expected, atol=5e-3)
        assert (responses[row, 100:4_000] ** 2).sum() > 0.01


def test_noise_lands_between_the_limits(voices):
    config = replace(NOTHING, noise_chance=1.0, noise_snr_db=(5.0, 15.0))
    rows = voices.repeat(20, 1)
    noises = torch.randn(rows.shape, generator=seeded(9))
    clean = augment(rows, noises, NOTHING, seeded(10))
    added = augment(rows, noises, config, seeded(10)) - clean
    snr_db = power_db(clean) - power_db(added)
    assert snr_db.min() > 4.99
    assert snr_db.max() < 15.01
    assert snr_db.max() - snr_db.min() > 7  # drawn, not fixed
    cosine = torch.nn.functional.cosine_similarity(added, noises, dim=1)
    assert (cosine > 0.999).all()


def test_babble_is_three_other_rows_of_the_batch():
    time_s = torch.arange(8_000) / 16_000
    rows = torch.stack([torch.sin(2 * torch.pi * 200 * (row + 1) * time_s) for row in range(6)])
    config = replace(NOTHING, babble_chance=1.0, babble_snr_db=(10.0, 10.0))
    noises = torch.randn(rows.shape, generator=seeded(11))
    babbled = augment(rows, noises, config, seeded(12))
    added = (babbled - augment(rows, noises, NOTHING, seeded(12))).double()
    share = added @ rows.T.double() / 4_000  # [row, tone]; the tones are orthogonal
    expected = np.sqrt(10**-1.0 / 3)
    for row in range(6):
        heard = np.flatnonzero(share[row] > 0.01)
        assert len(heard) == 3
        assert row not in heard
        np.testing.assert_allclose(share[row][heard], expected, rtol=0.01)


@pytest.mark.parametrize(
    ("kind", "chance"), [("reverb", 0.3), ("band_limit", 0.7), ("noise", 0.5), ("babble", 0.2)]
)
def test_chances_are_those_of_the_config(kind, chance):
    config = replace(NOTHING, **{f"{kind}_chance": chance})
    rows = torch.randn(600, 400, generator=seeded(13))
    noises = torch.randn(rows.shape, generator=seeded(14))
    changed = (augment(rows, noises, config, seeded(15)) - rows).abs().amax(dim=1) > 0.05
    assert changed.double().mean().item() == pytest.approx(chance, abs=0.07)


@pytest.mark.parametrize(("batch", "n_samples"), [(1, 4_000), (2, 4_001), (40, 999)])
def test_shape_is_kept_and_the_seed_decides(batch, n_samples):
    config = replace(AugmentConfig(), babble_chance=0.4)
    rows = torch.randn(batch, n_samples, generator=seeded(16))
    noises = torch.randn(batch, n_samples, generator=seeded(17))
    before = rows.clone()
    first = augment(rows, noises, config, seeded(18))
    assert first.shape == (batch, n_samples)
    assert first.dtype == torch.float32
    assert torch.isfinite(first).all()
    assert torch.equal(rows, before)
    assert torch.equal(first, augment(rows, noises, config, seeded(18)))
    assert not torch.equal(first, augment(rows, noises, config, seeded(19)))


@given(seed=st.integers(0, 10_000), batch=st.integers(1, 4), n_frames=st.integers(5, 90))
@settings(max_examples=40, deadline=None)
def test_mask_is_one_band_and_one_span_within_the_limits(seed, batch, n_frames):
    before = torch.rand(batch, 80, n_frames, generator=seeded(seed)) + 0.5
    masked = mask_features(before.clone(), seeded(seed))
    hidden = masked == before.mean(dim=2, keepdim=True)
    for row in range(batch):
        bands, frames = hidden[row].all(dim=1), hidden[row].all(dim=0)
        for hit, most in ((bands, 12), (frames, n_frames // 10)):
            where = torch.nonzero(hit)[:, 0].tolist()
            assert len(where) <= most
            assert where == list(range(where[0], where[0] + len(where))) if where else True
        kept = ~(bands[:, None] | frames)
        assert torch.equal(masked[row][kept], before[row][kept])


def sloping(batch: int) -> torch.Tensor:
    """``[batch, 80, 100]`` with a mean of zero in each band that no frame has."""
    return torch.linspace(-1.0, 1.0, 100).expand(batch, 80, 100).clone()


def test_mask_writes_in_place_and_the_seed_decides():
    before = sloping(8)
    log_mel = before.clone()
    masked = mask_features(log_mel, seeded(20))
    assert masked is log_mel
    assert torch.equal(masked, mask_features(before.clone(), seeded(20)))
    assert not torch.equal(masked, mask_features(before.clone(), seeded(21)))


def test_mask_reaches_its_widest():
    hidden = mask_features(sloping(1_000), seeded(22)).abs() < 1e-6
    assert hidden.all(dim=2).sum(dim=1).max() == 12
    assert hidden.all(dim=1).sum(dim=1).max() == 10


@pytest.mark.parametrize("axis", [1, 2])
def test_mask_reaches_both_ends(axis):
    hidden = mask_features(sloping(2_000), seeded(23)).abs() < 1e-6
    hits = hidden.all(dim=3 - axis).sum(dim=0)  # rows that hide each band or frame
    assert hits[0] > 0
    assert hits[-1] > 0
