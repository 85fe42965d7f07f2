"""Who spoke when: windows, the path through them, and real clips one after the other."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile

from enrollment import Household, Store
from enrollment.matching import decide
from enrollment.timeline import (
    USUAL_SMOOTHING,
    Judge,
    Recording,
    Segment,
    of_one_voice,
    rttm,
    segments_of,
    with_both_named,
)
from enrollment.turns import Stretch, Window, best_path, cut, parted, stretches, windows_of
from spkid.audio.ears import FRAME_S, FRAME_SAMPLES, Span, listen
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio


def naive_path(gains, costs):
    """Every sequence of states is tried."""

    def worth(path):
        changes = [cost for cost, a, b in zip(costs, path, path[1:], strict=False) if a != b]
        return sum(gain[state] for gain, state in zip(gains, path, strict=True)) - sum(changes)

    return max(itertools.product(range(gains.shape[1]), repeat=len(gains)), key=worth)


@pytest.mark.parametrize("seed", range(20))
def test_the_path_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    gains = rng.normal(size=(6, 3)) * 3
    costs = rng.uniform(0, 6, size=5)
    assert tuple(best_path(gains, switch_costs=costs)) == naive_path(gains, costs)


def test_one_window_has_a_path():
    assert best_path([[0.0, 2.0, 1.0]], switch_costs=[]).tolist() == [1]


@pytest.mark.parametrize("longest_pause", [0, 1, 3])
def test_stretches_bridge_short_pauses(longest_pause):
    is_speech = np.random.default_rng(longest_pause).random(200) < 0.4
    expected, pause = [], longest_pause + 1
    for chunk, spoken in enumerate(is_speech):
        if spoken and pause > longest_pause:
            expected.append([chunk, chunk + 1])
        elif spoken:
            expected[-1][1] = chunk + 1
        pause = 0 if spoken else pause + 1
    found = stretches(is_speech, longest_pause=longest_pause)
    assert [[part.first, part.end] for part in found] == expected
    assert stretches(np.zeros(5, dtype=bool), longest_pause=1) == []


def test_stretches_begin_earlier_and_end_later_but_not_outside():
    is_speech = np.array([0, 1, 1, 0, 0, 0, 0, 0, 0, 1], dtype=bool)
    found = stretches(is_speech, longest_pause=4, margin=2)
    assert found == [Stretch(0, 5), Stretch(7, 10)]


def test_a_stretch_is_cut_where_a_new_voice_begins_and_enough_is_on_both_sides():
    is_speech = np.ones(100, dtype=bool)
    is_speech[60:70] = False
    cuts = np.array([5, 25, 40, 80, 95])
    assert parted(Stretch(10, 100), cuts, is_speech, least=20) == [
        Stretch(10, 40),  # 25 would leave 15 before it
        Stretch(40, 80),
        Stretch(80, 100),
    ]
    assert parted(Stretch(10, 100), cuts, is_speech, least=41) == [Stretch(10, 100)]


def test_where_a_new_voice_begins_stands_in_the_first_window():
    found = windows_of(Stretch(10, 30), window=10, step=5, is_new=True)
    assert [window.is_new for window in found] == [True, False, False, False]


def test_the_voice_changes_more_easily_where_a_new_one_is_heard(judge):
    even = replace(USUAL_SMOOTHING, switch_cost=1e6, new_voice_cost=0.1)
    heard = heard_as(judge, [0, 0, 1, 1])
    assert len({part.who for part in segments_of(heard, judge, even)}) == 1
    windows = list(heard.windows)
    windows[2] = replace(windows[2], is_new=True)
    told = segments_of(replace(heard, windows=tuple(windows)), judge, even)
    assert [part.who for part in told] == ["Ana", "Ben"]


def test_a_turn_in_which_several_speak_is_doubtful(judge):
    heard = heard_as(judge, [0, 0, 0, 0])
    for n_several, status in ((100, "known"), (140, "doubtful")):
        is_several = np.arange(240) < n_several
        (segment,) = segments_of(replace(heard, is_several=is_several), judge, USUAL_SMOOTHING)
        assert segment.status == status


def test_both_are_named_where_one_turn_runs_over_the_next():
    one = Segment(0.0, 4.0, "Ana", "known", 0.9)
    other = Segment(4.0, 8.0, "Ben", "known", 0.9)
    for overlap, ends in [
        (Span(3.5, 4.2), (4.2, 3.5)),
        (Span(4.2, 4.5), (4.5, 4.0)),
        (Span(6.0, 7.0), (4.0, 4.0)),  # far from where they meet
    ]:
        first, second = with_both_named([other, one], [overlap])
        assert (first.end_s, second.start_s) == ends
    stranger = replace(other, who=None, status="unknown")
    assert with_both_named([one, stranger], [Span(3.5, 4.2)]) == [one, stranger]


def test_frames_in_which_several_speak_are_not_embedded_where_others_are_enough():
    samples = np.repeat(np.arange(50, dtype=np.float32), FRAME_SAMPLES)
    is_several = np.arange(50) >= 35
    assert set(of_one_voice(samples, is_several)) == set(range(35))
    np.testing.assert_array_equal(of_one_voice(samples, ~is_several), samples)


def test_windows_lie_around_their_parts():
    assert windows_of(Stretch(10, 30), window=10, step=5) == [
        Window(10, 20, 10, 15),
        Window(12, 22, 15, 20),
        Window(17, 27, 20, 25),
        Window(20, 30, 25, 30),
    ]
    assert windows_of(Stretch(3, 9), window=10, step=5) == [Window(3, 9, 3, 9)]


@pytest.mark.parametrize("n_block", [100, 5_000, 100_000])
def test_cutting_a_stream_is_cutting_the_whole(n_block):
    samples = np.random.default_rng(0).normal(size=60 * FRAME_SAMPLES - 7).astype(np.float32)
    windows = [
        Window(2, 6, 2, 6),
        Window(4, 8, 6, 8),
        Window(40, 41, 40, 41),
        Window(55, 60, 55, 60),
    ]
    blocks = (samples[first : first + n_block] for first in range(0, len(samples), n_block))
    for window, piece in zip(windows, cut(blocks, windows), strict=True):
        whole = samples[window.first * FRAME_SAMPLES : window.end * FRAME_SAMPLES]
        np.testing.assert_array_equal(piece, whole)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    return tmp_path_factory.mktemp("timeline") / "store.sqlite3"


@pytest.fixture(scope="module")
def home(place, model, cast):
    with Store.open(place) as store:
        household = Household(store, "home", model=model)
        for name in ("Ana", "Ben"):
            household.enroll(name, cast[name]["enroll"], consent=True)
        yield household


@pytest.fixture(scope="module")
def judge(home):
    return Judge(home.members(), home.model.calibration, 0.05)


def by_telephone(member):
    """The member, enrolled by telephone."""
    clips = [replace(clip, is_narrowband=True) for clip in member.exemplars]
    return replace(member, exemplars=tuple(clips))


def test_without_a_cost_windows_are_decided_as_clips_are(judge):
    rng = np.random.default_rng(0)
    towards = np.stack([member.vector for member in judge.members] * 40)
    vectors = towards * rng.uniform(0, 0.12, size=(80, 1)) + rng.normal(size=(80, 192)) / 192
    vectors = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    seconds = rng.uniform(0.6, 3, size=80)
    is_narrowband = rng.random(80) < 0.5
    ana, *others = judge.members
    judge = Judge(
        [by_telephone(ana), *others], replace(judge.calibration, narrowband_margin=2.0), 0.05
    )
    winners = judge.gains(vectors, seconds, is_narrowband).argmax(axis=1)
    decisions = [
        decide(
            vector,
            judge.members,
            judge.calibration,
            false_accept_rate=0.05,
            speech_s=long_s,
            is_narrowband=narrow,
        )
        for vector, long_s, narrow in zip(vectors, seconds, is_narrowband, strict=True)
    ]
    unknown = [decision.status == "unknown" for decision in decisions]
    assert 10 < sum(unknown) < 70
    assert (winners == len(judge.members)).tolist() == unknown
    for winner, decision in zip(winners, decisions, strict=True):
        if decision.status == "known":
            assert judge.members[winner].name == decision.member


def heard_as(judge, order, *, n_chunks=60, pause=0):
    """Windows that sound exactly like the members named by ``order``."""
    firsts = [place * (n_chunks + pause) for place in range(len(order))]
    windows = tuple(Window(first, first + n_chunks, first, first + n_chunks) for first in firsts)
    is_speech = np.ones(firsts[-1] + n_chunks, dtype=bool)
    vectors = np.stack([judge.members[k].vector for k in order]).astype(np.float32)
    is_narrowband = np.zeros(len(order), dtype=bool)
    return Recording(is_speech, np.zeros_like(is_speech), windows, vectors, is_narrowband, ())


def test_by_telephone_a_turn_needs_more(judge):
    heard = heard_as(judge, [0, 0, 0])
    calibration = replace(judge.calibration, narrowband_margin=100.0)
    deaf = Judge([by_telephone(member) for member in judge.members], calibration, 0.05)
    for n_narrow, who in ((0, "Ana"), (1, "Ana"), (2, None), (3, None)):
        is_narrowband = np.arange(3) < n_narrow
        even = replace(USUAL_SMOOTHING, switch_cost=1e6)
        (segment,) = segments_of(replace(heard, is_narrowband=is_narrowband), deaf, even)
        assert segment.who == who


def test_a_turn_whose_windows_disagree_is_doubtful(judge):
    stubborn = replace(USUAL_SMOOTHING, switch_cost=1e6, doubtful_share=0.3)
    (segment,) = segments_of(heard_as(judge, [0, 1, 0, 1]), judge, stubborn)
    assert segment == Segment(0.0, 240 * FRAME_S, None, "doubtful", None)
    (segment,) = segments_of(heard_as(judge, [0, 0, 0, 0, 1]), judge, stubborn)
    assert (segment.who, segment.status) == ("Ana", "known")


def test_a_change_of_voice_cuts_and_a_pause_does_not_rename(judge):
    light = replace(USUAL_SMOOTHING, switch_cost=0.1)
    cuts = segments_of(heard_as(judge, [0, 0, 1]), judge, light)
    assert [(part.start_s, part.end_s, part.who) for part in cuts] == [
        (0.0, 120 * FRAME_S, "Ana"),
        (120 * FRAME_S, 180 * FRAME_S, "Ben"),
    ]
    paused = segments_of(heard_as(judge, [0, 0], pause=12), judge, USUAL_SMOOTHING)
    assert [part.start_s for part in paused] == [0.0, 72 * FRAME_S]
    assert paused[0].probability == paused[1].probability


def test_rttm_has_names_of_one_word():
    parts = [
        Segment(0.5, 2.0, "Ana <Maria> 5%", "known", 0.9),
        Segment(2.0, 2.25, None, "too_short", None),
    ]
    assert rttm(parts, "a day") == (
        "SPEAKER a%20day 1 0.500 1.500 <NA> <NA> Ana%20%3CMaria%3E%205%25 <NA> <NA>\n"
        "SPEAKER a%20day 1 2.000 0.250 <NA> <NA> <too_short> <NA> <NA>\n"
    )


@pytest.fixture(scope="module")
def recording(cast, tmp_path_factory):
    """Real clips with 1 s between them, and where each begins and ends."""
    order = [("Ana", 0), ("Ben", 0), ("a visitor", 0), ("Ana", 1), ("Ben", 1), ("a visitor", 1)]
    samples, spans, position = [], [], 0
    for name, which in order:
        clip = load_audio(cast[name]["heard"][which])
        spans.append((position / SAMPLE_RATE_HZ, (position + len(clip)) / SAMPLE_RATE_HZ, name))
        samples += [clip, np.zeros(SAMPLE_RATE_HZ, dtype=np.float32)]
        position += len(clip) + SAMPLE_RATE_HZ
    path = tmp_path_factory.mktemp("recording") / "long day.wav"
    soundfile.write(path, np.concatenate(samples), SAMPLE_RATE_HZ)
    return path, spans


def test_real_clips_get_their_speakers(home, recording):
    path, spans = recording
    segments = home.timeline(path)
    answers = {"a visitor": "unknown"}
    right_s = wrong_s = total_s = 0.0
    for segment in segments:
        (name,) = [who for start_s, end_s, who in spans if start_s <= segment.start_s < end_s]
        assert segment.end_s <= next(end_s for _, end_s, who in spans if segment.start_s < end_s)
        long_s = segment.end_s - segment.start_s
        total_s += long_s
        right_s += long_s * ((segment.who or segment.status) == answers.get(name, name))
        wrong_s += long_s * (segment.who is not None and segment.who != name)
    assert 20 < total_s < 40
    assert right_s > 0.9 * total_s
    assert wrong_s == 0


def without_pauses(clip):
    is_speech = listen(clip).is_said
    n_whole = len(is_speech)
    return clip[: n_whole * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)[is_speech].ravel()


def test_a_change_without_a_pause_is_found(home, cast, tmp_path):
    first, second = (without_pauses(load_audio(cast[name]["heard"][0])) for name in ("Ana", "Ben"))
    path = tmp_path / "both.wav"
    soundfile.write(path, np.concatenate([first, second]), SAMPLE_RATE_HZ)
    named = [part for part in home.timeline(path) if part.who]
    assert [part.who for part in named][:: len(named) - 1] == ["Ana", "Ben"]
    change_s = len(first) / SAMPLE_RATE_HZ
    assert all(part.end_s < change_s + 0.7 for part in named if part.who == "Ana")
    assert all(part.start_s > change_s - 0.7 for part in named if part.who == "Ben")


def test_the_command_writes_table_rttm_and_picture(spkid, home, place, recording, tmp_path):
    path, _ = recording
    outputs = ("--out-rttm", tmp_path / "day.rttm", "--plot", tmp_path / "day.png")
    own = ("--household", "home", "--store", place)
    code, printed, said = spkid("timeline", path, *own, *outputs)
    assert code == 0, said
    assert "Ana" in printed
    assert "0:00:0" in printed
    lines = (tmp_path / "day.rttm").read_text().splitlines()
    assert (tmp_path / "day.png").read_bytes().startswith(b"\x89PNG")
    code, printed, _ = spkid("timeline", path, *own, "--json")
    segments = json.loads(printed)["segments"]
    assert len(segments) == len(lines)
    assert lines[0].split()[:4] == ["SPEAKER", "long%20day", "1", f"{segments[0]['start_s']:.3f}"]


def test_the_command_puts_names_onto_a_transcript(spkid, home, place, recording, tmp_path):
    path, spans = recording
    (start_s, end_s, who), (second_s, _, other) = spans[0], spans[1]
    srt, out = tmp_path / "day.srt", tmp_path / "named.srt"
    srt.write_text(
        f"1\n00:00:{start_s:06.3f} --> 00:00:{end_s:06.3f}\nfirst\n\n"
        f"2\n00:00:{second_s:06.3f} --> 00:00:{second_s + 2:06.3f}\nsecond\n"
    )
    own = ("--household", "home", "--store", place)
    code, _, said = spkid("timeline", path, *own, "--transcript", srt, "--out-transcript", out)
    assert code == 0, said
    assert f"{who}: first" in out.read_text()
    assert f"{other}: second" in out.read_text()
    for words in (("--transcript", srt), ("--transcript", srt, "--out-transcript", srt)):
        assert spkid("timeline", path, *own, *words)[0] == 2


def test_bad_input_is_one_sentence(spkid, home, place, recording, tmp_path):
    path, _ = recording
    silence, broken = tmp_path / "silence.wav", tmp_path / "broken.wav"
    soundfile.write(silence, np.zeros(3 * SAMPLE_RATE_HZ), SAMPLE_RATE_HZ)
    broken.write_bytes(b"RIFF and nothing")
    own = ("--household", "home", "--store", place)
    for words, sentence in [
        ((silence, *own), "no speech heard"),
        ((broken, *own), "not audio"),
        ((tmp_path / "none.wav", *own), "no such file"),
        ((path, "--household", "cabin", *own[2:]), "cabin"),
        ((path, *own, "--plot", tmp_path / "day.pdf"), ".png or .svg"),
        ((path, *own, "--out-rttm", tmp_path / "no" / "day.rttm"), "no such folder to write to"),
        ((path, *own, "--plot", tmp_path / "no" / "day.png"), "no such folder to write to"),
    ]:
        code, printed, said = spkid("timeline", *words)
        assert (code, printed) == (2, "")
        assert sentence in said
        assert len(said.strip().splitlines()) == 1
