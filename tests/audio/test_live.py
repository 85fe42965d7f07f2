"""A live stream: frames of any size, where speech begins and ends, and what is wrong."""

from __future__ import annotations

import numpy as np
import pytest

from spkid.audio.ears import FRAME_SAMPLES, Frames
from spkid.audio.events import (
    BadFrame,
    DeadMicrophone,
    Gap,
    LiveMicrophone,
    Ongoing,
    SpeechBegan,
    Utterance,
)
from spkid.audio.live import LiveSound
from spkid.audio.pcm import DEAD_S, PcmReader, Piece
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.audio.speech import assess
from spkid.audio.utterances import MARGIN_FRAMES, Cutting, Utterances
from spkid.errors import SpkidError


def hush(seconds: float) -> np.ndarray:
    rng = np.random.default_rng(0)
    return (rng.normal(size=round(seconds * SAMPLE_RATE_HZ)) * 1e-4).astype(np.float32)


@pytest.fixture(scope="module")
def voice(cast):
    """Four seconds of a clip of Ana's."""
    return load_audio(cast["Ana"]["heard"][0])[: 4 * SAMPLE_RATE_HZ]


@pytest.fixture(scope="module")
def stream(voice):
    """Two stretches of speech between near silence."""
    return np.concatenate([hush(1), voice, hush(2), voice, hush(1)])


def told(sound: LiveSound, frames) -> list:
    events = [event for frame in frames for event in sound.feed(frame)]
    return [each for each in [*events, *sound.finish()] if not isinstance(each, Ongoing)]


def in_frames(samples: np.ndarray, n: int) -> list[np.ndarray]:
    return [samples[start : start + n] for start in range(0, len(samples), n)]


def kinds(events) -> list[type]:
    return [type(event) for event in events]


@pytest.mark.parametrize("n_samples", [160, 1_111, 10**6])
def test_the_size_of_the_frames_changes_nothing(stream, n_samples):
    events = told(LiveSound(SAMPLE_RATE_HZ), in_frames(stream, n_samples))
    expected = told(LiveSound(SAMPLE_RATE_HZ), in_frames(stream, 4_000))
    assert kinds(events) == kinds(expected)
    for event, other in zip(events, expected, strict=True):
        if isinstance(event, Utterance):
            assert event.start_s == other.start_s
            np.testing.assert_array_equal(event.waveform, other.waveform)
        else:
            assert event == other


def test_speech_begins_and_ends_where_it_does(stream, voice):
    events = told(LiveSound(SAMPLE_RATE_HZ), in_frames(stream, 800))
    began = [event.at_s for event in events if isinstance(event, SpeechBegan)]
    ended = [event.end_s for event in events if isinstance(event, Utterance)]
    assert began[0] == pytest.approx(1.65, abs=0.15)  # 0.65 s of the clip are a breath before
    assert all(not 5.5 < at_s < 6.5 for at_s in began)  # nobody speaks then
    assert ended[-1] == pytest.approx(11.0, abs=1.0)
    heard_s = sum(assess(each.waveform).speech_s for each in events if isinstance(each, Utterance))
    assert heard_s == pytest.approx(2 * assess(voice).speech_s, rel=0.15)


def test_an_utterance_is_that_part_of_the_stream(stream):
    events = told(LiveSound(SAMPLE_RATE_HZ), in_frames(stream, 777))
    for each in (event for event in events if isinstance(event, Utterance)):
        start = round(each.start_s * SAMPLE_RATE_HZ)
        np.testing.assert_array_equal(each.waveform, stream[start:][: len(each.waveform)])


def test_what_two_bytes_make_is_a_sample_whichever_frame_they_come_in(stream):
    integers = np.round(stream * 32_767).astype("<i2")
    content = integers.tobytes()
    as_bytes = told(
        LiveSound(SAMPLE_RATE_HZ), [content[i : i + 999] for i in range(0, len(content), 999)]
    )
    as_array = told(LiveSound(SAMPLE_RATE_HZ), in_frames(integers, 1_600))
    assert kinds(as_bytes) == kinds(as_array)
    for event, other in zip(as_bytes, as_array, strict=True):
        if isinstance(event, Utterance):
            np.testing.assert_array_equal(event.waveform, other.waveform)


def test_another_rate_is_resampled_as_a_file_is(voice):
    import soxr

    fast = soxr.resample(voice, SAMPLE_RATE_HZ, 44_100)
    reader = PcmReader(44_100)
    pieces = [
        piece.samples
        for frame in in_frames(fast, 441)
        for piece in reader.take(frame)
        if isinstance(piece, Piece)
    ]
    heard = np.concatenate([*pieces, reader.finish().samples])
    np.testing.assert_allclose(heard, load_audio((fast, 44_100)), atol=1e-5)


def test_little_speech_waits_for_more_and_long_speech_is_cut(voice):
    word = voice[8_000:17_600]  # 0.4 s of it speech
    words = np.concatenate([np.zeros(16_000, np.float32), word, hush(1), word, hush(3)])

    def n_heard(own):
        return kinds(told(LiveSound(SAMPLE_RATE_HZ, own), [words])).count(Utterance)

    assert n_heard(Cutting(least_speech_s=2.0, pause_s=0.5)) == 1
    assert n_heard(Cutting(least_speech_s=0.2, pause_s=0.5)) == 2
    speech = np.concatenate([hush(1), *[voice] * 4, hush(1)])
    cutting = Cutting(pause_s=3.0, longest_s=5.0)
    utterances = [
        e for e in told(LiveSound(SAMPLE_RATE_HZ, cutting), [speech]) if isinstance(e, Utterance)
    ]
    assert len(utterances) >= 3
    assert max(each.end_s - each.start_s for each in utterances) <= 5.0 + 1e-9


@pytest.mark.parametrize("level", [0.0, 1e-4, 1e-3])
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_a_single_word_is_heard_out_of_digital_silence_too(voice, level, gain):
    noise = level * np.random.default_rng(0).standard_normal(5 * SAMPLE_RATE_HZ, np.float32)
    sound = noise.copy()
    sound[32_000:41_600] += voice[8_000:17_600]
    events = told(LiveSound(SAMPLE_RATE_HZ), in_frames(gain * sound, 1_600))
    assert kinds(events) == [SpeechBegan, Utterance]
    assert events[0].at_s == pytest.approx(2.2, abs=0.15)
    assert told(LiveSound(SAMPLE_RATE_HZ), [gain * noise[: 4 * SAMPLE_RATE_HZ]]) == []


def test_the_ongoing_speech_can_be_cut_and_nothing_is_lost(voice):
    utterances = Utterances(0.0)
    parts = []
    for event in utterances.take(np.concatenate([hush(1), voice])):
        if isinstance(event, Ongoing) and event.speech_s > 1 and not parts:
            n_frames = len(event.frames.voices) - 20
            parts.append(utterances.split(n_frames))
            later = utterances.ongoing()
            assert later.start_s == pytest.approx(parts[0].end_s)
            assert len(later.frames.voices) == 20
            assert later.speech_s == pytest.approx(0.02 * later.frames.is_speech.sum())
        elif isinstance(event, Utterance):
            parts.append(event)
    parts += [event for event in utterances.finish() if isinstance(event, Utterance)]
    assert len(parts) >= 2
    assert parts[1].start_s == pytest.approx(parts[0].end_s)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (np.full(800, np.nan, dtype=np.float32), "not_finite"),
        (np.full(800, np.inf), "not_finite"),
        ("speech", "bad_sound"),
        (None, "bad_sound"),
        (np.zeros(800, dtype=np.uint8), "bad_sound"),
        (np.full(800, 20_000.0), "bad_sound"),
        (np.zeros((800, 2), dtype=np.int16), "bad_shape"),
        (np.zeros((2, 2, 2), dtype=np.int16), "bad_shape"),
        ([[1.0], [1.0, 2.0]], "bad_sound"),
    ],
)
def test_a_bad_frame_is_an_event_and_nothing_is_joined_over_it(voice, frame, code):
    middle = 2 * SAMPLE_RATE_HZ
    frames = [voice[:middle], frame, frame, voice[middle:]]
    events = told(LiveSound(SAMPLE_RATE_HZ), frames)
    (bad,) = (event for event in events if isinstance(event, BadFrame))
    assert (bad.code, bad.at_s) == (code, 2.0)
    before = [e for e in events[: events.index(bad)] if isinstance(e, Utterance)]
    after = [e for e in events[events.index(bad) :] if isinstance(e, Utterance)]
    assert before[-1].end_s <= 2.0
    n_lost = 2 * 800 if isinstance(frame, np.ndarray) and len(frame) == 800 else 0
    assert all(each.start_s >= 2.0 for each in after)
    assert after[0].start_s == pytest.approx(2.0 + n_lost / SAMPLE_RATE_HZ, abs=1.5)


def test_a_gap_and_what_comes_late(voice):
    sound = LiveSound(SAMPLE_RATE_HZ)
    second = in_frames(voice, SAMPLE_RATE_HZ)
    first = list(sound.feed(second[0], at_s=0.0))
    assert Gap not in kinds(first)
    assert Gap not in kinds(sound.feed(second[1], at_s=1.005))  # a clock's tick
    late = [e for e in sound.feed(second[0], at_s=0.0) if isinstance(e, BadFrame)]
    assert [event.code for event in late] == ["out_of_order"]
    assert [e for e in sound.feed(second[0], at_s=float("nan")) if isinstance(e, BadFrame)] == []
    events = [e for e in sound.feed(second[2], at_s=4.5) if not isinstance(e, Ongoing)]
    (gap,) = (event for event in events if isinstance(event, Gap))
    assert (gap.at_s, gap.missing_s) == (2.0, 2.5)
    before, after = events[: events.index(gap)], events[events.index(gap) + 1 :]
    assert [event.end_s <= 2.0 for event in before] == [True]
    assert all(event.at_s >= 4.5 for event in after)
    list(sound.feed(second[3]))
    (rest,) = (event for event in sound.finish() if isinstance(event, Utterance))
    assert rest.start_s >= 4.5
    start = round((rest.start_s - 4.5) * SAMPLE_RATE_HZ)
    np.testing.assert_array_equal(
        rest.waveform, voice[2 * SAMPLE_RATE_HZ + start :][: len(rest.waveform)]
    )


@pytest.mark.parametrize("value", [0.0, 0.25])
@pytest.mark.parametrize("n_samples", [320, 5_000, 40 * SAMPLE_RATE_HZ])
def test_a_dead_microphone_is_told_once_and_so_is_that_it_lives(voice, value, n_samples):
    still = np.full(20 * SAMPLE_RATE_HZ, value, dtype=np.float32)
    sound = np.concatenate([voice, still, voice, still])
    events = told(LiveSound(SAMPLE_RATE_HZ), in_frames(sound, n_samples))
    faults = [event for event in events if isinstance(event, DeadMicrophone | LiveMicrophone)]
    assert kinds(faults) == [DeadMicrophone, LiveMicrophone, DeadMicrophone]
    assert faults[0].at_s == pytest.approx(4.0, abs=0.05)
    assert faults[1].at_s == pytest.approx(24.0, abs=1.0)
    assert faults[2].at_s == pytest.approx(28.0, abs=0.05)
    assert Utterance in kinds(events[events.index(faults[1]) : events.index(faults[2])])


def test_one_frame_again_and_again_is_a_dead_microphone_too(voice):
    frame = voice[16_000:16_320]
    n = round(DEAD_S / 0.02) + 10
    assert DeadMicrophone in kinds(told(LiveSound(SAMPLE_RATE_HZ), [frame] * n))
    silence = [np.zeros(320, dtype=np.float32)] * round(0.8 * DEAD_S / 0.02)
    assert told(LiveSound(SAMPLE_RATE_HZ), silence) == []


def test_a_stream_at_another_rate_goes_on_after_faults_and_its_end(voice):
    import soxr

    slow = soxr.resample(voice, SAMPLE_RATE_HZ, 8_000)
    content = np.round(32_767 * slow).astype("<i2").tobytes()
    sound = LiveSound(8_000)
    for at_s in (1_000.0, 2_000.0):  # the stream goes on after its end
        events = [*sound.feed(content[:20_001]), *sound.feed(None), *sound.feed(content[20_001:])]
        events += sound.feed(bytes(2 * 8_000 * 8))
        events += [*sound.feed("no sound"), *sound.feed(content, at_s=at_s), *sound.finish()]
        found = kinds(event for event in events if not isinstance(event, Ongoing))
        assert found.count(Utterance) >= 3
        assert found.count(BadFrame) == 2
        assert found.count(DeadMicrophone) == 1


def test_half_a_sample_is_kept_over_a_gap(voice):
    content = np.round(32_767 * voice).astype("<i2").tobytes()
    reader = PcmReader(SAMPLE_RATE_HZ)
    list(reader.take(content[:1_000]))
    later = [*reader.take(content[1_000:2_001], at_s=5.0), *reader.take(content[2_001:4_000])]
    heard = np.concatenate([piece.samples for piece in later if isinstance(piece, Piece)])
    expected = np.frombuffer(content[1_000:4_000], "<i2") / np.float32(32_768)
    np.testing.assert_allclose(heard, expected, atol=1e-6)


def test_a_buffer_that_its_owner_fills_again_is_no_frozen_microphone(voice):
    buffer = np.empty(320, dtype=np.float32)
    reader = PcmReader(SAMPLE_RATE_HZ)
    for _ in range(3):
        for frame in in_frames(voice, 320):
            buffer[:] = frame
            assert DeadMicrophone not in kinds(reader.take(buffer))


@pytest.mark.parametrize("rate_hz", [0, -1, 1e9, float("nan"), "16000", None, True])
def test_a_rate_that_no_sound_has_is_refused(rate_hz):
    with pytest.raises(SpkidError) as caught:
        LiveSound(rate_hz)
    assert caught.value.code == "no_rate"


def test_at_most_the_longest_utterance_is_held_however_long_the_stream(monkeypatch):
    def loud_is_speech(waveform):
        frames = waveform[: len(waveform) // FRAME_SAMPLES * FRAME_SAMPLES]
        is_loud = frames.reshape(-1, FRAME_SAMPLES).std(axis=1) > 0.1
        voices = np.stack([~is_loud, is_loud, 0 * is_loud], axis=1).astype(np.float32)
        return Frames(voices, np.zeros(len(voices), dtype=np.float32))

    monkeypatch.setattr("spkid.audio.utterances.listen", loud_is_speech)
    rng = np.random.default_rng(0)
    utterances, n_held, ended_s = Utterances(0.0), [], []
    for second in range(1_200):
        talks = 0.97 if second % 600 < 200 else rng.random() ** 4  # three minutes without a pause
        is_loud = np.repeat(rng.random(50) < talks, FRAME_SAMPLES)
        samples = (is_loud * rng.standard_normal(SAMPLE_RATE_HZ)).astype(np.float32)
        for event in utterances.take(samples):
            if isinstance(event, Utterance):
                ended_s.append(event.end_s - event.start_s)
        n_held.append(len(utterances._held) / SAMPLE_RATE_HZ)
    assert len(ended_s) > 20
    assert max(ended_s) <= Cutting().longest_s
    assert max(n_held) <= Cutting().longest_s + 5
    assert len(utterances._voices) * 0.02 <= Cutting().longest_s + 5


def test_no_sound_is_held_while_nobody_speaks():
    utterances = Utterances(0.0)
    for _ in range(20):
        assert list(utterances.take(hush(1))) == []
    assert len(utterances._held) < 4 * SAMPLE_RATE_HZ
    assert len(utterances._voices) < 4 * 50 + MARGIN_FRAMES
