"""A household that listens: answers while somebody speaks and at the end."""

from __future__ import annotations

import json

import numpy as np
import pytest

from enrollment import Household, Store
from enrollment.live import AnotherVoice, Answer, EarlyAnswer
from spkid.audio.events import BadFrame, DeadMicrophone, Gap, SpeechBegan
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.errors import SpkidError
from spkid.files import to_json


@pytest.fixture(scope="module")
def home(model, cast, tmp_path_factory):
    """A home that no test changes."""
    with Store.open(tmp_path_factory.mktemp("live") / "store.sqlite3") as store:
        household = Household(store, "home", model=model)
        for name in ("Ana", "Ben"):
            household.enroll(name, cast[name]["enroll"], consent=True)
        yield household


@pytest.fixture(scope="module")
def ana(cast):
    """A clip of Ana's that she was not enrolled with."""
    return load_audio(cast["Ana"]["heard"][0])


@pytest.fixture(scope="module")
def ben(cast):
    return load_audio(cast["Ben"]["heard"][0])


def hush(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=round(seconds * SAMPLE_RATE_HZ)) * 1e-4).astype(np.float32)


def told(listener, samples, n: int = 1_600) -> list:
    events = [e for start in range(0, len(samples), n) for e in listener.feed(samples[start:][:n])]
    return [*events, *listener.finish()]


def answers(events) -> list[Answer]:
    return [event for event in events if isinstance(event, Answer)]


def close(decision, other) -> bool:
    """The same answer, to 1e-4."""
    same = (decision.status, decision.member) == (other.status, other.member)
    pairs = [(decision.p_member, other.p_member), (decision.cosine, other.cosine)]
    return same and all(one == pytest.approx(two, abs=1e-4) for one, two in pairs)


def test_the_answer_is_what_identify_says_of_that_part_of_the_stream(home, ana, ben):
    stream = np.concatenate([hush(1), ana, hush(2), ben, hush(1)])
    events = told(home.listen(), stream)
    assert isinstance(events[0], SpeechBegan)
    assert {answer.decision.member for answer in answers(events)} == {"Ana", "Ben"}
    for answer in answers(events):
        start, end = (round(at_s * SAMPLE_RATE_HZ) for at_s in (answer.start_s, answer.at_s))
        np.testing.assert_array_equal(answer.waveform, stream[start:end])
        assert close(answer.decision, home.identify(stream[start:end]))


def test_integers_at_another_rate_are_answered_as_a_file_of_that_rate_is(home, ana):
    import soxr

    rate_hz = 44_100
    fast = soxr.resample(np.concatenate([hush(1), ana, hush(2)]), SAMPLE_RATE_HZ, rate_hz)
    integers = np.round(32_767 * fast / np.abs(fast).max()).astype(np.int16)
    whole = load_audio((integers, rate_hz))
    found = answers(told(home.listen(rate_hz=rate_hz), integers, 512))
    assert found
    for answer in found:
        start, end = (round(at_s * SAMPLE_RATE_HZ) for at_s in (answer.start_s, answer.at_s))
        assert close(answer.decision, home.identify(whole[start:end]))


def test_it_answers_early_and_only_when_it_is_sure(home, ana, monkeypatch):
    speech = np.concatenate([hush(1), ana, ana, hush(2)])
    monkeypatch.setattr("enrollment.live.SURE", 0.9)
    events = told(home.listen(), speech)
    early = [event for event in events if isinstance(event, EarlyAnswer)]
    assert early
    for event in early:
        assert event.decision.member == "Ana"
        assert event.decision.p_member >= 0.9
        last = next(each for each in answers(events) if each.start_s == event.start_s)
        assert event.at_s < last.at_s
        start, end = (round(at_s * SAMPLE_RATE_HZ) for at_s in (event.start_s, event.at_s))
        assert close(event.decision, home.identify(speech[start:end]))
    assert len({event.start_s for event in early}) == len(early)  # one for each utterance
    monkeypatch.setattr("enrollment.live.SURE", 1.1)
    assert EarlyAnswer not in {type(event) for event in told(home.listen(), speech)}


def test_somebody_else_who_begins_ends_the_first_ones_answer(home, ana, ben):
    turn = np.concatenate([hush(1), ana[9_600:54_400], ben[16_000:80_000], hush(1)])
    events = told(home.listen(), turn)
    (other,) = (event for event in events if isinstance(event, AnotherVoice))
    assert other.at_s == pytest.approx(3.8, abs=0.5)
    first = [event for event in answers(events) if event.at_s <= other.at_s]
    assert [event.decision.member for event in first] == ["Ana"]
    assert first[-1].at_s == pytest.approx(other.at_s)
    later = [event for event in answers(events) if event.at_s > other.at_s]
    assert {event.decision.member for event in later} == {"Ben"}
    assert later[0].start_s == pytest.approx(other.at_s)


def test_one_who_speaks_over_another_is_told(home, ana, ben):
    over = np.concatenate([hush(1), ana[16_000 : 5 * 16_000], hush(1)])
    over[2 * 16_000 + 8_000 : 5 * 16_000] += ben[16_000:][: 2 * 16_000 + 8_000]
    events = told(home.listen(), over)
    assert AnotherVoice in {type(event) for event in events}


def test_faults_are_events_and_the_speech_before_is_answered(home, ana):
    listener = home.listen()
    assert [type(event) for event in listener.feed(ana[:40_000])][:1] == [SpeechBegan]
    events = listener.feed(np.full(100, np.nan))
    assert [type(event) for event in events[-2:]] == [Answer, BadFrame]
    assert events[-1].record()["code"] == "not_finite"
    events = [*listener.feed(ana[40_000:80_000]), *listener.feed(ana[80_000:], at_s=60.0)]
    assert [event.missing_s > 50 for event in events if isinstance(event, Gap)] == [True]
    still = listener.feed(np.zeros(8 * SAMPLE_RATE_HZ, dtype=np.int16))
    assert isinstance(still[-1], DeadMicrophone)
    assert listener.finish() == ()


def test_a_record_is_for_programs_and_holds_no_sound(home, ana):
    events = told(home.listen(), np.concatenate([ana, hush(2)]))
    (answer, *_) = answers(events)
    record = json.loads(to_json(answer.record()))
    assert record["event"] == "answer"
    assert record["member"] == "Ana"
    assert record["at_s"] > record["start_s"]
    assert "waveform" not in record
    assert "waveform" not in repr(answer)
    assert events[0].record() == {"event": "speech_began", "at_s": events[0].at_s}


def test_who_is_enrolled_meanwhile_is_known_and_a_forgotten_home_is_said(store, model, cast):
    home = Household(store, "flat", model=model)
    home.enroll("Ana", cast["Ana"]["enroll"][:1], consent=True)
    leo = load_audio(cast["Leo"]["heard"][0])
    listener = home.listen()
    before = listener.feed(np.concatenate([leo, hush(2)]))
    home.enroll("Leo", cast["Leo"]["enroll"], consent=True)
    after = listener.feed(np.concatenate([leo, hush(2)]))
    assert {event.decision.member for event in answers(before)} == {None}
    assert "Leo" in {event.decision.member for event in answers(after)}
    home.forget()
    with pytest.raises(SpkidError, match="unknown household"):
        listener.feed(np.concatenate([leo, hush(2)]))


def test_it_refuses_before_it_listens(store, model, home):
    with pytest.raises(SpkidError, match="unknown household"):
        Household(store, "nobody's", model=model).listen()
    with pytest.raises(SpkidError) as caught:
        home.listen(rate_hz=0)
    assert caught.value.code == "no_rate"
    with pytest.raises(SpkidError, match="false_accept_rate"):
        home.listen(false_accept_rate=0.9)


def test_streams_beside_each_other_do_not_mix(home, ana, ben):
    alone = [told(home.listen(), np.concatenate([clip, hush(2)])) for clip in (ana, ben)]
    pair = home.listen(), home.listen()
    found: tuple[list, list] = [], []
    for start in range(0, len(ana) + 32_000, 1_600):
        for own, clip, listener in zip(found, (ana, ben), pair, strict=True):
            own += listener.feed(np.concatenate([clip, hush(2)])[start:][:1_600])
    for own, listener, expected in zip(found, pair, alone, strict=True):
        assert answers([*own, *listener.finish()])[0] == answers(expected)[0]
