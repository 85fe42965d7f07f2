"""A household's inbox on real clips: who may open it, what goes in, how voices get names."""

from __future__ import annotations

import json
import pickle

import pytest

from enrollment import Household
from enrollment.profile import MAX_EXEMPLARS
from enrollment.refusals import SameVoice
from spkid import SpkidError
from spkid.audio.reading import load_audio
from spkid.errors import ConsentError, StoreError


@pytest.fixture
def home(store, cast, model):
    home = Household(store, "home", model=model)
    home.enroll("Ana", cast["Ana"]["enroll"], consent=True)
    return home


@pytest.fixture
def listening(home):
    home.inbox.switch_on("Ana", consent=True)
    return home


def n_clips(home) -> list[int]:
    return [len(speaker.voices) for speaker in home.inbox.speakers()]


def test_it_is_off_until_somebody_agrees_to_its_words(home, cast):
    home.identify(cast["Ben"]["heard"][0])
    assert n_clips(home) == []
    with pytest.raises(ConsentError, match="We tell our guests"):
        home.inbox.switch_on("Ana", consent=False)
    for days in (0, 366):
        with pytest.raises(SpkidError, match="1 to 365 days"):
            home.inbox.switch_on("Ana", consent=True, keep_days=days)
    terms = home.inbox.switch_on("Ana", consent=True, keep_days=7)
    assert (terms.given_by, terms.keep_days, "for 7 days" in terms.text) == ("Ana", 7, True)
    home.identify(cast["Ben"]["heard"][0])
    assert n_clips(home) == [1]
    assert home.inbox.switch_off() == 1
    home.identify(cast["Ben"]["heard"][0])
    assert (n_clips(home), home.inbox.terms) == ([], None)


def test_only_strangers_with_enough_speech_are_kept_and_one_voice_is_one_row(listening, cast):
    short = load_audio(cast["Leo"]["heard"][0])[16_000:40_000]
    assert listening.identify(short).status == "unknown"
    clips = [*cast["Ana"]["heard"], *cast["Ben"]["enroll"], *cast["Leo"]["enroll"]]
    answers = [listening.identify(clip) for clip in clips]
    assert {answer.status for answer in answers} == {"known", "unknown"}
    assert n_clips(listening) == [3, 3]
    assert [member.name for member in listening.members()] == ["Ana"]  # no profile by itself
    ben = listening.inbox.speakers()[0]
    assert listening.inbox.speaker(ben.voices[2].id).number == ben.number
    assert ben.speech_s == pytest.approx(sum(answer.speech_s for answer in answers[2:5]))
    assert listening.inbox.delete(ben.number) == 3
    assert n_clips(listening) == [3]
    with pytest.raises(SpkidError) as caught:
        listening.inbox.delete(ben.number)
    assert caught.value.code == "unknown_voice"


def test_a_named_voice_is_recognised(listening, cast):
    for clip in cast["Ben"]["enroll"]:
        listening.identify(clip)
    (ben,) = listening.inbox.speakers()
    with pytest.raises(ConsentError):
        listening.inbox.name(ben.number, "Ben", consent=False)
    member = listening.inbox.name(ben.number, "Ben", consent=True)
    assert len(member.exemplars) == 3
    assert listening.identify(cast["Ben"]["heard"][0]).member == "Ben"
    assert n_clips(listening) == []


def test_a_member_who_was_not_recognised_gets_the_clips_up_to_ten(listening, cast):
    for clip in cast["Ben"]["enroll"]:
        listening.identify(clip)
    loud = load_audio(cast["Ben"]["heard"][0])
    own = [loud[start : start + 48_000] for start in range(0, 9 * 1600, 1600)]
    listening.enroll("Ben", own, consent=True)
    n_before = len(listening.members()[1].exemplars)
    (ben,) = listening.inbox.speakers()
    ben_now = listening.inbox.name(ben.number, "ben", consent=False)
    assert len(ben_now.exemplars) == min(MAX_EXEMPLARS, n_before + 3)
    assert n_clips(listening) == []


def test_the_voice_of_another_member_is_pointed_out(listening, cast):
    for clip in cast["Ben"]["enroll"]:
        listening.identify(clip)
    listening.enroll("Ben", cast["Ben"]["heard"], consent=True)
    (ben,) = listening.inbox.speakers()
    with pytest.raises(SameVoice) as caught:
        listening.inbox.name(ben.number, "Tom", consent=True)
    assert (caught.value.code, caught.value.sounds_like) == ("same_voice", "Ben")
    assert pickle.loads(pickle.dumps(caught.value)).sounds_like == "Ben"
    tom = listening.inbox.name(
        ben.number, "Tom", consent=True, given_by="Gran", another_person=True
    )
    assert len(tom.exemplars)
    assert listening.store.consents("home", "Tom")["voice"].given_by == "Gran"


def test_an_inbox_that_cannot_be_written_does_not_cost_the_answer(listening, cast, monkeypatch):
    def full(*_: object) -> None:
        raise StoreError("no room", expected="room", do="free some", code="disk_full")

    monkeypatch.setattr(type(listening.store.voices), "add", full)
    answer = listening.identify(cast["Ben"]["heard"][0])
    assert answer.status == "unknown"
    assert answer.hints == (
        "The voice was not kept in the inbox: no room; expected room; free some.",
    )


def test_the_command_line_lists_and_deletes(spkid, cast):
    words = ("--household", "home")
    assert spkid("enroll", *cast["Ana"]["enroll"], *words, "--member", "Ana", "--consent")[0] == 0
    on = ("inbox", "on", *words, "--by", "Ana", "--consent", "--days", "5", "--json")
    assert json.loads(spkid(*on)[1])["keep_days"] == 5
    clips = [cast[name]["heard"][0] for name in ("Ben", "Leo")]
    spkid("identify", *clips, *words)
    code, out, _ = spkid("inbox", "list", *words)
    assert code == 0
    first, second = json.loads(spkid("inbox", "list", *words, "--json")[1])["speakers"]
    assert first["kept_until"] in out
    assert spkid("inbox", "delete", first["number"], *words)[1] == "1 clip deleted.\n"
    assert spkid("inbox", "delete", first["number"], *words)[0] == 2
    assert spkid("inbox", "delete", *words)[1] == "1 clip deleted.\n"
    assert spkid("inbox", "off", *words)[1] == (
        "Unknown voices in home are kept no more; 0 clips deleted.\n"
    )
    assert "The inbox is off" in spkid("inbox", "list", *words)[1]
    assert second["n_clips"] == 1


def test_somebody_at_the_terminal_is_asked_whose_voice_it_is(spkid, cast, monkeypatch):
    words = ("--household", "home")
    spkid("enroll", *cast["Ana"]["enroll"][:1], *words, "--member", "Ana", "--consent")
    spkid("inbox", "on", *words, "--by", "Ana", "--consent")
    spkid("identify", cast["Ben"]["enroll"][0], *words)
    spkid("enroll", *cast["Ben"]["enroll"][1:], *words, "--member", "Ben", "--consent")
    (ben,) = json.loads(spkid("inbox", "list", *words, "--json")[1])["speakers"]
    name = ("inbox", "name", ben["number"], *words, "--member", "Tom", "--by", "Gran", "--consent")
    code, _, error = spkid(*name)
    assert (code, "'Tom' that sound like 'Ben'" in error) == (2, True)
    asked = []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(
        "spkid.cli.enrolling.ask", lambda question: asked.append(question) or len(asked) > 1
    )
    assert spkid(*name)[0] == 2
    code, out, _ = spkid(*name)
    assert (code, out.startswith("Tom: 1 clip, ")) == (0, True)
    assert set(asked) == {"These clips sound like Ben. Is Tom another person?"}
