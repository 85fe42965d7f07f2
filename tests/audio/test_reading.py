"""Reading any file: against sines that are known in every sample, and files made bad on purpose."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spkid.audio import decoding
from spkid.audio import reading as audio
from spkid.audio.reading import SAMPLE_RATE_HZ, as_waveform, audio_blocks, load_audio
from spkid.errors import SpkidError

RATES_HZ = (8_000, 16_000, 44_100, 48_000)
PITCH_HZ = 437.0
LEVEL = 0.25
DURATION_S = 1.2345

# name -> extension, format, subtype, largest error of one sample (None: a lossy codec)
CODECS = {
    "wav-int16": (".wav", "WAV", "PCM_16", 1e-3),
    "wav-int24": (".wav", "WAV", "PCM_24", 1e-3),
    "wav-float": (".wav", "WAV", "FLOAT", 1e-3),
    "flac": (".flac", "FLAC", "PCM_16", 1e-3),
    "mp3": (".mp3", "MP3", "MPEG_LAYER_III", None),
    "vorbis": (".ogg", "OGG", "VORBIS", None),
    "opus": (".opus", "OGG", "OPUS", None),
}
ID3_TAG = b"ID3\x03\x00\x00\x00\x00\x02\x2c" + bytes(300)  # seven bits a byte: 0x022c is 300
CASES = [
    pytest.param(codec, rate_hz, n_channels, id=f"{codec}-{rate_hz}-{n_channels}")
    for codec in CODECS
    for rate_hz in RATES_HZ
    for n_channels in (1, 2, 6)
    if not (codec == "mp3" and n_channels == 6) and not (codec == "opus" and rate_hz == 44_100)
]


def sine(rate_hz: int, *, duration_s: float = DURATION_S, pitch_hz: float = PITCH_HZ) -> np.ndarray:
    time_s = np.arange(round(duration_s * rate_hz)) / rate_hz
    return LEVEL * np.sin(2 * np.pi * pitch_hz * time_s)


def pitch_and_level(waveform: np.ndarray) -> tuple[float, float]:
    """The strongest frequency and its amplitude, by trying every hertz from 50 to 1,000."""
    waveform = waveform[SAMPLE_RATE_HZ // 4 :][: SAMPLE_RATE_HZ // 2]
    time_s = np.arange(len(waveform)) / SAMPLE_RATE_HZ
    window = np.hanning(len(waveform))
    amplitudes = {
        pitch_hz: 2 * abs((window * waveform * np.exp(-2j * np.pi * pitch_hz * time_s)).sum())
        for pitch_hz in range(50, 1_001)
    }
    pitch_hz = max(amplitudes, key=amplitudes.__getitem__)
    return pitch_hz, amplitudes[pitch_hz] / window.sum()


def write(path: Path, samples: np.ndarray, rate_hz: int, codec: str = "wav-int16") -> Path:
    path = path.with_suffix(CODECS[codec][0])
    soundfile.write(path, samples, rate_hz, format=CODECS[codec][1], subtype=CODECS[codec][2])
    return path


@pytest.mark.parametrize(("codec", "rate_hz", "n_channels"), CASES)
def test_every_format_rate_and_channel_count(
    tmp_path: Path, codec: str, rate_hz: int, n_channels: int
) -> None:
    samples = np.repeat(sine(rate_hz)[:, np.newaxis], n_channels, axis=1)
    waveform = load_audio(write(tmp_path / "sine", samples, rate_hz, codec))
    assert waveform.dtype == np.float32
    assert waveform.ndim == 1
    assert abs(len(waveform) - DURATION_S * SAMPLE_RATE_HZ) <= 1.5
    pitch_hz, level = pitch_and_level(waveform)
    assert pitch_hz == PITCH_HZ
    largest_error = CODECS[codec][3]
    if largest_error is None:
        assert level == pytest.approx(LEVEL, rel=0.1 if n_channels < 6 else 0.25)
    else:
        expected = sine(SAMPLE_RATE_HZ)[: len(waveform)]
        inside = slice(200, -200)  # a filter rings where the sine is cut off
        assert np.abs(waveform[: len(expected)] - expected)[inside].max() < largest_error


def test_live_channels_are_averaged_and_none_against_the_others(tmp_path: Path) -> None:
    weights = np.array([0.0, 0.2, -0.4, 0.6, 0.8, 1.0])
    path = write(tmp_path / "six", sine(16_000)[:, np.newaxis] * weights, 16_000, "wav-float")
    expected = sine(16_000) * (0.2 + 0.4 + 0.6 + 0.8 + 1.0) / 5
    np.testing.assert_allclose(load_audio(path), expected, atol=1e-6)


@pytest.mark.parametrize("rate_hz", [44_100, 48_000])
def test_what_16_khz_cannot_hold_is_filtered_out_and_not_folded_down(
    tmp_path: Path, rate_hz: int
) -> None:
    path = write(tmp_path / "high", sine(rate_hz, pitch_hz=11_000), rate_hz, "wav-float")
    assert np.abs(load_audio(path)[200:-200]).max() < LEVEL / 1_000


@pytest.mark.parametrize("codec", ["wav-int16", "flac", "vorbis"])
@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("block_s", [0.01, 0.1, 0.33])
def test_blocks_joined_are_the_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, codec: str, rate_hz: int, block_s: float
) -> None:
    path = write(tmp_path / "sine", sine(rate_hz, duration_s=2.0), rate_hz, codec)
    whole = load_audio(path)
    monkeypatch.setattr(decoding, "BLOCK_S", block_s)
    blocks = list(audio_blocks(path))
    assert len(blocks) >= 2.0 / block_s
    # the resampler keeps up to a tenth of a second back and hands it on at once
    assert max(map(len, blocks)) <= (block_s + 0.15) * SAMPLE_RATE_HZ
    joined = np.concatenate(blocks)
    assert joined.dtype == np.float32
    np.testing.assert_allclose(joined, whole, atol=1e-6)
    if codec != "vorbis":
        # a lost, doubled or clicking sample at any edge would show against the sine itself
        expected = sine(SAMPLE_RATE_HZ, duration_s=2.0)
        assert len(joined) == len(expected)
        assert np.abs(joined - expected)[200:-200].max() < 1e-3


@pytest.mark.parametrize("rate_hz", RATES_HZ)
@pytest.mark.parametrize("n_samples", [1, 2, 7, 100])
def test_a_few_samples_are_no_error(tmp_path: Path, rate_hz: int, n_samples: int) -> None:
    path = write(tmp_path / "short", np.full(n_samples, 0.1), rate_hz)
    assert abs(len(load_audio(path)) - n_samples * SAMPLE_RATE_HZ / rate_hz) <= 1.0


def assert_refused(path: str | Path, reason: str, *, code: str = "unreadable") -> None:
    with pytest.raises(SpkidError, match=reason) as caught:
        load_audio(path)
    assert caught.value.code == code
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path / "absent.wav", "no such file")
    assert_refused(str(tmp_path / "absent.wav"), "no such file")


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert_refused(tmp_path, "neither a file nor a pipe")


def test_a_forbidden_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "secret", sine(16_000), 16_000)
    # not by chmod: root may read everything
    monkeypatch.setattr(os, "access", lambda asked, mode: mode != os.R_OK or asked != path)
    assert_refused(path, "no permission")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.touch()
    assert_refused(path, "an empty file")


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".mp3", ".ogg", ".opus", ".txt", ""])
def test_text_is_refused_whatever_its_name(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"letter{suffix}"
    path.write_text("Dear listener, this is no sound at all.\n" * 50)
    assert_refused(path, "not audio")


def test_a_name_in_raw_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "sound.raw"
    path.write_bytes(bytes(1_000))
    assert_refused(path, "not audio")


def test_a_header_without_samples_is_refused(tmp_path: Path) -> None:
    assert_refused(write(tmp_path / "header", np.empty(0), 16_000), "truncated")


def assert_refused_when_cut(tmp_path: Path, codec: str, kept: float) -> None:
    rng = np.random.default_rng(0)
    whole = write(tmp_path / "whole", 0.1 * rng.standard_normal(5 * 16_000), 16_000, codec)
    assert len(load_audio(whole)) == 5 * 16_000
    path = tmp_path / f"cut{whole.suffix}"
    path.write_bytes(whole.read_bytes()[: int(kept * whole.stat().st_size)])
    assert_refused(path, "truncated|damaged")


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("codec", ["flac", "mp3"])
def test_a_truncated_file_is_refused(tmp_path: Path, codec: str, kept: float) -> None:
    assert_refused_when_cut(tmp_path, codec, kept)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("codec", ["wav-int16", "wav-int24", "wav-float"])
def test_a_truncated_wav_is_refused(tmp_path: Path, codec: str, kept: float) -> None:
    assert_refused_when_cut(tmp_path, codec, kept)


@pytest.mark.parametrize("kept", [0.3, 0.6, 0.9, 0.99])
@pytest.mark.parametrize("codec", ["vorbis", "opus"])
def test_a_truncated_ogg_is_refused(tmp_path: Path, codec: str, kept: float) -> None:
    assert_refused_when_cut(tmp_path, codec, kept)


@pytest.mark.parametrize("codec", ["vorbis", "opus"])
def test_an_ogg_that_lacks_its_last_page_is_refused(tmp_path: Path, codec: str) -> None:
    path = write(tmp_path / "whole", sine(16_000, duration_s=5.0), 16_000, codec)
    data = path.read_bytes()
    path.write_bytes(data[: data.rindex(b"OggS")])
    assert_refused(path, "truncated|damaged")


def test_a_truncated_mp3_behind_an_id3_tag_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "whole", sine(16_000, duration_s=5.0), 16_000, "mp3")
    data = path.read_bytes()
    path.write_bytes(ID3_TAG + data)
    assert len(load_audio(path)) == 5 * SAMPLE_RATE_HZ
    path.write_bytes(ID3_TAG + data[: len(data) // 2])
    assert_refused(path, "truncated")


# what ffmpeg, sox and arecord write where they cannot go back and mend the header
@pytest.mark.parametrize("stated", [0xFFFF_FFFF, 0x7FFF_F000, 0x8000_0000])
def test_a_wav_that_was_streamed_and_knows_no_length_is_read(tmp_path: Path, stated: int) -> None:
    path = write(tmp_path / "streamed", sine(16_000), 16_000)
    data = bytearray(path.read_bytes())
    assert data[36:40] == b"data"
    data[4:8] = data[40:44] = struct.pack("<I", stated)
    path.write_bytes(data)
    np.testing.assert_allclose(load_audio(path), sine(16_000), atol=1e-4)


@pytest.mark.parametrize("id3_tag", [b"", ID3_TAG], ids=["bare", "id3"])
def test_an_mp3_without_a_xing_tag_is_read(tmp_path: Path, id3_tag: bytes) -> None:
    path = tmp_path / "tagged.mp3"
    samples = sine(44_100, duration_s=5.0)
    # soundfile heeds the mode only where a compression level is given with it
    soundfile.write(path, samples, 44_100, bitrate_mode="CONSTANT", compression_level=0.5)
    data = path.read_bytes()
    # the first frame holds nothing but the tag; every frame begins with the same two bytes
    tag = max(data.find(b"Xing"), data.find(b"Info"))
    assert tag > 0
    frames = data[data.index(data[:2], tag) :]
    path.write_bytes(id3_tag + frames)
    assert len(load_audio(path)) == pytest.approx(5.0 * SAMPLE_RATE_HZ, rel=0.03)


@pytest.mark.parametrize("rate_hz", [16_000, 44_100])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_refused(
    tmp_path: Path, rate_hz: int, value: float
) -> None:
    samples = sine(rate_hz)
    samples[len(samples) // 2] = value
    assert_refused(write(tmp_path / "broken", samples, rate_hz, "wav-float"), "NaN|infinite")


@pytest.mark.parametrize("pair", [(np.inf, -np.inf), (3e38, 3e38)])
def test_senseless_samples_are_refused_without_a_warning(
    tmp_path: Path, pair: tuple[float, float]
) -> None:
    path = write(tmp_path / "broken", np.tile(pair, (1_000, 1)), 16_000, "wav-float")
    assert_refused(path, "NaN|infinite")


def test_samples_too_large_to_resample_are_refused(tmp_path: Path) -> None:
    samples = 3e38 * np.sign(sine(44_100))
    assert_refused(write(tmp_path / "huge", samples, 44_100, "wav-float"), "NaN|infinite")


def test_a_header_with_an_impossible_rate_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "fast", np.zeros((1_000, 6)), 16_000)
    data = bytearray(path.read_bytes())
    place = data.index(struct.pack("<I", 16_000))
    data[place : place + 4] = struct.pack("<I", 2_000_000_000)
    path.write_bytes(data)
    assert_refused(path, "2000000000 Hz")


def test_a_clip_longer_than_the_longest_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "long", sine(44_100, duration_s=3.0), 44_100)
    monkeypatch.setattr(audio, "LONGEST_CLIP_S", 3.0)
    assert len(load_audio(path)) == 3 * SAMPLE_RATE_HZ
    monkeypatch.setattr(audio, "LONGEST_CLIP_S", 2.9)
    assert_refused(path, "longer than", code="too_long")
    assert sum(map(len, audio_blocks(path, longest_s=3.0))) == 3 * SAMPLE_RATE_HZ


def test_samples_become_a_float32_waveform() -> None:
    ready = sine(16_000).astype(np.float32)
    assert as_waveform(ready) is ready
    for samples in (sine(16_000), sine(16_000).tolist(), np.arange(5, dtype=np.int16)):
        waveform = as_waveform(samples)
        assert waveform.dtype == np.float32
        np.testing.assert_allclose(waveform, samples, rtol=1e-6)


@pytest.mark.parametrize(
    ("samples", "code"),
    [
        (np.zeros((2, 100)), "bad_shape"),
        (np.zeros((100, 1)), "bad_shape"),
        (0.5, "bad_shape"),
        ([0.0, np.nan], "not_finite"),
        ([0.0, -np.inf], "not_finite"),
    ],
)
def test_samples_that_are_no_waveform_are_refused(samples: object, code: str) -> None:
    with pytest.raises(SpkidError, match="expected") as caught:
        as_waveform(samples)
    assert caught.value.code == code


def damaged(data: bytes, rng: np.random.Generator) -> bytes:
    """``data`` after one of four accidents."""
    kind = rng.integers(4)
    if kind == 0:  # nothing of it is left
        return rng.bytes(int(rng.integers(1, 3_000)))
    if kind == 1:  # cut off, with something strange behind it
        return data[: rng.integers(1, len(data))] + rng.bytes(int(rng.integers(0, 100)))
    # bytes changed in the header, or anywhere
    places = rng.integers(0, 100 if kind == 2 else len(data), size=rng.integers(1, 20))
    changed = bytearray(data)
    for place in places:
        changed[place] = rng.integers(256)
    return bytes(changed)


def assert_read_or_refused_when_damaged(tmp_path: Path, codec: str) -> None:
    rng = np.random.default_rng(sorted(CODECS).index(codec))
    samples = 0.1 * rng.standard_normal((4_000, 2))
    whole = write(tmp_path / "whole", samples, 16_000, codec).read_bytes()
    path = tmp_path / f"damaged{CODECS[codec][0]}"
    n_refused = 0
    for _ in range(150):
        path.write_bytes(damaged(whole, rng))
        try:
            waveform = load_audio(path)
        except SpkidError as error:
            assert error.code in ("unreadable", "too_long")  # noqa: PT017
            n_refused += 1
        else:
            assert waveform.dtype == np.float32
            assert np.isfinite(waveform).all()
    assert n_refused > 30


@pytest.mark.parametrize("codec", [codec for codec in CODECS if codec != "wav-float"])
def test_a_damaged_file_is_read_or_refused_and_nothing_else(tmp_path: Path, codec: str) -> None:
    assert_read_or_refused_when_damaged(tmp_path, codec)


def test_a_damaged_float_wav_is_read_or_refused_and_nothing_else(tmp_path: Path) -> None:
    assert_read_or_refused_when_damaged(tmp_path, "wav-float")
