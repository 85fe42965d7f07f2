"""Where several speak, and a vector for each voice in turn."""

from __future__ import annotations

import numpy as np
import pytest

from spkid.audio.ears import FRAME_S, Frames
from spkid.audio.speech import assess
from spkid.encoder.company import Company, company_in, of_frames
from spkid.encoder.hearing import Heard


def heard(n_voices, new_voices=()):
    """What the ears hear: the number of voices in each frame, and new voices."""
    frames = Frames(np.eye(3, dtype=np.float32)[n_voices], np.zeros(len(n_voices), np.float32))
    frames.new_voice[list(new_voices)] = 1
    return frames


@pytest.fixture
def waveform():
    return np.random.default_rng(0).standard_normal(250 * 320).astype(np.float32)


def test_one_voice_without_a_change_has_no_company(waveform, encoder):
    frames = heard([0] * 50 + [1] * 150 + [0] * 50)
    assert company_in(waveform, frames, encoder) == Company()


def test_a_change_makes_two_parts_with_their_own_vectors(waveform, encoder):
    frames = heard([1] * 100 + [0] * 20 + [1] * 130, new_voices=[120])
    found = company_in(waveform, frames, encoder)
    first, second = found.parts
    assert (first.span.start_s, first.span.end_s) == pytest.approx((0, 2.0))
    assert (second.span.start_s, second.span.end_s) == pytest.approx((2.4, 5.0))
    assert (first.speech_s, second.speech_s) == pytest.approx((2.0, 2.6))
    np.testing.assert_array_equal(second.vector, encoder.embed(waveform[120 * 320 :]))


def test_overlaps_are_no_part_of_anybodys_vector(waveform, encoder):
    frames = heard([1] * 100 + [2] * 50 + [1] * 100)
    found = company_in(waveform, frames, encoder)
    (overlap,) = found.overlaps
    assert (overlap.start_s, overlap.end_s) == pytest.approx((2.0, 3.0))
    (part,) = found.parts
    alone = np.concatenate([waveform[: 100 * 320], waveform[150 * 320 :]])
    np.testing.assert_array_equal(part.vector, encoder.embed(alone))


def test_parts_with_too_little_speech_are_left_out(waveform, encoder):
    n_short = int(0.5 / FRAME_S)
    frames = heard([1] * n_short + [1] * (250 - n_short), new_voices=[n_short])
    assert [
        round(part.span.start_s, 2) for part in company_in(waveform, frames, encoder).parts
    ] == [0.5]


def test_frames_give_their_samples_in_order():
    samples = np.arange(10 * 320, dtype=np.float32)
    taken = of_frames(samples, np.array([0, 3]))
    np.testing.assert_array_equal(taken, np.r_[samples[:320], samples[960:1280]])


def test_a_vector_of_company_is_never_shown(waveform, encoder):
    frames = heard([1] * 100 + [2] * 50 + [1] * 100)
    found = company_in(waveform, frames, encoder)
    assert "vector" not in repr(found)
    heard_clip = Heard("clip", assess(waveform), "", encoder.embed(waveform), found)
    assert "company" not in repr(heard_clip)
