"""The calibration file, its thresholds, and the fit against gaussians of a known ratio."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from spkid.errors import SpkidError
from spkid.scoring.calibration import Calibration
from spkid.scoring.fit import Trials, fit_maps, thresholds_at_rates
from spkid.scoring.posterior import known_log_odds
from spkid.scoring.scale import CLIP_COUNTS, RATES, SPEECH_S, USUAL_SPEECH_S, raw_cosines


@pytest.fixture
def made():
    falling = (6.0, 5.0, 4.0, 3.0, 2.0, 1.0)
    return Calibration(
        model="0123456789abcdef",
        guest_prior=0.5,
        scale=(10.0, 12.5, 1 / 3),
        offset=(-4.0, -5.0, -6.125),
        duration_scale=1.5,
        duration_offset=-0.75,
        landmarks=((1.0, 0.0), (0.0, -1.0), (0.6, 0.8)),
        usual_crowding=0.25,
        crowding_scale=-4.0,
        pair_thresholds=tuple(
            tuple(tuple(level + row + 10 * length for level in falling) for length in range(3))
            for row in range(3)
        ),
        household_thresholds=tuple(
            tuple(2 * level + 10 * length for level in falling) for length in range(3)
        ),
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
    assert 0 < calibration.guest_prior < 1
    assert min(calibration.scale) > 0
    for thresholds in (*calibration.pair_thresholds, calibration.household_thresholds):
        assert np.shape(thresholds) == (len(SPEECH_S), len(RATES))
        assert (np.diff(thresholds, axis=1) <= 0).all()


def test_each_clip_count_has_its_own_map(made):
    cosines = np.linspace(-1, 1, 5)
    for n_clips, row in ((0, 0), (1, 0), (2, 1), (3, 2), (12, 2)):
        expected = [made.scale[row] * cosine + made.offset[row] for cosine in cosines]
        ratios = made.log_likelihood_ratio(cosines, n_clips, USUAL_SPEECH_S)
        np.testing.assert_allclose(ratios, expected)
    mixed = made.log_likelihood_ratio([[0.5, 0.5], [0.1, 0.1]], [1, 3], USUAL_SPEECH_S)
    assert mixed.shape == (2, 2)
    assert mixed[1].tolist() == pytest.approx([-3.0, 0.1 / 3 - 6.125])


def test_thresholds_are_stored_at_the_rates_and_fall_between_them(made):
    for n_clips in (1, 2, 3, 5):
        row = min(n_clips, 3) - 1
        stored = [made.pair_threshold(rate, n_clips=n_clips, speech_s=SPEECH_S) for rate in RATES]
        np.testing.assert_allclose(np.transpose(stored), made.pair_thresholds[row])
    stored = [made.household_threshold(rate, speech_s=SPEECH_S) for rate in RATES]
    np.testing.assert_allclose(np.transpose(stored), made.household_thresholds)
    for thresholds in (made.pair_threshold, made.household_threshold):
        fine = [thresholds(rate) for rate in np.geomspace(RATES[0], RATES[-1], 50)[1:-1]]
        assert (np.diff(fine) < 0).all()
    # half way between two rates, as logarithms, is half way between their thresholds
    assert made.household_threshold(np.sqrt(0.02 * 0.05), speech_s=1.4) == pytest.approx(17.0)
    assert made.pair_threshold(0.05, speech_s=1.4) == pytest.approx(13.0)
    # and so it is with the seconds; beyond what was measured nothing changes any more
    assert made.household_threshold(0.05, speech_s=1.4 * np.sqrt(2)) == pytest.approx(21.0)
    assert made.household_threshold(0.05, speech_s=60) == made.household_threshold(
        0.05, speech_s=2.8
    )
    assert made.pair_threshold(0.05, speech_s=0.1) == made.pair_threshold(0.05, speech_s=0.7)


def test_each_fold_of_speech_adds_its_share(made):
    for speech_s, folds in (
        (0.3, np.log(0.35)),
        (2.0, 0.0),
        (2.5, np.log(1.25)),
        (9.0, np.log(1.4)),
    ):
        expected = (12.5 + 1.5 * folds) * 0.4 - 5.0 - 0.75 * folds
        assert made.log_likelihood_ratio(0.4, 2, speech_s) == pytest.approx(expected)


def test_crowding_is_the_soft_maximum_of_the_cosines_to_the_landmarks(made):
    vectors = np.array([[[1.0, 0.0], [0.8, 0.6]], [[0.0, -1.0], [-1.0, 0.0]]])
    found = made.crowding(vectors)
    for row in np.ndindex(2, 2):
        cosines = [sum(vectors[row] * landmark) for landmark in made.landmarks]
        soft = math.log(sum(math.exp(16 * cosine) for cosine in cosines) / 3) / 16
        assert found[row] == pytest.approx(soft - 0.25)
    # between two landmarks it is more crowded than beside one, and far from all it is empty
    assert found[0, 1] > found[1, 0] - 0.1 > found[1, 1] + 0.5
    assert made.crowding([0.0, 1.0]).shape == ()
    np.testing.assert_array_equal(raw_cosines("m").crowding(vectors), np.zeros((2, 2)))


def test_a_crowded_place_takes_from_the_ratio(made):
    usual = made.log_likelihood_ratio([0.4, 0.5], 2, USUAL_SPEECH_S)
    crowded = made.log_likelihood_ratio([0.4, 0.5], 2, USUAL_SPEECH_S, crowding=[0.1, -0.2])
    np.testing.assert_allclose(crowded - usual, [-0.4, 0.8])


def test_a_calibration_of_an_earlier_version_is_refused(made, tmp_path):
    old = dataclasses.asdict(made)
    del old["landmarks"], old["crowding_scale"], old["usual_crowding"]
    (tmp_path / "old.json").write_text(json.dumps(old))
    with pytest.raises(SpkidError, match=r"old.json: .*earlier version.*spkid fit"):
        Calibration.load(tmp_path / "old.json")


@pytest.mark.parametrize("rate", [-0.1, 0.0, 0.0049, 0.2001, 1.0, float("nan")])
def test_a_rate_that_was_not_measured_is_refused(made, rate):
    for threshold in (made.household_threshold, made.pair_threshold):
        with pytest.raises(SpkidError, match="range that was measured"):
            threshold(rate)


def test_raw_cosines_cannot_decide():
    raw = raw_cosines("fedcba")
    assert raw.model == "fedcba"
    assert not isinstance(raw, Calibration)
    for name in ("pair_threshold", "household_threshold", "household_thresholds_at", "save"):
        assert hasattr(Calibration, name)
        assert not hasattr(raw, name)
    # a household's log odds follow the largest cosine alone
    cosines = np.random.default_rng(3).uniform(-0.2, 0.9, (50, 4)).round(2)
    llrs = raw.log_likelihood_ratio(cosines, [1, 2, 3, 4])
    np.testing.assert_allclose(llrs, cosines * llrs.max() / cosines.max())
    odds = known_log_odds(llrs, guest_prior=raw.guest_prior)
    assert (np.diff(cosines.max(axis=1)[np.argsort(odds)]) >= 0).all()


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
    with pytest.raises(SpkidError, match=r"no such file|not a readable calibration"):
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
    name = next(iter(changes))
    with pytest.raises(SpkidError, match=rf"changed\.json: a calibration whose {name} cannot be"):
        load_changed(made, tmp_path, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        {"household_thresholds": [1.0] * 6},
        {"household_thresholds": [[1.0] * 6] * 2},
        {"pair_thresholds": [[1.0] * 6] * 2},
        {"pair_thresholds": [[[1.0] * 5] * 3] * 3},
        {"duration_scale": [1.0]},
        {"duration_offset": "much"},
        {"duration_offset": "0.5"},
        {"usual_crowding": True},
        {"crowding_scale": "much"},
        {"landmarks": [0.1, 0.2]},
        {"landmarks": [[0.1], [0.2, 0.3]]},
        {"scale": ["a", "b", "c"]},
        {"scale": [1.0, "2.0", 3.0]},
        {"guest_prior": 7},
        {"guest_prior": "often"},
    ],
)
def test_wrong_sizes_and_kinds_are_refused(made, tmp_path, changes):
    with pytest.raises(SpkidError):
        load_changed(made, tmp_path, **changes)


NUMBERS = [
    field.name
    for field in dataclasses.fields(Calibration)
    if field.name not in {"model", "trained_on"}
]


@pytest.mark.parametrize("broken", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", NUMBERS)
def test_what_is_not_finite_never_becomes_a_calibration(made, tmp_path, name, broken):
    """A comparison with NaN is false, and what is false must not let anybody in."""
    values = np.array(getattr(made, name))
    values[(-1,) * values.ndim] = broken
    with pytest.raises(SpkidError, match=name):
        dataclasses.replace(made, **{name: values.tolist()})
    with pytest.raises(SpkidError, match=name):
        load_changed(made, tmp_path, **{name: values.tolist()})


def test_a_repr_shows_no_vectors(made):
    assert "0.6, 0.8" not in repr(made)
    assert made.model in repr(made)


@pytest.mark.parametrize("content", ["[1]", "null", "3", '"words"'])
def test_json_that_is_no_object_is_refused(tmp_path, content):
    path = tmp_path / "broken.json"
    path.write_text(content)
    with pytest.raises(SpkidError):
        Calibration.load(path)


def made_trials(cosines, is_target, *, crowding=0.0, n_clips=1, speech_s=2.0, pool=0):
    """What is a number alone holds for all trials."""
    columns = (cosines, crowding, n_clips, speech_s, is_target, pool)
    return Trials(*(np.array(column) for column in np.broadcast_arrays(*columns)))


@pytest.mark.parametrize(("mean", "apart", "sd"), [(0.3, 0.4, 0.12), (-2.0, 3.0, 2.0)])
def test_the_fit_finds_the_ratio_of_two_gaussians(mean, apart, sd):
    rng = np.random.default_rng(0)
    # fewer targets than impostors: both kinds weigh the same all the same
    target = rng.normal(mean + apart, sd, 20_000)
    impostor = rng.normal(mean, sd, (30, 2_000))
    cosines = np.concatenate([target, impostor.ravel()])
    is_target = np.repeat([True, False], [20_000, 60_000])
    maps = fit_maps(made_trials(cosines, is_target, n_clips=2))
    assert maps["scale"][0] == maps["duration_scale"] == 0.0  # nothing is known of these
    scale, offset = maps["scale"][1], maps["offset"][1]
    true_scale = apart / sd**2
    assert scale == pytest.approx(true_scale, rel=0.04)
    # the ratio is even half way between the means
    assert -offset / scale == pytest.approx(mean + apart / 2, abs=0.02 * sd)


def test_the_fit_refuses_reversed_labels():
    rng = np.random.default_rng(1)
    is_target = np.arange(400) < 200
    cosines = rng.normal(np.where(is_target, 0, 2), 1)
    with pytest.raises(SpkidError, match="check who speaks"):
        fit_maps(made_trials(cosines, is_target))


@pytest.mark.parametrize("seed", range(4))
def test_the_fit_refuses_labels_at_random(seed):
    rng = np.random.default_rng(seed)
    with pytest.raises(SpkidError, match="score as high") as caught:
        fit_maps(made_trials(rng.normal(size=400), np.arange(400) < 200))
    assert caught.value.code == "not_separable"


def test_the_fit_refuses_trials_without_any_error():
    """Nothing would bound the ratio: every step of it would be as good as certain."""
    rng = np.random.default_rng(1)
    is_target = np.arange(400) < 200
    with pytest.raises(SpkidError, match="comes close") as caught:
        fit_maps(made_trials(rng.uniform(0, 0.4, 400) + 0.5 * is_target, is_target))
    assert caught.value.code == "no_overlap"


def test_the_fit_finds_what_a_fold_of_speech_is_worth():
    """Two gaussians whose distance grows with the log of the seconds, sd 0.5."""
    rng = np.random.default_rng(4)
    speech_s = rng.choice(SPEECH_S, 60_000)
    is_target = rng.random(60_000) < 0.3
    folds = np.log(speech_s / 2)
    mean = is_target * (0.6 + 0.2 * folds)
    maps = fit_maps(made_trials(rng.normal(mean, 0.5), is_target, speech_s=speech_s))
    assert maps["scale"][0] == pytest.approx(0.6 / 0.25, rel=0.05)
    assert maps["duration_scale"] == pytest.approx(0.2 / 0.25, rel=0.1)
    assert maps["offset"][0] == pytest.approx(-(0.6**2) / 0.5, rel=0.1)


def test_the_fit_finds_what_crowding_is_worth():
    """All score higher where it is crowded, so that it must be taken off again."""
    rng = np.random.default_rng(5)
    crowding, is_target = rng.normal(0, 0.2, 60_000), rng.random(60_000) < 0.3
    cosines = rng.normal(0.6 * is_target + 0.8 * crowding, 0.3)
    maps = fit_maps(made_trials(cosines, is_target, crowding=crowding, n_clips=2))
    assert maps["scale"][1] == pytest.approx(0.6 / 0.09, rel=0.05)
    assert maps["crowding_scale"] == pytest.approx(-0.8 * 0.6 / 0.09, rel=0.05)
    without = fit_maps(made_trials(cosines, is_target, n_clips=2))
    assert without["crowding_scale"] == 0.0
    assert without["scale"][1] < 0.9 * maps["scale"][1]


def test_the_fit_holds_in_the_pool_that_asks_for_the_lowest_offset():
    """In the second pool everything scores higher, so a ratio that fits both is too sure there."""
    rng = np.random.default_rng(6)
    is_target, pool = rng.random(60_000) < 0.5, np.arange(60_000) % 2
    cosines = rng.normal(0.6 * is_target + 0.2 * pool, 0.3)
    maps = fit_maps(made_trials(cosines, is_target, pool=pool))
    own = pool == 1
    alone = fit_maps(made_trials(cosines[own], is_target[own]))
    ratios = maps["scale"][0] * cosines[own] + maps["offset"][0]
    expected = alone["scale"][0] * cosines[own] + alone["offset"][0]
    assert np.mean(ratios) == pytest.approx(np.mean(expected), abs=0.1)
    both = fit_maps(made_trials(cosines, is_target))
    assert maps["scale"] == pytest.approx(both["scale"], rel=0.01)
    assert maps["offset"][0] < both["offset"][0] - 0.4


def test_thresholds_let_in_the_asked_share():
    impostor = np.random.default_rng(2).normal(size=2_000)
    thresholds = thresholds_at_rates(impostor)
    assert len(thresholds) == len(RATES)
    for rate, threshold in zip(RATES, thresholds, strict=True):
        assert sum(1 for score in impostor if score >= threshold) == round(rate * 2_000)
    assert CLIP_COUNTS == (1, 2, 3)
