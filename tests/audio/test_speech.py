"""Voice activity and clip quality, on real speech with noise of a known level."""

from __future__ import annotations

import statistics
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

import spkid
from spkid.audio.ears import FRAME_S, FRAME_SAMPLES, Frames, listen
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, load_audio
from spkid.audio.speech import assess, cut_to_speech, estimate_snr_db, frame_powers

CLIPS = Path(spkid.__file__).parent / "demo" / "clips"
SPEECH_S = 5.0


@pytest.fixture(scope="session")
def speech_clip() -> Waveform:
    """The first demonstration clips, joined until they are five seconds long."""
    joined = np.empty(0, dtype=np.float32)
    for path in sorted(CLIPS.glob("*.opus")):
        joined = np.concatenate([joined, load_audio(path)])
        if len(joined) >= SPEECH_S * SAMPLE_RATE_HZ:
            return joined
    pytest.fail(f"less than {SPEECH_S} s of speech in {CLIPS}")


def white_noise(n_samples: int, *, seed: int = 0) -> Waveform:
    return np.random.default_rng(seed).standard_normal(n_samples).astype(np.float32)


def with_noise(speech: Waveform, snr_db: float) -> Waveform:
    """``speech`` and white noise, ``snr_db`` below the speech where there is speech."""
    is_speech = np.repeat(listen(speech).is_speech, FRAME_SAMPLES)
    heard = speech[: len(is_speech)][is_speech]
    power = np.square(heard).mean() / 10 ** (snr_db / 10)
    mixed = speech + np.sqrt(power) * white_noise(len(speech))
    return (0.5 * mixed / np.abs(mixed).max()).astype(np.float32)


def frames_of(speech) -> Frames:
    """One voice with these probabilities, or nobody."""
    speech = np.asarray(speech, dtype=np.float32)
    voices = np.stack([1 - speech, speech, np.zeros_like(speech)], axis=1)
    return Frames(voices, np.zeros_like(speech))


def naive_snr_db(powers: list[float], probabilities: list[float]) -> float:
    """The definition frame by frame, where the quietest tenth is louder than the background."""
    silent, heard = [], []
    for place, power in enumerate(powers):
        around = probabilities[max(place - 2, 0) : place + 3]
        if max(around) < 0.1:
            silent.append(power)
        if max(around) >= 0.5:  # what is said begins and ends 40 ms around the speech
            heard.append(power)
    background = min(statistics.median(silent), np.quantile(powers, 0.1))
    return 10 * np.log10((sum(heard) / len(heard) - background) / background)


def test_clean_speech_is_ok(speech_clip: Waveform) -> None:
    quality = assess(speech_clip)
    assert quality.verdict == "ok"
    assert quality.duration_s == len(speech_clip) / SAMPLE_RATE_HZ
    assert 0.3 * quality.duration_s < quality.speech_s <= quality.duration_s
    assert quality.snr_db > 15
    assert quality.clipped_share < 0.001
    assert -50 < quality.level_dbfs < 0


@pytest.mark.parametrize(
    "waveform",
    [
        pytest.param(np.zeros(64_000, dtype=np.float32), id="silence"),
        pytest.param(0.1 * white_noise(64_000), id="noise"),
        pytest.param(0.001 * white_noise(64_000), id="hiss"),
        pytest.param(
            0.3 * np.sin(2 * np.pi * 440 * np.arange(64_000, dtype=np.float32) / SAMPLE_RATE_HZ),
            id="tone",
        ),
        pytest.param(np.zeros(100, dtype=np.float32), id="six milliseconds"),
        pytest.param(np.empty(0, dtype=np.float32), id="nothing"),
    ],
)
def test_what_is_not_speech_has_no_speech(waveform: Waveform) -> None:
    quality = assess(waveform)
    assert quality.verdict == "no_speech"
    assert quality.speech_s == 0.0
    assert np.isfinite(quality.level_dbfs)


def test_the_level_is_that_of_the_samples() -> None:
    time_s = np.arange(64_000) / SAMPLE_RATE_HZ
    tone = (0.1 * np.sin(2 * np.pi * 440 * time_s)).astype(np.float32)
    # an amplitude of 0.1 is -20 dB, and the mean square of a sine one half of its peak
    assert assess(tone).level_dbfs == pytest.approx(-23.01, abs=0.01)


def test_speech_too_faint_to_use_is_no_speech(speech_clip: Waveform) -> None:
    assert assess(speech_clip * np.float32(1e-4)).verdict == "no_speech"
    assert assess(speech_clip * np.float32(0.1)).verdict == "ok"


def test_half_a_second_is_too_short(speech_clip: Waveform) -> None:
    speech = listen(speech_clip).speech
    loudest = int(np.argmax(np.convolve(speech, np.ones(25), "valid"))) * FRAME_SAMPLES
    short = np.concatenate(
        [np.zeros(8_000, np.float32), speech_clip[loudest:][:8_000], np.zeros(8_000, np.float32)]
    )
    quality = assess(short)
    assert quality.verdict == "too_short"
    assert 0 < quality.speech_s < 0.6
    assert assess(short, min_speech_s=quality.speech_s).verdict == "ok"


def test_the_least_speech_is_the_callers_choice(speech_clip: Waveform) -> None:
    speech_s = assess(speech_clip).speech_s
    assert assess(speech_clip, min_speech_s=speech_s).verdict == "ok"
    assert assess(speech_clip, min_speech_s=speech_s + FRAME_S).verdict == "too_short"


def test_clipped_speech_is_clipped(speech_clip: Waveform) -> None:
    clipped = np.clip(speech_clip * (20 / np.abs(speech_clip).max()), -1, 1)
    quality = assess(clipped)
    assert quality.verdict == "clipped"
    assert quality.clipped_share == pytest.approx(np.mean(np.abs(clipped) >= 0.995))
    # full scale reached in one sample of two hundred is still fit for use
    loud = speech_clip / np.quantile(np.abs(speech_clip), 0.995)
    assert assess(np.clip(loud, -1, 1).astype(np.float32)).verdict == "ok"


@pytest.mark.parametrize(
    ("snr_db", "verdicts"),
    [
        (20, {"ok"}),
        (10, {"ok"}),
        (0, {"too_noisy"}),
        # the detector itself loses some of the speech here
        (-5, {"too_noisy", "too_short", "no_speech"}),
    ],
)
def test_noise_decides_the_verdict(
    speech_clip: Waveform, snr_db: float, verdicts: set[str]
) -> None:
    assert assess(with_noise(speech_clip, snr_db)).verdict in verdicts


@pytest.mark.parametrize(("snr_db", "tolerance_db"), [(20, 2.5), (10, 1.5), (5, 1.5), (0, 2.0)])
def test_the_estimated_snr_is_the_one_mixed(
    speech_clip: Waveform, snr_db: float, tolerance_db: float
) -> None:
    quality = assess(with_noise(speech_clip, snr_db))
    assert quality.snr_db == pytest.approx(snr_db, abs=tolerance_db)


def test_the_estimate_against_its_definition() -> None:
    rng = np.random.default_rng(0)
    for n_silent in range(12, 32):
        probabilities = np.where(np.arange(60) < n_silent, 0.05, 0.95)
        probabilities[55:] = 0.3  # neither speech nor silence
        powers = np.where(probabilities > 0.5, 1.0, 0.01) * rng.uniform(0.5, 1.5, 60)
        expected = naive_snr_db(powers.tolist(), probabilities.tolist())
        assert estimate_snr_db(powers, frames_of(probabilities)) == pytest.approx(expected)


def test_where_nobody_is_silent_for_sure_the_snr_cannot_be_told() -> None:
    powers = np.array([0.1] * 10 + [1.0] * 50)
    probabilities = np.where(powers == 1.0, 0.9, 0.0)
    frames = frames_of(probabilities)
    expected = 10 * np.log10((50.2 / 52 - 0.1) / 0.1)  # the two frames before count as said
    assert estimate_snr_db(powers, frames) == pytest.approx(expected)
    # one frame fewer, and seven remain that are not beside speech
    assert estimate_snr_db(powers[1:], frames_of(probabilities[1:])) is None
    assert estimate_snr_db(powers, frames_of(np.where(powers == 1.0, 0.9, 0.2))) is None
    assert estimate_snr_db(powers, frames_of(np.zeros(60))) is None


def test_loud_frames_that_the_ears_missed_are_no_background() -> None:
    probabilities = np.repeat([0.0, 0.9, 0.0], [20, 30, 50])
    powers = np.repeat([0.01, 1.0, 2.0], [20, 30, 50])  # the last second is speech, unheard
    found = estimate_snr_db(powers, frames_of(probabilities))
    assert found == pytest.approx(10 * np.log10((34.02 / 34 - 0.01) / 0.01))


def test_the_estimate_has_ends() -> None:
    probabilities = np.where(np.arange(40) < 20, 0.9, 0.0)
    frames = frames_of(probabilities)
    assert estimate_snr_db(np.where(probabilities > 0.5, 1.0, 0.0), frames) == 60.0
    # speech no louder than the background has no level of its own
    assert estimate_snr_db(np.ones(40), frames) < -100


def test_the_power_is_that_of_each_whole_frame(speech_clip: Waveform) -> None:
    clip = speech_clip[: 7 * FRAME_SAMPLES + 100]
    expected = [np.mean(clip[k * FRAME_SAMPLES :][:FRAME_SAMPLES] ** 2) for k in range(7)]
    np.testing.assert_allclose(frame_powers(clip), expected, rtol=1e-5)


def test_a_cut_begins_with_speech_and_holds_as_much_as_was_asked_for(
    speech_clip: Waveform,
) -> None:
    is_said = listen(speech_clip).is_said
    cut = cut_to_speech(speech_clip, 1.5)
    first = int(np.flatnonzero(is_said)[0])
    assert is_said[first:][: len(cut) // FRAME_SAMPLES].sum() == 75
    np.testing.assert_array_equal(cut, speech_clip[first * FRAME_SAMPLES :][: len(cut)])
    assert cut_to_speech(speech_clip, 60.0) is None


def test_clips_heard_at_once_do_not_disturb_each_other(speech_clip: Waveform) -> None:
    clips = [speech_clip[start:] for start in (0, 5_000, 20_000, 20_100)]
    expected = [assess(clip) for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(assess, clips * 3)) == expected * 3
