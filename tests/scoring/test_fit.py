"""The fitted calibration on planted clusters: does it let in the asked share of strangers?"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from itertools import product

import numpy as np
import pytest

from spkid.errors import ModelMismatch, SpkidError
from spkid.scoring import fit
from spkid.scoring import pools as simulated
from spkid.scoring.calibration import Calibration
from spkid.scoring.fit import LEAST_BEHIND, LEAST_COMPANY, N_LANDMARKS, fit_home, landmarks_of
from spkid.scoring.pools import WHOLE, Pool, able_pools, guest_log_odds, profile_trials
from spkid.scoring.scale import CLIP_COUNTS, RATES, SPEECH_S

DIM = 24


def make_pool(seed, *, n_speakers=80, n_clips=6, noise=0.8, alike=0.0):
    """Unit vectors about a random centre a speaker; every fourth speaker has two clips only.

    With ``alike``, all centres share a part of that length.
    """
    rng = np.random.default_rng(seed)
    clips_of = {}
    for number in range(n_speakers):
        own = 2 if number % 4 == 3 else n_clips
        # shorter cuts are noisier; every third speaker has none of the longest
        spread = noise * np.array([1.0, 1.7, 1.3, 1.0])[:, None]
        clips = alike + rng.normal(size=DIM) + spread * rng.normal(size=(own, 4, DIM))
        clips /= np.linalg.norm(clips, axis=-1, keepdims=True)
        if number % 3 == 1:
            clips[:, -1] = np.nan
        clips_of[f"{seed}-{number}"] = clips
    return Pool(clips_of)


def cosines_of(pairs):
    return np.einsum("ij,ij->i", pairs[:, 0], pairs[:, 1])


def ratios_of(pairs, calibration, n_clips, speech_s):
    crowding = calibration.crowding(pairs[:, 0])
    return calibration.log_likelihood_ratio(cosines_of(pairs), n_clips, speech_s, crowding=crowding)


@pytest.fixture(scope="module", autouse=True)
def _fewer_homes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simulated, "N_HOMES", 400)
        yield


def columns_of(pools):
    """Vectors, speakers and pools by clip."""
    vectors, speakers, kinds = [], [], []
    for kind, pool in enumerate(pools):
        for name, clips in pool.clips_of.items():
            vectors.append(clips)
            speakers += [name] * len(clips)
            kinds += [f"world {kind}"] * len(clips)
    return np.concatenate(vectors), speakers, kinds


def fitted_to(pools, *, seed=0, **options):
    vectors, speakers, kinds = columns_of(pools)
    means = make_pool(9, n_speakers=200, n_clips=2).clips_of.values()
    landmarks = landmarks_of(np.stack([clips[0, 0] for clips in means]), seed=0)
    return Calibration.fit(
        vectors,
        speakers,
        pools=kinds,
        model="m1",
        landmarks=landmarks,
        trained_on="clusters",
        seed=seed,
        **options,
    )


@pytest.fixture(scope="module")
def fitted():
    pools = [make_pool(0), make_pool(1, noise=1.0)]
    return fitted_to(pools, guest_prior=0.3)


@pytest.fixture(scope="module")
def fresh_pools():
    """Speakers that the calibration has not seen, from the same two worlds."""
    return [make_pool(10, n_speakers=400), make_pool(11, n_speakers=400, noise=1.0)]


def test_what_is_asked_for_is_kept(fitted, tmp_path):
    assert (fitted.model, fitted.guest_prior) == ("m1", 0.3)
    assert fitted.trained_on == "clusters: 80 of world 0, 80 of world 1"
    assert len(fitted.landmarks) == 20  # one for ten speakers
    assert len(fitted.pair_thresholds) == len(CLIP_COUNTS)
    assert np.shape(fitted.pair_thresholds[0]) == (len(SPEECH_S), len(RATES))
    fitted.save(tmp_path / "fitted.json")
    assert Calibration.load(tmp_path / "fitted.json") == fitted


def test_landmarks_are_unit_means_of_many_speakers():
    rng = np.random.default_rng(4)
    means = rng.normal(size=(700, DIM))
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    landmarks = np.array(landmarks_of(means, seed=0))
    assert landmarks.shape == (N_LANDMARKS, DIM)
    np.testing.assert_allclose(np.linalg.norm(landmarks, axis=1), 1, atol=1e-3)
    own = (means @ landmarks.T).argmax(axis=1)
    assert np.bincount(own).min() >= LEAST_BEHIND
    for number, landmark in enumerate(landmarks):
        mean = means[own == number].mean(axis=0)
        np.testing.assert_allclose(landmark, mean / np.linalg.norm(mean), atol=2e-2)
        assert (means @ landmark).max() < 0.999  # nobody's own voice


def test_nobody_is_a_landmark_alone():
    """Two crowds and one voice far from both: three directions, of which two are kept."""
    rng = np.random.default_rng(5)
    crowds = np.repeat(np.eye(DIM)[:2], [16, 13], axis=0) + 0.05 * rng.normal(size=(29, DIM))
    means = np.vstack([crowds, np.eye(DIM)[5]])
    means /= np.linalg.norm(means, axis=1, keepdims=True)
    landmarks = np.array(landmarks_of(means, seed=0))
    assert len(landmarks) == 2
    assert np.abs(landmarks[:, 5]).max() < 0.1
    assert landmarks_of(means[:9], seed=0) == ()


def test_too_few_speakers_are_refused():
    vectors, speakers, _ = columns_of([make_pool(2, n_speakers=12)])
    with pytest.raises(SpkidError, match="9 speakers with 4 clips or more") as caught:
        Calibration.fit(vectors, speakers, model="m1")
    assert caught.value.code == "too_few_speakers"


def test_a_pool_that_is_too_small_is_left_out():
    pools = [make_pool(2, n_speakers=30), make_pool(3, n_speakers=8)]
    _, speakers, kinds = columns_of(pools)
    assert able_pools(speakers, kinds) == ["world 0"]
    assert fitted_to(pools).trained_on == "clusters: 30 of world 0"


def test_clips_too_short_for_the_longest_cut_are_refused():
    pool = make_pool(2, n_speakers=20)
    for clips in pool.clips_of.values():
        clips[:, -1] = np.nan
    with pytest.raises(SpkidError, match=r"0 speakers with a clip of 2\.8 s") as caught:
        fitted_to([pool])
    assert caught.value.code == "too_few_speakers"


def test_vectors_of_whole_clips_do():
    """The length of a clip is then worth nothing: the same threshold at every length."""
    vectors, speakers, _ = columns_of([make_pool(2, n_speakers=40)])
    fitted = Calibration.fit(vectors[:, 0], speakers, model="m1")
    assert fitted.trained_on == "labelled clips: 40 of all"
    assert abs(fitted.duration_scale) < 0.1 * fitted.scale[2]
    short, long = (fitted.household_threshold(0.1, speech_s=s) for s in (0.7, 2.8))
    assert abs(short - long) < 1.0


def test_vectors_that_are_not_of_unit_length_or_of_no_model_are_refused():
    vectors, speakers, _ = columns_of([make_pool(2, n_speakers=20)])
    for row, value in ((0, 0.0), (1, np.nan), (2, np.inf), (3, 2 * vectors[3, 1])):
        broken = vectors.copy()
        broken[row, 0 if row < 3 else 1] = value
        with pytest.raises(ModelMismatch, match="unit length"):
            Calibration.fit(broken, speakers, model="m1")
    with pytest.raises(ModelMismatch, match="unknown model"):
        Calibration.fit(vectors, speakers, model="")
    with pytest.raises(SpkidError, match="a row for each clip"):
        Calibration.fit(vectors, speakers[1:], model="m1")


def test_the_seed_decides():
    pools = [make_pool(2, n_speakers=20)]
    one, same, other = (fitted_to(pools, seed=seed) for seed in (0, 0, 1))
    assert one == same
    assert one != other


def test_trials_are_of_one_speaker_or_of_two():
    # speakers on axes of their own: the clip is the profile, or at right angles to it
    pool = Pool({str(axis): np.tile(np.eye(5)[axis], (4, 4, 1)) for axis in range(5)})
    target, impostor = profile_trials(pool, 3, np.random.default_rng(0), length=0, n_profiles=30)
    np.testing.assert_allclose(cosines_of(target), np.ones(30))
    np.testing.assert_allclose(cosines_of(impostor), np.zeros(30 * 4))


def test_profiles_need_one_clip_more_than_they_hold():
    pool = make_pool(3, n_speakers=8)
    assert len(pool.with_clips(1)) == 8
    assert len(pool.with_clips(2)) == 8
    assert len(pool.with_clips(3)) == 6
    # a speaker with a clip too few is an impostor only
    axes = np.repeat(np.eye(4)[:, None], 4, axis=1)
    lonely = Pool({"many": axes[:3], "few": axes[3:]})
    target, impostor = profile_trials(lonely, 2, np.random.default_rng(0), length=1, n_profiles=5)
    np.testing.assert_array_equal(cosines_of(target), np.zeros(5))
    np.testing.assert_array_equal(cosines_of(impostor), np.zeros(5))


def test_only_clips_that_are_long_enough_are_cut():
    clips = np.ones((2, 4, 4))
    clips[0, 3:] = np.nan
    pool = Pool({"one": clips, "other": np.full((1, 4, 4), np.nan)})
    assert pool.probes(1) == {"one": [0, 1]}
    assert pool.probes(2) == {"one": [1]}
    assert pool.probes(WHOLE) == {"one": [1]}  # what counts as the longest is as long
    short = Pool(
        {
            name: np.pad(np.ones((3, 3, 4)), ((0, 0), (0, 1), (0, 0)), constant_values=np.nan)
            for name in "ab"
        }
    )
    for side in profile_trials(short, 1, np.random.default_rng(0), length=2):
        assert len(side) == 0


@pytest.fixture(scope="module")
def strangers(fitted, fresh_pools):
    """Scores of strangers with the threshold that belongs to them, by what they are held to."""
    rng = np.random.default_rng(1)
    scores = {}
    for length, speech_s in enumerate(SPEECH_S):
        for n_clips in CLIP_COUNTS:
            pairs = [profile_trials(pool, n_clips, rng, length=length)[1] for pool in fresh_pools]
            llrs = ratios_of(np.concatenate(pairs), fitted, n_clips, speech_s)
            threshold = partial(fitted.pair_threshold, n_clips=n_clips, speech_s=speech_s)
            scores[f"profile of {n_clips}, {speech_s} s"] = llrs, threshold
        threshold = partial(fitted.household_threshold, speech_s=speech_s)
        guests = [guest_log_odds(pool, fitted, rng, length=length) for pool in fresh_pools]
        # homes are held to the pool whose guests come in most often
        scores[f"home, {speech_s} s"] = max(guests, key=partial(np.quantile, q=0.95)), threshold
    return scores


@pytest.mark.parametrize("rate", RATES)
def test_strangers_are_let_in_about_as_often_as_asked(strangers, rate):
    let_in = [np.mean(scores >= threshold(rate)) for scores, threshold in strangers.values()]
    assert rate / 1.4 < np.mean(let_in) < rate * 1.4
    assert rate / 2.5 < min(let_in)
    assert max(let_in) < rate * 2.5


@pytest.mark.parametrize("rate", [0.02, 0.05])
def test_guests_who_are_alike_do_not_come_in_more_often(rate):
    worlds = [{"alike": 0.0}, {"alike": 0.6}]
    pools = [make_pool(seed, n_speakers=200, **world) for seed, world in enumerate(worlds)]
    fitted = fitted_to(pools)
    rng, length = np.random.default_rng(3), len(SPEECH_S) - 1
    let_in = []
    for seed, world in enumerate(worlds):
        fresh = make_pool(20 + seed, n_speakers=400, **world)
        guests = guest_log_odds(fresh, fitted, rng, length=length)
        threshold = fitted.household_threshold(rate, speech_s=SPEECH_S[length])
        let_in.append(np.mean(guests >= threshold))
    assert let_in[0] < rate / 1.6 < let_in[1] < 1.6 * rate
    assert let_in[0] > rate / 4  # without the company, a twelfth
    assert fitted.company_scale < 0


@pytest.mark.parametrize(("alike", "least", "most"), [(0.0, 0.0, 0.35), (0.6, 0.6, 2.5)])
def test_where_everybody_calls_by_telephone_as_many_strangers_come_in(alike, least, most):
    """Through the telephone, all of these voices share a part of length ``alike``."""
    pool = make_pool(0, n_speakers=200)
    vectors, speakers, kinds = columns_of([pool])
    across, _, _ = columns_of([make_pool(0, n_speakers=200, alike=alike)])
    fitted = Calibration.fit(vectors, speakers, pools=kinds, model="m1", narrowband=across)
    plain = Calibration.fit(vectors, speakers, pools=kinds, model="m1")
    assert replace(fitted, narrowband_margin=0.0) == plain  # nothing else changes
    assert least <= fitted.narrowband_margin <= most
    rng, length = np.random.default_rng(3), len(SPEECH_S) - 1
    fresh = make_pool(20, n_speakers=400, alike=alike)
    guests = guest_log_odds(fresh, fitted, rng, length=length)
    threshold = partial(fitted.household_threshold, 0.05, speech_s=SPEECH_S[length])
    assert np.mean(guests >= threshold(narrowband_share=1.0)) < 1.6 * 0.05
    if alike:
        assert np.mean(guests >= threshold()) > 1.6 * 0.05
    for by_telephone in (fitted.pair_threshold, fitted.household_threshold):
        narrow, wide = by_telephone(0.05, narrowband_share=[1.0, 0.0])
        assert narrow - wide == pytest.approx(fitted.narrowband_margin)


@pytest.mark.parametrize("size", [2, 4, 10])
def test_strangers_come_in_to_homes_of_every_size(monkeypatch, fitted, fresh_pools, size):
    monkeypatch.setattr(simulated, "HOME_SIZES", (size,))
    rng, length = np.random.default_rng(7), 1
    guests = [guest_log_odds(pool, fitted, rng, length=length) for pool in fresh_pools]
    threshold = fitted.household_threshold(0.05, speech_s=SPEECH_S[length])
    let_in = max(np.mean(own >= threshold) for own in guests)
    assert 0.05 / 1.6 < let_in < 1.6 * 0.05


def test_near_company_never_makes_a_home_easier_to_enter(monkeypatch):
    pools = [make_pool(0, n_speakers=40), make_pool(1, n_speakers=40)]
    scale = fitted_to(pools)
    probe_table = fit.probe_table

    def reversed_company(*args):  # as if guests stood apart from the other members
        table = probe_table(*args)
        return table.assign(others=np.where(table["is_guest"], -50.0, 50.0) + table["others"])

    monkeypatch.setattr(fit, "probe_table", reversed_company)
    assert fit_home(pools, scale, np.random.default_rng(0))["company_scale"] == LEAST_COMPANY


def test_scores_are_calibrated(fitted, fresh_pools):
    """Of the trials given a ratio of about three, three quarters are targets (equal priors)."""
    for n_clips, length in product(CLIP_COUNTS, range(len(SPEECH_S))):
        target, impostor = (
            np.concatenate(side)
            for side in zip(
                *(
                    profile_trials(
                        pool, n_clips, np.random.default_rng(2), length=length, n_profiles=2_000
                    )
                    for pool in fresh_pools
                ),
                strict=True,
            )
        )
        near = [
            np.mean(np.abs(ratios_of(side, fitted, n_clips, SPEECH_S[length]) - np.log(3)) < 0.5)
            for side in (target, impostor)
        ]
        assert near[0] / (near[0] + near[1]) == pytest.approx(0.75, abs=0.12)
