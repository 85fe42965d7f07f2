"""Fault 10: a whisper was "unknown, 100 %". What cannot be judged leaves the answer unsure."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
from scipy.signal import lfilter

from enrollment import Household, Store
from enrollment.matching import decide
from enrollment.verification import verify_clips
from spkid.audio.reading import load_audio
from spkid.audio.speech import assess
from spkid.audio.voicing import doubt_of, voiced_share
from spkid.scoring.posterior import doubted

FRAME, HOP, ORDER = 640, 320, 20


def whispered(waveform: np.ndarray) -> np.ndarray:
    """The same words without a pitch: noise through the clip's own linear prediction."""
    rng = np.random.default_rng(1)
    window, out = np.hanning(FRAME), np.zeros(len(waveform))
    for start in range(0, len(waveform) - FRAME, HOP):
        frame = waveform[start : start + FRAME] * window
        full = np.correlate(frame, frame, "full")[FRAME - 1 : FRAME + ORDER]
        matrix = full[np.abs(np.subtract.outer(range(ORDER), range(ORDER)))]
        filt = np.linalg.solve(matrix + 1e-4 * (full[0] + 1e-9) * np.eye(ORDER), full[1:])
        noise = lfilter([1.0], np.r_[1.0, -filt], rng.standard_normal(FRAME)) * window
        level = np.sqrt((frame**2).mean() / ((noise**2).mean() + 1e-12))
        out[start : start + FRAME] += level * noise
    return (0.2 * out / np.abs(out).max()).astype(np.float32)


@pytest.fixture(scope="module")
def home(tmp_path_factory, clips, model):
    with Store.open(tmp_path_factory.mktemp("home") / "home.sqlite3") as store:
        home = Household(store, "home", model=model)
        names = ("096160001", "096160002", "096160006")
        home.enroll("Ana", [clips[name] for name in names], consent=True)
        yield home


def test_a_whispering_member_is_not_surely_a_stranger(home, clips):
    clip = whispered(load_audio(clips["096160018"]))
    assert assess(clip).verdict == "ok"  # there is something to hear
    answer = home.identify((clip, 16_000))
    assert answer.status == "unknown"
    assert answer.p_stranger < 0.9


def test_a_spoken_clip_is_as_sure_as_before(home, clips):
    assert home.identify(clips["096160018"]).p_member > 0.95
    assert home.identify(clips["021700153"]).p_stranger > 0.95


def test_a_whisper_is_no_ones_for_sure_when_verified(home, model, clips):
    clip = whispered(load_audio(clips["096160018"]))
    own = home.verify("Ana", (clip, 16_000))
    pair = verify_clips(clips["096160001"], (clip, 16_000), model=model)
    for answer in (own, pair):
        assert 0.1 < answer.p_same < 0.9
        assert answer.same is False


def test_doubt_makes_nobody_known(home, clips, model):
    """Full doubt draws every score to zero, also that of a stranger below it."""
    vector = model.encoder.embed_file(clips["021700153"])
    for doubt in (0.0, 0.5, 1.0):
        answer = decide(
            vector,
            home.members(),
            model.to_decide(),
            false_accept_rate=0.05,
            speech_s=4.0,
            doubt=doubt,
        )
        assert answer.status == "unknown"
    assert answer.p_stranger == pytest.approx(model.to_decide().guest_prior)


def test_doubted_scores_come_nearer_to_zero():
    scores = np.array([-8.0, -1.0, 0.0, 1.0, 8.0])
    half = doubted(scores, 0.5)
    np.testing.assert_allclose(half, np.log(0.5 * np.exp(scores) + 0.5))
    np.testing.assert_allclose(doubted(scores, 0.0), scores)
    np.testing.assert_allclose(doubted(scores, 1.0), 0.0)


def test_speech_has_a_pitch_and_whispers_have_none(clips):
    for path in clips.values():
        spoken = load_audio(path)
        assert doubt_of(voiced_share(spoken)) == 0.0
        assert doubt_of(voiced_share(whispered(spoken))) > 0.5


def test_what_cannot_be_told_is_doubted():
    assert doubt_of(None) == doubt_of(float("nan")) == 1.0
    assert voiced_share(np.zeros(100, np.float32)) is None
    assert voiced_share(np.zeros(16_000, np.float32)) is None


def test_ten_minutes_are_judged_in_little_memory():
    noise = np.random.default_rng(1).standard_normal(600 * 16_000, dtype=np.float32)
    tracemalloc.start()
    try:
        voiced_share(0.1 * noise)
        peak_mb = tracemalloc.get_traced_memory()[1] / 1e6
    finally:
        tracemalloc.stop()
    assert peak_mb < 150
