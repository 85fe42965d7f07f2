"""The calibration file, its thresholds, and the fit against gaussians of a known ratio."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from spkid.calibration import (
    CLIP_COUNTS,
    RATES,
    Calibration,
    fit_affine,
    raw_cosines,
    thresholds_at_rates,
)
from spkid.errors import SpkidError
from spkid.scoring import known_log_odds


@pytest.fixture
def made():
    falling = (6.0, 5.0, 4.0, 3.0, 2.0, 1.0)
    return Calibration(
        model="0123456789abcdef",
        guest_prior=0.5,
        scale=(10.0, 12.5, 1 / 3),
        offset=(-4.0, -5.0, -6.125),
        pair_thresholds=tuple(tuple(level + row for level in falling) for row in range(3)),
        household_thresholds=tuple(2 * level for level in falling),
        trained_on="made up",
    )


def test_save_and_load_give_the_same(made, tmp_path):
    path = tmp_path / "made.json"
    made.save(path)
    assert Calibration.load(path) == made
    assert Calibration.load(str(path)) == made
    assert [file.name for file in tmp_path.iterdir()] == ["made.json"]


def test_the_bundled_calibration_belongs_to_the_bundled_model(calibration, encoder):
    assert calibration.model == encoder.fingerprint
    assert calibration.is_calibrated
    assert 0 < calibration.guest_prior < 1
    assert min(calibration.scale) > 0
    for thresholds in (*calibration.pair_thresholds, calibration.household_thresholds):
        assert len(thresholds) == len(RATES)
        assert (np.diff(thresholds) <= 0).all()


def test_each_clip_count_has_its_own_map(made):
    cosines = np.linspace(-1, 1, 5)
    for n_clips, row in ((0, 0), (1, 0), (2, 1), (3, 2), (12, 2)):
        expected = [made.scale[row] * cosine + made.offset[row] for cosine in cosines]
        np.testing.assert_allclose(made.log_likelihood_ratio(cosines, n_clips), expected)
    mixed = made.log_likelihood_ratio([[0.5, 0.5], [0.1, 0.1]], [1, 3])
    assert mixed.shape == (2, 2)
    assert mixed[1].tolist() == pytest.approx([-3.0, 0.1 / 3 - 6.125])


def test_thresholds_are_stored_at_the_rates_and_fall_between_them(made):
    for n_clips in (1, 2, 3, 5):
        row = min(n_clips, 3) - 1
        stored = [made.pair_threshold(rate, n_clips=n_clips) for rate in RATES]
        np.testing.assert_allclose(stored, made.pair_thresholds[row])
    np.testing.assert_allclose(
        [made.household_threshold(rate) for rate in RATES], made.household_thresholds
    )
    for thresholds in (made.pair_threshold, made.household_threshold):
        fine = [thresholds(rate) for rate in np.geomspace(RATES[0], RATES[-1], 50)[1:-1]]
        assert (np.diff(fine) < 0).all()
    # half way between two rates, as logarithms, is half way between their thresholds
    assert made.household_threshold(np.sqrt(0.02 * 0.05)) == pytest.approx(7.0)
    assert made.pair_threshold(0.05) == 3.0


@pytest.mark.parametrize("rate", [-0.1, 0.0, 0.0049, 0.2001, 1.0, float("nan")])
def test_a_rate_that_was_not_measured_is_refused(made, rate):
    for threshold in (made.household_threshold, made.pair_threshold):
        with pytest.raises(SpkidError, match="range that was measured"):
            threshold(rate)


def test_raw_cosines_are_not_calibrated(made):
    raw = raw_cosines("fedcba")
    assert made.is_calibrated
    assert not raw.is_calibrated
    assert raw.model == "fedcba"
    # a household's log odds follow the largest cosine alone
    cosines = np.random.default_rng(3).uniform(-0.2, 0.9, (50, 4)).round(2)
    llrs = raw.log_likelihood_ratio(cosines, [1, 2, 3, 4])
    np.testing.assert_allclose(llrs, cosines * llrs.max() / cosines.max())
    odds = known_log_odds(llrs, guest_prior=raw.guest_prior)
    assert (np.diff(cosines.max(axis=1)[np.argsort(odds)]) >= 0).all()
    assert np.isnan(raw.household_threshold(0.05))
    assert np.isnan(raw.pair_threshold(0.05, n_clips=2))


@pytest.mark.parametrize(
    "content",
    [b"", b"not json", b"{}", b'{"scale": [1, 2, 3]}', bytes(range(256)), b'{"model": "x"'],
)
def test_garbage_is_refused(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(SpkidError, match=r"broken\.json"):
        Calibration.load(path)


@pytest.mark.parametrize("where", ["nowhere.json", "."])
def test_what_is_no_file_is_refused(tmp_path, where):
    with pytest.raises(SpkidError, match="not a readable calibration"):
        Calibration.load(tmp_path / where)


def load_changed(made, tmp_path, **changes):
    path = tmp_path / "changed.json"
    path.write_text(json.dumps({**dataclasses.asdict(made), **changes}))
    return Calibration.load(path)


def test_an_unknown_key_is_refused(made, tmp_path):
    with pytest.raises(SpkidError, match="temperature"):
        load_changed(made, tmp_path, temperature=1.0)


@pytest.mark.parametrize(
    "changes", [{"scale": [1.0, 2.0]}, {"offset": [0.0] * 4}, {"scale": 3.0}, {"offset": None}]
)
def test_a_wrong_number_of_maps_is_refused(made, tmp_path, changes):
    with pytest.raises(SpkidError, match="not a readable calibration"):
        load_changed(made, tmp_path, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"household_thresholds": [1.0, 2.0]},
        {"pair_thresholds": [[1.0] * 6] * 2},
        {"pair_thresholds": [[1.0] * 5] * 3},
        {"pair_thresholds": [1.0, 2.0, 3.0]},
        {"scale": ["a", "b", "c"]},
        {"guest_prior": 7},
        {"guest_prior": "often"},
    ],
)
def test_wrong_sizes_and_kinds_are_refused(made, tmp_path, changes):
    with pytest.raises(SpkidError):
        load_changed(made, tmp_path, **changes)


@pytest.mark.parametrize("content", ["[1]", "null", "3", '"words"'])
def test_json_that_is_no_object_is_refused(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(SpkidError):
        Calibration.load(path)


@pytest.mark.parametrize(("mean", "apart", "sd"), [(0.3, 0.4, 0.12), (-2.0, 3.0, 2.0)])
def test_the_fit_finds_the_ratio_of_two_gaussians(mean, apart, sd):
    rng = np.random.default_rng(0)
    # fewer targets than impostors: both kinds weigh the same all the same
    target = rng.normal(mean + apart, sd, 20_000)
    impostor = rng.normal(mean, sd, (30, 2_000))
    scale, offset = fit_affine(target, impostor)
    true_scale = apart / sd**2
    assert scale == pytest.approx(true_scale, rel=0.04)
    # the ratio is even half way between the means
    assert -offset / scale == pytest.approx(mean + apart / 2, abs=0.02 * sd)


def test_the_fit_refuses_reversed_labels():
    rng = np.random.default_rng(1)
    with pytest.raises(SpkidError, match="check the labels"):
        fit_affine(rng.normal(0, 1, 200), rng.normal(2, 1, 200))


def test_thresholds_let_in_the_asked_share():
    impostor = np.random.default_rng(2).normal(size=2_000)
    thresholds = thresholds_at_rates(impostor)
    assert len(thresholds) == len(RATES)
    for rate, threshold in zip(RATES, thresholds, strict=True):
        assert sum(1 for score in impostor if score >= threshold) == round(rate * 2_000)
    assert CLIP_COUNTS == (1, 2, 3)
