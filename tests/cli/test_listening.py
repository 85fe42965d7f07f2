"""What the command line hears in a live stream."""

from __future__ import annotations

import io
import json
import sys
import types

import numpy as np
import pytest

from spkid.audio.reading import load_audio
from spkid.cli.listening import in_words
from spkid.cli.microphone import microphone_chunks

HOME = ("--household", "home")


@pytest.fixture
def family(spkid, cast):
    for name in ("Ana", "Ben"):
        own = cast[name]["enroll"]
        assert spkid("enroll", *own, *HOME, "--member", name, "--consent")[0] == 0
    return spkid


@pytest.fixture(scope="module")
def content(cast):
    """A clip of Ana's as another program would pipe it."""
    speech = load_audio(cast["Ana"]["heard"][0])
    return np.round(32_767 * speech).astype("<i2").tobytes()


def piped(monkeypatch, content: bytes) -> None:
    stdin = types.SimpleNamespace(buffer=io.BytesIO(content), isatty=lambda: False)
    monkeypatch.setattr(sys, "stdin", stdin)


def test_a_pipe_is_heard_line_by_line(family, content, monkeypatch):
    piped(monkeypatch, content)
    code, out, _ = family("identify", "--stream", "-", "--json")  # the only household there is
    events = [json.loads(line) for line in out.splitlines()]
    assert code == 0
    assert events[0]["event"] == "speech_began"
    assert {event["member"] for event in events if event["event"] == "answer"} == {"Ana"}
    piped(monkeypatch, content)
    code, out, _ = family("identify", "--stream", "-", *HOME)
    assert code == 0
    assert len(out.splitlines()) == len(events)
    assert " s  speech" in out
    assert "Ana, " in out


def test_a_file_of_samples_at_another_rate(family, cast, tmp_path):
    import soxr

    slow = soxr.resample(load_audio(cast["Ana"]["heard"][0]), 16_000, 8_000)
    (tmp_path / "call.raw").write_bytes(np.round(32_767 * slow).astype("<i2").tobytes())
    code, out, _ = family("identify", "--stream", tmp_path / "call.raw", "--rate", 8_000, "--json")
    answers = [json.loads(line) for line in out.splitlines() if '"answer"' in line]
    assert code == 0
    assert "Ana" in {answer["member"] for answer in answers}
    assert answers[-1]["at_s"] == pytest.approx(len(slow) / 8_000, abs=2)


def test_the_microphone_is_heard_until_ctrl_c(family, cast, monkeypatch):
    speech = load_audio(cast["Ben"]["heard"][0])
    sound = np.concatenate([speech, np.zeros(8 * 16_000, dtype=np.float32)])
    monkeypatch.setitem(sys.modules, "sounddevice", microphone(sound))
    code, out, err = family("identify", "--microphone", *HOME)
    assert code == 0
    assert "Ben, " in out
    assert "the microphone is dead" in out
    assert "stopped" in err


def test_what_the_microphone_lost_stands_in_its_time(monkeypatch):
    clock = iter([10.0, 10.1, 10.2, 15.3])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    module = microphone(np.ones(4_800, dtype=np.float32), late_reads=(2,))
    monkeypatch.setitem(sys.modules, "sounddevice", module)
    chunks = microphone_chunks()
    assert [next(chunks)[1] for _ in range(3)] == [None, None, pytest.approx(5.2)]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "expected audio files, or --microphone, or --stream"),
        (("--microphone", "--stream", "-"), "give one of them"),
        (("clip.wav", "--microphone"), "give one of them"),
        (("--stream", "-", "--rate", "3"), "--rate 3; expected a rate from 4,000"),
        (("--stream", "nowhere.raw"), "nowhere.raw: No such file"),
        (("--stream", "-", "--household", "theirs"), "unknown household 'theirs'"),
    ],
)
def test_what_cannot_be_heard_is_one_sentence(family, monkeypatch, words, sentence):
    piped(monkeypatch, b"")
    code, out, err = family("identify", *words)
    assert code == 2
    assert out == ""
    assert sentence in err


def test_a_file_with_a_header_is_no_stream(family, cast, monkeypatch):
    piped(monkeypatch, b"RIFF" + bytes(4_000))
    code, _, err = family("identify", "--stream", "-", *HOME)
    assert code == 2
    assert "arecord -t raw" in err


def test_of_several_households_one_is_named(family, cast, monkeypatch, content):
    words = ("--household", "flat", "--member", "Leo", "--consent")
    assert family("enroll", *cast["Leo"]["enroll"], *words)[0] == 0
    piped(monkeypatch, content)
    code, _, err = family("identify", "--stream", "-")
    assert code == 2
    assert "expected one of: flat, home; name it with --household." in err


def test_every_event_has_words():
    from spkid.audio.events import BadFrame, DeadMicrophone, Gap, LiveMicrophone, SpeechBegan

    events = [
        SpeechBegan(1.0),
        BadFrame(1.0, "not_finite", "NaN."),
        Gap(1.0, 2.5),
        DeadMicrophone(1.0),
        LiveMicrophone(1.0),
    ]
    words = [in_words(event) for event in events]
    assert len(set(words)) == len(events)
    assert words[2] == "2.5 s of sound are missing"


def microphone(samples: np.ndarray, *, late_reads: tuple[int, ...] = ()) -> types.ModuleType:
    """Stands in for sounddevice: a microphone that hears ``samples``, then Ctrl-C."""
    module = types.ModuleType("sounddevice")
    module.PortAudioError = type("PortAudioError", (Exception,), {})

    class InputStream:
        def __init__(self, *, samplerate, channels, dtype, blocksize):
            self.n_reads = 0

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def read(self, n_samples):
            start = self.n_reads * n_samples
            if start >= len(samples):
                raise KeyboardInterrupt
            is_late, self.n_reads = self.n_reads in late_reads, self.n_reads + 1
            found = np.zeros((n_samples, 1), dtype=np.float32)
            found[: len(samples) - start, 0] = samples[start:][:n_samples]
            return found, is_late

    module.InputStream = InputStream
    return module
