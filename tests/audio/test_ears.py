"""The ears: what is heard every 20 ms."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from spkid.audio import ears
from spkid.audio.ears import FRAME_SAMPLES, Frames, Span, joined, listen, listen_to, runs, spans
from spkid.audio.reading import load_audio
from spkid.errors import SpkidError


@pytest.fixture(scope="module")
def speech(clips):
    return load_audio(next(iter(clips.values())))


@pytest.mark.parametrize("n_samples", [0, 1, 319, 320, 321, 4_000])
def test_there_is_a_frame_for_every_whole_20_ms(n_samples):
    heard = listen(np.zeros(n_samples, np.float32))
    assert heard.voices.shape == (n_samples // FRAME_SAMPLES, 3)
    assert heard.new_voice.shape == (n_samples // FRAME_SAMPLES,)


def test_probabilities_add_up(speech):
    heard = listen(speech)
    np.testing.assert_allclose(heard.voices.sum(axis=1), 1, atol=1e-5)
    assert ((heard.new_voice >= 0) & (heard.new_voice <= 1)).all()


def test_one_voice_is_heard_in_speech_and_nobody_in_silence_hiss_or_a_tone(speech, clips):
    for path in clips.values():
        heard = listen(load_audio(path))
        assert heard.is_speech.mean() > 0.2
        assert heard.is_several.mean() < 0.03
    rng = np.random.default_rng(0)
    time_s = np.arange(48_000) / 16_000
    for sound in (
        np.zeros(48_000),
        0.1 * rng.standard_normal(48_000),
        0.3 * np.sin(2 * np.pi * 440 * time_s),
    ):
        assert listen(sound.astype(np.float32)).is_speech.mean() < 0.05


def test_single_words_are_heard_in_digital_silence(clips):
    n_heard = 0
    for path in clips.values():
        clip, sound = load_audio(path), np.zeros(64_000, np.float32)
        middle = int(np.median(np.flatnonzero(listen(clip).is_speech))) * FRAME_SAMPLES
        sound[32_000:41_600] = clip[middle - 4_800 : middle + 4_800]
        heard = np.flatnonzero(listen(sound).is_speech)
        n_heard += len(heard) >= 5 and 95 <= heard[0] <= heard[-1] < 135
    assert n_heard >= len(clips) - 2


@pytest.mark.parametrize(("gain", "offset"), [(0.01, 0.0), (0.5, 0.2), (3.0, -0.1)])
def test_level_and_offset_do_not_matter(speech, gain, offset):
    plain, other = listen(speech), listen((gain * speech + offset).astype(np.float32))
    np.testing.assert_allclose(other.voices, plain.voices, atol=0.05)


def test_long_sound_is_heard_in_windows_as_it_is_as_a_whole(speech, monkeypatch):
    long = np.tile(speech, 4)[: 16_000 * 16]
    whole = listen(long)
    monkeypatch.setattr(ears, "WINDOW_FRAMES", 250)
    parts = listen(long)
    assert len(parts.voices) == len(whole.voices)
    assert (parts.is_speech == whole.is_speech).mean() > 0.97


@pytest.mark.parametrize("n_block", [1_000, 77_777, 10**7])
def test_blocks_are_heard_as_the_whole(speech, monkeypatch, n_block):
    monkeypatch.setattr(ears, "WINDOW_FRAMES", 250)
    for n_samples in (0, 100, 16_000 * 4, 16_000 * 8 + 7, 16_000 * 21):
        long = np.resize(speech, n_samples)
        blocks = (long[first : first + n_block] for first in range(0, n_samples, n_block))
        parts, whole = list(listen_to(blocks)), listen(long)
        assert all(len(part.voices) <= 250 for part in parts)
        np.testing.assert_array_equal(joined(parts).voices, whole.voices)
        np.testing.assert_array_equal(joined(parts).new_voice, whole.new_voice)


def naive_runs(is_there, longest_gap):
    found = []
    for frame in np.flatnonzero(is_there):
        if found and frame - found[-1][1] <= longest_gap:
            found[-1][1] = frame + 1
        else:
            found.append([frame, frame + 1])
    return found


@pytest.mark.parametrize("longest_gap", [0, 1, 4])
def test_runs_bridge_short_gaps(longest_gap):
    rng = np.random.default_rng(longest_gap)
    for share in (0.0, 0.2, 0.6, 1.0):
        is_there = rng.random(300) < share
        found = np.stack(runs(is_there, longest_gap=longest_gap), axis=1)
        assert found.tolist() == naive_runs(is_there, longest_gap)


def frames_with(*parts):
    """One voice with each probability for so many frames."""
    speech = np.repeat([p for p, _ in parts], [n for _, n in parts])
    voices = np.stack([1 - speech, speech, np.zeros_like(speech)], axis=1).astype(np.float32)
    return Frames(voices, np.zeros(len(speech), np.float32))


def test_what_never_is_sure_to_be_speech_is_none():
    heard = frames_with((0.1, 10), (0.6, 10), (0.1, 10), (0.6, 5), (0.8, 1), (0.5, 4), (0.1, 10))
    assert np.flatnonzero(heard.is_speech).tolist() == list(range(30, 40))
    assert not frames_with((0.6, 10)).is_speech.any()
    assert frames_with((0.8, 10)).is_speech.all()


def test_what_is_said_has_its_short_silences_and_soft_ends():
    heard = frames_with((0, 20), (1, 10), (0, 10), (1, 10), (0, 11), (1, 10), (0, 1))
    expected = [*range(18, 52), *range(59, 72)]
    assert np.flatnonzero(heard.is_said).tolist() == expected


def test_what_is_no_number_is_refused_and_not_taken_for_nobody(speech):
    damaged = speech.copy()
    damaged[1_000] = np.nan
    with pytest.raises(SpkidError, match="NaN or infinite") as caught:
        listen(damaged)
    assert caught.value.code == "model"


def test_threads_hear_the_same(speech):
    alone = listen(speech)
    with ThreadPoolExecutor(4) as pool:
        for heard in pool.map(listen, [speech] * 8):
            np.testing.assert_array_equal(heard.voices, alone.voices)


def test_a_new_voice_is_the_likeliest_frame_around():
    new_voice = np.zeros(100, np.float32)
    new_voice[[20, 24, 60, 90]] = 0.6, 0.9, 0.7, 0.4
    heard = Frames(np.zeros((100, 3), np.float32), new_voice)
    assert heard.new_voices(0.5).tolist() == [24, 60]
    assert heard.new_voices(0.3).tolist() == [24, 60, 90]
    assert Frames(np.zeros((0, 3), np.float32), np.zeros(0, np.float32)).new_voices().size == 0


def test_spans_are_runs_of_frames_in_seconds():
    there = np.array([1, 1, 0, 0, 1, 0, 1, 1, 1], dtype=bool)
    assert [(round(s.start_s, 2), round(s.end_s, 2)) for s in spans(there)] == [
        (0.0, 0.04),
        (0.08, 0.1),
        (0.12, 0.18),
    ]
    assert len(spans(there, least_s=0.03)) == 2
    assert spans(np.zeros(5, bool)) == ()
    assert isinstance(spans(there)[0], Span)
