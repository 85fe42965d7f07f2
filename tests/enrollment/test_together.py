"""Single words: enrolled and identified together where they sound alike, else never mixed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from enrollment import Household, Store
from enrollment.store.vault import Vault, from_flac
from enrollment.together import alike, hear_together, joined, spoken_part
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.errors import SpkidError

LEO = ("--household", "home", "--member", "Leo")


def words_of(path, *, seconds: float = 1.2, n: int = 4) -> list[np.ndarray]:
    """Loud stretches of a clip that do not overlap."""
    whole = load_audio(path)
    length = round(seconds * SAMPLE_RATE_HZ)
    pieces = whole[: len(whole) // length * length].reshape(-1, length)
    loudest = np.sort(np.argsort(-pieces.var(axis=1))[:n])
    return [pieces[place] for place in loudest]


@pytest.fixture(scope="module")
def leo_words(cast):
    return words_of(cast["Leo"]["enroll"][0])


@pytest.fixture(scope="module")
def ben_words(cast):
    return words_of(cast["Ben"]["enroll"][0])


@pytest.fixture(scope="module")
def home(model, cast, tmp_path_factory):
    """A home that no test changes."""
    with Store.open(tmp_path_factory.mktemp("together") / "store.sqlite3") as store:
        household = Household(store, "home", model=model)
        for name in ("Leo", "Ben"):
            household.enroll(name, cast[name]["enroll"][1:], consent=True)
        yield household


@pytest.fixture
def new_home(store, model):
    return Household(store, "flat", model=model)


def test_what_is_spoken_is_cut_out_of_a_clip(ben_words, encoder):
    padded = np.concatenate([np.zeros(16_000, np.float32), ben_words[0], np.zeros(16_000)])
    part = spoken_part(padded.astype(np.float32) + 0.1, encoder)
    assert 0.5 < part.speech_s <= 1.4
    assert len(part.waveform) < 1.6 * SAMPLE_RATE_HZ
    assert abs(part.waveform.mean()) < 0.01
    assert spoken_part(np.zeros(16_000, dtype=np.float32), encoder) is None
    assert spoken_part(np.zeros(10, dtype=np.float32), encoder) is None


def test_words_of_one_person_are_alike_and_anothers_is_not(leo_words, ben_words, model):
    spoken = [spoken_part(word, model.encoder) for word in [*leo_words[:3], ben_words[0]]]
    assert alike(spoken, model.calibration) == [0, 1, 2]
    assert len(joined(spoken)) == sum(len(part.waveform) for part in spoken)


def test_single_words_enroll_together(new_home, leo_words, cast):
    session = new_home.session("Leo", consent=True)
    first = session.add(leo_words[0])
    assert (first.reason, session.n_clips, session.speech_s) == ("too_short", 0, 0.0)
    for word in leo_words[1:]:
        session.add(word)
    assert [verdict.reason for verdict in session.verdicts].count("ok") >= 2
    assert session.n_clips == 1  # they are one
    assert 2.0 <= session.speech_s < 5.0
    assert session.percent == min(100 // 3, int(100 * session.speech_s / 20))
    (stored,) = session.save().member.exemplars
    assert stored.speech_s == pytest.approx(session.speech_s)
    assert new_home.identify(cast["Leo"]["heard"][0]).member == "Leo"
    again = new_home.enroll("Leo", leo_words, consent=True)
    assert "ok" not in [verdict.reason for verdict in again.clips]


def test_words_of_another_are_not_mixed_in(new_home, leo_words, ben_words):
    session = new_home.session("Leo", consent=True)
    for word in [leo_words[0], ben_words[0], leo_words[1], leo_words[2], leo_words[3]]:
        session.add(word)
    reasons = [verdict.reason for verdict in session.verdicts]
    assert reasons[1] == "too_short"
    assert reasons.count("ok") >= 2


def test_one_word_is_refused_as_before(new_home, leo_words):
    enrolled = new_home.enroll("Leo", leo_words[:1], consent=True)
    assert [verdict.reason for verdict in enrolled.clips] == ["too_short"]
    assert enrolled.member is None
    twice = new_home.enroll("Leo", [leo_words[0]] * 3, consent=True)
    assert [verdict.reason for verdict in twice.clips] == ["too_short", "same_clip", "same_clip"]


def test_words_are_kept_as_they_were_heard(new_home, leo_words, tmp_path):
    vault = Vault.load(tmp_path / "home.key", create=True)
    enrolled = new_home.enroll("Leo", leo_words, consent=True, vault=vault)
    (exemplar,) = enrolled.member.exemplars
    kept = from_flac(new_home.store.recording(exemplar.id, vault))
    assert 2.0 < len(kept) / SAMPLE_RATE_HZ < sum(map(len, leo_words)) / SAMPLE_RATE_HZ


def test_words_of_one_moment_are_one_answer(home, leo_words):
    answer = home.identify_together(leo_words)
    each = [home.identify(word) for word in leo_words]
    assert answer.member == "Leo"
    assert answer.speech_s > max(one.speech_s for one in each)
    assert answer.p_member > np.median([one.p_member or 0.0 for one in each])
    assert answer.hints == ()
    assert home.identify_together(leo_words[:1]).speech_s > 0


def test_somebody_elses_word_is_left_out_and_said(home, leo_words, ben_words, model):
    answer = home.identify_together([*leo_words[:3], ben_words[0]])
    assert answer.member == "Leo"
    assert answer.hints == ("waveform does not sound like the others.",)
    half = home.identify_together([leo_words[0], ben_words[0]])
    assert (half.status, half.member) == ("several_voices", None)
    assert hear_together([leo_words[0], ben_words[0]], model).clip is None


def test_clips_without_a_word_do_not_count(home, leo_words):
    silence = np.zeros(SAMPLE_RATE_HZ, dtype=np.float32)
    assert home.identify_together([silence, *leo_words[:3]]).member == "Leo"
    assert home.identify_together([silence, silence]).status == "no_speech"


@pytest.mark.parametrize("given", [[], "clip.wav", np.zeros(16_000, dtype=np.float32)])
def test_it_takes_a_list(home, given):
    with pytest.raises(SpkidError, match="expected a list of clips"):
        home.identify_together(given)


def test_on_the_command_line(spkid, cast, tmp_path):
    import soundfile

    for number, word in enumerate(words_of(cast["Leo"]["enroll"][0])):
        soundfile.write(tmp_path / f"{number}.wav", word, SAMPLE_RATE_HZ)
    words = sorted(tmp_path.glob("*.wav"))
    code, out, _ = spkid("enroll", *words, *LEO, "--consent")
    assert code == 0
    assert "accepted" in out
    assert spkid("enroll", cast["Leo"]["enroll"][1], *LEO)[0] == 0
    code, out, _ = spkid("identify", *words[:3], "--together", "--json")
    (answer,) = json.loads(out)
    assert code == 0
    assert answer["member"] == "Leo"
    assert answer["clip"] == " + ".join(map(str, words[:3]))
    assert "0.wav + 1.wav" in spkid("identify", *words[:2], "--together")[1]
