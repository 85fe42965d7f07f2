"""The process that identifies: it may end, hang or find nothing, and is there again."""

from __future__ import annotations

import dataclasses
import os
import signal
import threading

import numpy as np
import pytest
from stand_ins import LIMIT_S

from enrollment import Household, Store
from spkid.assistants.recording import LARGEST_BYTES, Recording, Sound
from spkid.assistants.worker import Home, Identifier, told
from spkid.errors import SpkidError


def as_sound(pcm):
    return Sound(16_000, 2, 1, pcm)


def test_a_process_that_was_killed_is_started_again(identifier, spoken):
    assert identifier.ask(as_sound(spoken["Ana"]))["member"] == "Ana"
    process = identifier._running[0]
    os.kill(process.pid, signal.SIGKILL)
    process.join(LIMIT_S)
    assert identifier.ask(as_sound(spoken["Ben"]))["member"] == "Ben"


def test_one_that_dies_while_it_is_asked_is_an_error_and_then_forgotten(identifier, spoken):
    identifier.start()
    process = identifier._running[0]
    os.kill(process.pid, signal.SIGSTOP)  # it hangs
    threading.Timer(0.2, os.kill, (process.pid, signal.SIGKILL)).start()
    with pytest.raises(SpkidError, match="has ended"):
        identifier.ask(as_sound(spoken["Ana"]))
    assert identifier.ask(as_sound(spoken["Ana"]))["member"] == "Ana"


def test_one_that_takes_too_long_is_ended(home, spoken):
    hasty = Identifier(home, answered_s=0.2)
    hasty.start()
    process = hasty._running[0]
    os.kill(process.pid, signal.SIGSTOP)
    with pytest.raises(SpkidError) as told_why:
        hasty.ask(as_sound(spoken["Ana"]))
    assert told_why.value.code == "too_slow"
    assert not process.is_alive()
    hasty.close()


def test_closing_does_not_wait_for_an_answer(home, spoken):
    identifier = Identifier(home, answered_s=LIMIT_S)
    identifier.start()
    os.kill(identifier._running[0].pid, signal.SIGSTOP)
    errors = []

    def ask():
        try:
            identifier.ask(as_sound(spoken["Ana"]))
        except SpkidError as error:
            errors.append(error.code)

    asking = threading.Thread(target=ask)
    asking.start()
    while not identifier._lock.locked():
        pass
    identifier.close()
    asking.join(LIMIT_S)
    assert errors == ["no_answer"]


def test_who_is_enrolled_later_is_known_then(home, tmp_path, spoken, model, cast):
    later = dataclasses.replace(home, store=str(tmp_path / "store.sqlite3"))
    identifier = Identifier(later, answered_s=LIMIT_S)
    with pytest.raises(SpkidError):
        identifier.start()  # there is no store yet
    assert not (tmp_path / "store.sqlite3").exists()
    with Store.open(later.store) as store:
        with pytest.raises(SpkidError) as error:
            identifier.ask(as_sound(spoken["Ana"]))
        assert error.value.code == "unknown_household"
        Household(store, "home", model=model).enroll("Ana", cast["Ana"]["enroll"], consent=True)
    assert identifier.ask(as_sound(spoken["Ana"]))["member"] == "Ana"
    identifier.close()


@pytest.mark.parametrize(("width", "scale"), [(2, 1), (4, 2**16)])
def test_sound_of_other_formats_is_heard(identifier, spoken, width, scale):
    mono = np.frombuffer(spoken["Ana"], dtype=np.int16).astype(f"<i{width}") * scale
    stereo = np.stack([mono, mono], axis=1).tobytes()
    answer = identifier.ask(Sound(16_000, width, 2, stereo + b"\0"))  # cut within a frame
    assert answer["member"] == "Ana"


def test_silence_is_no_speech(identifier):
    answer = identifier.ask(as_sound(bytes(64_000)))
    assert answer["status"] == "no_speech"
    assert answer["member"] is answer["probability"] is None


def test_doubt_between_two_names_both(home, model, clips):
    decision = Household(Store.open(home.store), "home", model=model).identify(clips["096160018"])
    doubtful = dataclasses.replace(decision, status="ambiguous", member=None)
    assert told(doubtful)["between"] == ["Ana", "Ben"]
    assert told(decision)["between"] == []
    stranger = dataclasses.replace(decision, status="unknown", member=None)
    assert told(stranger)["probability"] == decision.p_stranger


def test_a_home_shows_no_password():
    assert "secret" not in repr(Home("home", "postgresql+psycopg://me:secret@host/db"))


def test_a_recording_holds_its_beginning_or_its_end():
    pieces = [bytes([number]) * 200 for number in range(20)]
    beginning, end = Recording(0.1), Recording(0.1, keeps_end=True)
    for recording in (beginning, end):
        assert recording.sound() is None
        for piece in pieces:
            recording.add(piece, rate_hz=8_000, width=2, n_channels=1)
    assert beginning.sound().pcm == b"".join(pieces)[:1600]
    assert end.sound().pcm == b"".join(pieces[-8:])
    beginning.clear()
    assert beginning.sound() is None


def test_a_recording_of_any_format_is_bounded():
    for keeps_end in (False, True):
        recording = Recording(30.0, keeps_end=keeps_end)
        for _ in range(40):
            recording.add(bytes(2**20), rate_hz=96_000, width=4, n_channels=8)
        assert len(recording.sound().pcm) <= LARGEST_BYTES + 2**20


def test_another_format_begins_anew():
    recording = Recording(1.0)
    recording.add(b"abcd", rate_hz=16_000, width=2, n_channels=1)
    recording.add(b"efgh", rate_hz=16_000, width=2, n_channels=2)
    assert recording.sound() == Sound(16_000, 2, 2, b"efgh")
    for wrong in ({"rate_hz": 1}, {"width": 3}, {"n_channels": 0}):
        with pytest.raises(ValueError, match="sound at"):
            recording.add(b"", **{"rate_hz": 16_000, "width": 2, "n_channels": 1, **wrong})
