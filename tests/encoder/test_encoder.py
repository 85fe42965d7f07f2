"""The bundled encoder on real clips: shapes, lengths, windows and refusals, not accuracy."""

from __future__ import annotations

import numpy as np
import onnxruntime.datasets
import pytest
import soundfile

from spkid import SpeakerEncoder
from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.encoder.base import SHORTEST_SAMPLES, WINDOW_SAMPLES, RunningEmbedding
from spkid.encoder.encoder import BUNDLED_MODEL
from spkid.errors import NotFound, SpkidError


@pytest.fixture(scope="module")
def speech(clips):
    """Four real clips joined, about twenty seconds."""
    return np.concatenate([load_audio(path) for path in list(clips.values())[4:8]])


def naive_windows(n_samples) -> list[int]:
    """Lengths: tens of seconds as long as twenty are left, then one or two halves."""
    lengths = []
    while n_samples >= 2 * WINDOW_SAMPLES:
        lengths.append(WINDOW_SAMPLES)
        n_samples -= WINDOW_SAMPLES
    if n_samples > WINDOW_SAMPLES:
        return [*lengths, n_samples - n_samples // 2, n_samples // 2]
    return [*lengths, n_samples]


@pytest.mark.parametrize("block_s", [3.0, 10.0, 30.0, 1e4])
@pytest.mark.parametrize("seconds", [0.0, 0.1, 9.9, 10.0, 10.1, 19.99, 20.0, 20.01, 61.3])
def test_windows_keep_every_sample_and_are_five_to_ten_seconds(
    seconds, block_s, encoder, monkeypatch
):
    whole = np.arange(int(seconds * SAMPLE_RATE_HZ), dtype=np.float32)
    step = int(block_s * SAMPLE_RATE_HZ)
    cut: list[np.ndarray] = []
    monkeypatch.setattr(RunningEmbedding, "_take", lambda running, window: cut.append(window))
    running = encoder.begin()
    for start in range(0, len(whole), step):
        running.add(whole[start : start + step])
    running._total += 1
    running.vector()
    np.testing.assert_array_equal(np.concatenate(cut), whole)
    assert [len(window) for window in cut] == naive_windows(len(whole))
    assert len(cut) == 1 or min(map(len, cut)) >= WINDOW_SAMPLES // 2
    assert max(map(len, cut)) <= WINDOW_SAMPLES


@pytest.mark.parametrize("seconds", [0.2, 0.55, 3.0, 10.0, 10.5, 65.0])
def test_any_length_gives_one_unit_vector(encoder, speech, seconds):
    vector = encoder.embed(np.resize(speech, int(seconds * SAMPLE_RATE_HZ)))
    assert vector.shape == (encoder.dim,)
    assert vector.dtype == np.float32
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)


def test_a_long_clip_is_the_mean_of_its_windows_weighted_by_length(encoder, speech):
    whole = np.resize(speech, 27 * SAMPLE_RATE_HZ)
    total, start = np.zeros(encoder.dim), 0
    for length in naive_windows(len(whole)):
        total += length * encoder.embed(whole[start : start + length]).astype(float)
        start += length
    expected = total / np.linalg.norm(total)
    np.testing.assert_allclose(encoder.embed(whole), expected, atol=1e-5)


@pytest.mark.parametrize(("seconds", "n_times"), [(0.3, 7), (0.75, 3), (1.0, 2), (2.0, 1)])
def test_a_short_clip_is_repeated_to_two_seconds(encoder, speech, seconds, n_times):
    clip = speech[: int(seconds * SAMPLE_RATE_HZ)]
    expected = encoder.embed(np.concatenate([clip] * n_times))
    np.testing.assert_allclose(encoder.embed(clip), expected, atol=1e-6)
    np.testing.assert_allclose(encoder.embed(clip[None])[0], expected, atol=1e-6)


def test_a_window_of_silence_does_not_count(encoder, speech):
    heard = speech[:WINDOW_SAMPLES]
    padded = np.concatenate([np.zeros(WINDOW_SAMPLES, np.float32), heard])
    np.testing.assert_allclose(encoder.embed(padded), encoder.embed(heard), atol=1e-6)


@pytest.mark.parametrize("seconds", [1.0, 10.5])
def test_a_batch_is_its_rows(encoder, speech, seconds):
    n_samples = int(seconds * SAMPLE_RATE_HZ)
    batch = np.stack([speech[start : start + n_samples] for start in (0, 5_000, 90_000)])
    together = encoder.embed(batch)
    assert together.shape == (3, encoder.dim)
    for row, vector in zip(batch, together, strict=True):
        np.testing.assert_allclose(vector, encoder.embed(row), atol=1e-4)
    # they are three different vectors
    assert (together @ together.T)[np.triu_indices(3, 1)].max() < 0.9999
    assert encoder.embed(batch[:0]).shape == (0, encoder.dim)


@pytest.mark.parametrize("gain", [0.01, 0.1, 5.0])
def test_loudness_does_not_matter(encoder, speech, gain):
    clip = speech[: 3 * SAMPLE_RATE_HZ]
    assert encoder.embed(clip) @ encoder.embed(np.float32(gain) * clip) > 0.999


def test_other_number_types_are_taken(encoder, speech):
    clip = speech[:SAMPLE_RATE_HZ]
    expected = encoder.embed(clip)
    for other in (clip.astype(np.float64), clip.tolist()):
        np.testing.assert_allclose(encoder.embed(other), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("waveform", "code"),
    [
        (np.zeros(SAMPLE_RATE_HZ), "no_speech"),
        (np.zeros(25 * SAMPLE_RATE_HZ), "no_speech"),
        (np.zeros((2, SAMPLE_RATE_HZ)), "no_speech"),
        (np.ones(SHORTEST_SAMPLES - 1), "too_short"),
        (np.ones((2, SHORTEST_SAMPLES - 1)), "too_short"),
        (np.ones(0), "too_short"),
        (np.where(np.arange(SAMPLE_RATE_HZ) == 7, np.nan, 0.1), "not_finite"),
        (np.where(np.arange(SAMPLE_RATE_HZ) == 7, np.inf, 0.1), "not_finite"),
        (np.full((2, SAMPLE_RATE_HZ), np.nan), "not_finite"),
        (np.ones((1, 1, SAMPLE_RATE_HZ)), "bad_shape"),
        (np.float32(1), "bad_shape"),
    ],
)
def test_what_cannot_be_embedded_is_refused(encoder, waveform, code):
    with pytest.raises(SpkidError) as caught:
        encoder.embed(waveform)
    assert caught.value.code == code


def test_a_silent_row_is_refused(encoder, speech):
    clip = speech[:SAMPLE_RATE_HZ]
    with pytest.raises(SpkidError, match="only zeros"):
        encoder.embed(np.stack([clip, 0 * clip]))


def test_frame_weights_sum_to_one(encoder, speech):
    for seconds in (0.2, 3.0, 10.0):
        weights = encoder.frame_weights(speech[: int(seconds * SAMPLE_RATE_HZ)])
        assert weights.ndim == 1
        assert len(weights) == pytest.approx(seconds / 0.02, abs=2)
        assert weights.min() >= 0
        assert weights.sum() == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("waveform", "code"),
    [
        (np.ones(WINDOW_SAMPLES + 1), "too_long"),
        (np.ones(SHORTEST_SAMPLES - 1), "too_short"),
        (np.ones((1, SAMPLE_RATE_HZ)), "bad_shape"),
        (np.full(SAMPLE_RATE_HZ, np.nan), "not_finite"),
    ],
)
def test_frame_weights_of_what_has_none_are_refused(encoder, waveform, code):
    with pytest.raises(SpkidError) as caught:
        encoder.frame_weights(waveform)
    assert caught.value.code == code


def test_a_file_is_its_samples(encoder, clips):
    shortest = min(clips.values(), key=lambda path: path.stat().st_size)
    samples = load_audio(shortest)
    expected = encoder.embed(samples - samples.mean())
    np.testing.assert_allclose(encoder.embed_file(shortest), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("samples", "code"),
    [(np.zeros(SAMPLE_RATE_HZ), "no_speech"), (np.arange(100) / 100, "too_short")],
)
def test_a_file_that_cannot_be_embedded_is_named(encoder, tmp_path, samples, code):
    path = tmp_path / "odd.wav"
    soundfile.write(path, samples, SAMPLE_RATE_HZ)
    with pytest.raises(SpkidError, match=r"odd\.wav: ") as caught:
        encoder.embed_file(path)
    assert caught.value.code == code
    with pytest.raises(SpkidError, match=r"lost\.wav: no such file") as caught:
        encoder.embed_file(tmp_path / "lost.wav")
    assert caught.value.code == "unreadable"


def test_the_same_weights_have_the_same_name(encoder, speech):
    again = SpeakerEncoder.load(str(BUNDLED_MODEL), n_threads=2)
    assert again.fingerprint == encoder.fingerprint
    assert len(again.fingerprint) == 16
    clip = speech[:SAMPLE_RATE_HZ]
    np.testing.assert_allclose(again.embed(clip), encoder.embed(clip), atol=1e-5)


def test_what_is_not_a_model_of_ours_is_refused(tmp_path):
    (tmp_path / "garbage.onnx").write_bytes(b"not a model" * 100)
    (tmp_path / "empty.onnx").write_bytes(b"")
    (tmp_path / "cut.onnx").write_bytes(BUNDLED_MODEL.read_bytes()[:100_000])
    foreign = onnxruntime.datasets.get_example("sigmoid.onnx")
    names = ("garbage.onnx", "empty.onnx", "cut.onnx", ".")
    for path in (*(tmp_path / name for name in names), foreign):
        with pytest.raises(SpkidError, match="not a usable model") as caught:
            SpeakerEncoder.load(path)
        assert caught.value.code == "model"
    with pytest.raises(NotFound, match="no model"):
        SpeakerEncoder.load(tmp_path / "missing.onnx")
