"""4: samples and files in memory were TypeErrors or misread, bytes were printed; all are heard."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile
import soxr

from spkid.errors import SpkidError

RATE_HZ = 16_000


def pcm(voice: np.ndarray, kind: str) -> np.ndarray:
    """The voice as integers of that kind."""
    return np.round(voice * (np.iinfo(kind).max - 1)).astype(kind)


def at_48_khz(voice: np.ndarray) -> np.ndarray:
    return soxr.resample(voice, RATE_HZ, 48_000)


FORMS = {
    "int16": lambda voice: (pcm(voice, "int16"), RATE_HZ),
    "int32": lambda voice: (pcm(voice, "int32"), RATE_HZ),
    "float64": lambda voice: (voice.astype(np.float64), RATE_HZ),
    "float16": lambda voice: (voice.astype(np.float16), RATE_HZ),
    "int16, the other way round": lambda voice: (pcm(voice, "int16").astype(">i2"), RATE_HZ),
    "48 kHz": lambda voice: (pcm(at_48_khz(voice), "int16"), 48_000),
    "44.1 kHz, stereo": lambda voice: (
        np.stack([soxr.resample(voice, RATE_HZ, 44_100)] * 2, axis=1),
        44_100.0,
    ),
    "one column": lambda voice: (pcm(voice, "int16")[:, None], RATE_HZ),
    "list": lambda voice: voice.tolist(),
    "list and rate": lambda voice: (at_48_khz(voice).tolist(), 48_000),
    "mono floats at 16 kHz": lambda voice: voice.astype(np.float64),
}


@pytest.mark.parametrize("form", FORMS)
def test_samples_with_their_rate_are_heard(home, voice, form):
    decision = home.identify(FORMS[form](voice))
    assert decision.member == "Ana"
    assert decision.cosine == pytest.approx(home.identify(voice).cosine, abs=0.02)


def test_files_in_memory_are_heard_as_the_file_itself(home, path):
    expected = home.identify(path).cosine
    content = path.read_bytes()
    with path.open("rb") as file:
        file.read(100)  # it is read from its beginning
        for sound in (content, bytearray(content), memoryview(content), io.BytesIO(content), file):
            assert home.identify(sound).cosine == pytest.approx(expected, abs=1e-6)
        assert home.identify(file).member == "Ana"  # and again


def test_no_samples_are_no_speech(home):
    for nothing in (np.zeros(0, "float32"), (np.zeros((0, 2), "int16"), RATE_HZ), []):
        assert home.identify(nothing).status == "no_speech"


def test_a_file_that_cannot_be_read_is_one_sentence(home, path, tmp_path):
    with path.open("rb") as closed:
        pass

    class Lost(io.RawIOBase):
        def read(self, size=-1):
            raise ConnectionResetError(104, "Connection reset by peer")

    with (tmp_path / "new").open("wb") as written:
        for file in (closed, written, Lost()):
            with pytest.raises(SpkidError) as caught:
                home.identify(file)
            assert caught.value.code == "unreadable"


def test_what_is_not_sound_yet_is_asked_for_what_is_missing(home, voice, path):
    integers = pcm(voice, "int16")
    wrong = [
        (integers, "no_rate"),
        (np.stack([voice, voice], axis=1), "no_rate"),
        (voice[None, None], "no_rate"),
        (integers.astype(np.int64), "bad_sound"),
        (integers.astype(np.float32), "bad_sound"),
        (integers.tolist(), "bad_sound"),
        (["a", "b"], "bad_sound"),
        ([[1.0, 2.0], [3.0]], "bad_sound"),
        ([path, path], "bad_sound"),
        (voice.astype(complex), "bad_sound"),
        (None, "bad_sound"),
        (7, "bad_sound"),
        ((voice, RATE_HZ, 2), "bad_sound"),
        ((voice, "16000"), "bad_sound"),
        ((voice, None), "bad_sound"),
        ((voice, 16_000j), "bad_sound"),
        ((voice[None, None], RATE_HZ), "bad_shape"),
        ((np.full(RATE_HZ, np.nan), RATE_HZ), "not_finite"),
        ((voice, 0), "unreadable"),
        ((voice, float("nan")), "unreadable"),
        ((voice[None], RATE_HZ), "unreadable"),  # turned round: one sample in many channels
        (io.StringIO("text"), "bad_sound"),
        (io.BytesIO(), "unreadable"),
        (b"", "unreadable"),
    ]
    for sound, code in wrong:
        with pytest.raises(SpkidError) as caught:
            home.identify(sound)
        assert caught.value.code == code, type(sound)
        assert len(str(caught.value)) < 300


def test_bytes_are_not_printed(home):
    secret = b"\x89PNG not sound, and private" * 100
    for act in (
        lambda: home.identify(secret),
        lambda: home.enroll("Zoe", secret, consent=True),
        lambda: home.enroll("Zoe", [secret], consent=True),
    ):
        with pytest.raises(SpkidError) as caught:
            act()
        assert "private" not in str(caught.value)


def test_one_clip_in_place_of_a_list_is_said_so(home, voice, path):
    for one in (path, str(path), path.read_bytes(), voice, io.BytesIO(path.read_bytes())):
        with pytest.raises(SpkidError, match="a list of clips"):
            home.enroll("Zoe", one, consent=True)


def test_every_form_can_be_enrolled_and_kept(home, cast, tmp_path):
    from enrollment.store.vault import Vault

    paths = cast["Leo"]["enroll"]
    samples, rate_hz = soundfile.read(paths[2], dtype="int16")
    vault = Vault.load(tmp_path / "key", create=True)
    clips = [paths[0], io.BytesIO(paths[1].read_bytes()), (samples, rate_hz)]
    result = home.enroll("Leo", clips, consent=True, vault=vault)
    assert [clip.accepted for clip in result.clips] == [True] * 3
    assert home.identify(cast["Leo"]["heard"][0]).member == "Leo"


def test_a_recording_in_memory_has_a_timeline(home, path, voice):
    expected = home.timeline(path)
    assert home.timeline(path.read_bytes()) == expected
    assert home.timeline((voice, RATE_HZ)) == expected
