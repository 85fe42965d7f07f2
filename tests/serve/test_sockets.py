"""PCM over a websocket: who is speaking as they speak, and enrolling from a microphone."""

from __future__ import annotations

import json
from functools import partial

import numpy as np
import pytest
import soxr
from starlette.websockets import WebSocketDisconnect

from spkid.audio.reading import SAMPLE_RATE_HZ, load_audio
from spkid.client import Client
from spkid.errors import SpkidError

LISTEN = "ws://127.0.0.1:8765/api/v1/households/home/listen"
ENROLL = "ws://127.0.0.1:8765/api/v1/households/home/members/Leo/enroll"
PROTOCOLS = ["spkid.v1"]
PAUSE = np.zeros(SAMPLE_RATE_HZ, dtype=np.float32)


def frames(clips, *, rate_hz: int = SAMPLE_RATE_HZ, n_bytes: int = 9_001):
    """The clips with pauses as PCM16 messages, of a length that splits samples."""
    samples = np.concatenate([part for clip in clips for part in (load_audio(clip), PAUSE)])
    samples = soxr.resample(samples, SAMPLE_RATE_HZ, rate_hz)
    content = (np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes()
    return [content[start : start + n_bytes] for start in range(0, len(content), n_bytes)]


def talk(client, url, messages, *, end: str = "end") -> list[dict]:
    """What the service says to these messages, to its last one."""
    heard = []
    with client.websocket_connect(url, PROTOCOLS) as socket:
        assert socket.accepted_subprotocol == "spkid.v1"
        for message in messages:
            socket.send_bytes(message)
        socket.send_text(json.dumps({"type": end}))
        try:
            while True:
                heard.append(socket.receive_json())
        except WebSocketDisconnect as closed:
            heard.append({"type": "closed", "code": closed.code})
    return heard


@pytest.mark.parametrize("rate_hz", [16_000, 48_000])
def test_each_utterance_is_answered(home, cast, rate_hz):
    clips = [cast["Ana"]["heard"][0], cast["Ben"]["heard"][0]]
    heard = talk(home, f"{LISTEN}?rate_hz={rate_hz}", frames(clips, rate_hz=rate_hz))
    assert heard[0] == {"type": "ready"}
    assert [each["type"] for each in heard[-2:]] == ["end", "closed"]
    assert heard[-1]["code"] == 1000
    answers = [each for each in heard if each["type"] == "answer"]
    named = [each["member"] for each in answers if each["status"] == "known"]
    assert set(named) == {"Ana", "Ben"}
    assert named == sorted(named)
    assert all(each["start_s"] < each["end_s"] for each in answers)


def test_a_person_is_enrolled_while_speaking(home, cast):
    heard = talk(
        home, f"{ENROLL}?consent=true&given_by=Maria&device=hall", frames(cast["Leo"]["enroll"])
    )
    assert heard[0]["type"] == "ready"
    clips = [each for each in heard if each["type"] == "clip"]
    assert len(clips) >= 2
    assert [each["percent"] for each in clips] == sorted(each["percent"] for each in clips)
    assert clips[0]["clip"]["accepted"]
    saved = heard[-2]
    assert (saved["type"], saved["member"]) == ("saved", "Leo")
    member = home.get("households/home/members/Leo").json()
    assert member["percent"] == saved["percent"] == clips[-1]["percent"]
    assert {clip["device"] for clip in member["clips"]} == {"hall"}
    assert member["consents"]["voice"]["given_by"] == "Maria"


def test_what_is_not_to_be_kept_is_not(home, cast):
    url = f"{ENROLL}?consent=true"
    heard = talk(home, url, frames(cast["Leo"]["enroll"][:1]), end="cancel")
    assert "saved" not in {each["type"] for each in heard}
    with home.websocket_connect(url, PROTOCOLS) as socket:
        socket.send_bytes(b"".join(frames(cast["Leo"]["enroll"][:1])))
    assert home.get("households/home/members/Leo").status_code == 404


@pytest.mark.parametrize(
    ("url", "message", "code"),
    [
        (ENROLL, None, "no_consent"),
        (LISTEN.replace("home", "nobody"), None, "unknown_household"),
        (LISTEN, "{", "bad_input"),
        (LISTEN, '{"type": "more"}', "bad_input"),
    ],
)
def test_what_is_wrong_is_said_and_ends_it(home, url, message, code):
    with home.websocket_connect(url, PROTOCOLS) as socket:
        if message is not None:
            assert socket.receive_json() == {"type": "ready"}
            socket.send_text(message)
        problem = socket.receive_json()
        assert (problem["type"], problem["code"]) == ("problem", code)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
        assert closed.value.code == 1008


def heard_by(live, clips):
    """All that the service says to the client while these clips are spoken."""
    said = []
    with live:
        while not said:  # it comes without an end of the sound
            said += live.feed(bytes(3200))
        for frame in frames(clips):
            said += live.feed(frame)
        said += live.finish()
        assert live.has_ended
        assert live.feed(bytes(2)) == []
    return said


def test_the_client_tells_what_is_said_as_it_comes(running, cast):
    client = Client(running)
    said = heard_by(client.listen("home"), cast["Ana"]["heard"])
    assert (said[0]["type"], said[-1]["type"]) == ("ready", "end")
    answers = [each for each in said if each["type"] in ("early_answer", "answer")]
    assert {each["type"] for each in answers} == {"early_answer", "answer"}
    assert {each["member"] for each in answers if each["status"] == "known"} == {"Ana"}

    enroll = partial(client.enroll_live, "home", "Leo", given_by="Maria", child=True)
    with enroll(consent=True) as live:
        live.feed(b"".join(frames(cast["Leo"]["enroll"][:1])))  # and it is left unfinished
    with pytest.raises(SpkidError, match="no consent"):
        heard_by(enroll(consent=False), [])
    said = heard_by(enroll(consent=True), cast["Leo"]["enroll"])
    clips, saved = [each for each in said if each["type"] == "clip"], said[-1]
    assert clips[0]["clip"]["reason"] == "ok"
    assert 0 < clips[0]["percent"] < clips[-1]["percent"] == saved["percent"]
    member = client.member("home", "Leo")
    assert (member["percent"], member["age_group"]) == (saved["percent"], "child")
    assert member["consents"]["voice"]["given_by"] == "Maria"


def test_the_client_is_told_why_no_socket_opens(running):
    with pytest.raises(SpkidError) as refused:
        Client(running, token="wrong").listen("home")
    assert refused.value.code == "bad_token"
    with pytest.raises(SpkidError) as refused:
        Client("http://127.0.0.1:1").listen("home")
    assert refused.value.code == "no_service"


def test_only_so_many_sockets_are_open(home):
    from starlette.testclient import WebSocketDenialResponse

    shared = home.app.inner.state.service
    shared.n_sockets = shared.limits.n_sockets
    with (
        pytest.raises(WebSocketDenialResponse) as refused,
        home.websocket_connect(LISTEN, PROTOCOLS),
    ):
        pass
    assert refused.value.status_code == 503
