"""What passes through is not touched or delayed, and who spoke is told beside it."""

from __future__ import annotations

import asyncio
import gc
import json

import pytest
from stand_ins import (
    ABOUT,
    ANYWHERE,
    LIMIT_S,
    WORDS,
    Hears,
    SpeechToText,
    WakeWords,
    listening,
    proxied,
    run,
    spoke,
    transcribed,
)
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk
from wyoming.client import AsyncTcpClient
from wyoming.event import Event, async_write_event
from wyoming.info import Describe, Info
from wyoming.wake import Detect, Detection

from spkid.assistants.proxy import NO_EVENT, UNHEARD, Place, Proxy, _Reader
from spkid.errors import SpkidError


def speech_to_text(heard):
    return listening(lambda *pipe: SpeechToText(heard, *pipe))


def readers():
    # isinstance would ask other libraries' stand-ins for their class, which may warn
    return [each for each in gc.get_objects() if type(each) is _Reader]


def test_a_transcript_comes_through_and_the_speaker_beside_it(identifier, spoken):
    async def test():
        heard = []
        async with speech_to_text(heard) as server, proxied(server, identifier) as (at, told, _):
            for name, member in (("Ana", "Ana"), ("Ben", "Ben"), ("a visitor", None)):
                event = await transcribed(at, spoken[name])
                assert event == Transcript(WORDS, language="en").event()
                assert heard.pop() == spoken[name]
                speaker = await told.get()
                assert speaker.member == member
                assert speaker.state == (member or "unknown")
                assert speaker.occasion == "command"
                assert 0.5 < speaker.probability <= 1

    run(test())


def test_what_a_server_says_of_itself_comes_through(home):
    async def test():
        hears = Hears(home)
        async with (
            speech_to_text([]) as server,
            proxied(server, hears) as (at, _, _),
            AsyncTcpClient(at.host, at.port) as client,
        ):
            await client.write_event(Describe().event())
            assert Info.from_event(await client.read_event()) == ABOUT
        assert hears.sounds == []

    run(test())


def test_every_byte_is_the_same_on_both_sides(home):
    """Fields nobody knows, blanks in the JSON, and what is no event at all."""
    question = (
        b'{"type":  "audio-chunk", "new": 1, "data_length": 43, "payload_length": 4}\n'
        b'{"rate": 16000, "width": 2, "channels": 1 } \x01\x02\x03\x04'
        b"\xff\xfe no JSON \n" + bytes(range(256)) * 4000
    )
    answer = b'{"type":"transcript",   "data":{"text":"\xc3\xa4"}, "x":[]}\nrest' * 20_000
    assert len(question) > 2**16

    async def test():
        received = asyncio.get_running_loop().create_future()

        async def connected(reader, writer):
            whole = await reader.read(-1)
            writer.write(answer)
            await writer.drain()
            writer.close()
            received.set_result(whole)

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        behind = Place("127.0.0.1", server.sockets[0].getsockname()[1])
        async with proxied(behind, Hears(home)) as (at, _, noted):
            reader, writer = await asyncio.open_connection(at.host, at.port)
            writer.write(question)
            writer.write_eof()
            assert await reader.read(-1) == answer
            assert await received == question
            writer.close()
        assert noted == []  # what is no event ends the listening, and is the server's to refuse
        server.close()

    run(test())


@pytest.mark.parametrize(
    "chunk",
    [
        b'{"type": "audio-chunk", "payload_length": "a secret"}\n',
        b'{"type": "audio-chunk", "payload_length": 99999999999}\n',
        b'{"type": "audio-chunk", "data": {"rate": 1, "width": 2, "channels": 1}}\n',
        b'{"type": "audio-chunk", "data": {"rate": "x", "width": 2, "channels": 1}}\n',
        b'{"type": "audio-chunk"}\n',
        b'["audio-chunk"]\n',
        b'{"data_length": -5, "type": 3}\n',
        b"{" * 2**21 + b"\n",
    ],
)
def test_what_cannot_be_heard_is_passed_on_and_not_held(chunk, home):
    async def test():
        n_received, before = 0, readers()

        async def connected(reader, writer):
            nonlocal n_received
            while piece := await reader.read(2**16):
                n_received += len(piece)
            await async_write_event(Transcript(WORDS).event(), writer)
            writer.close()

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        behind = Place("127.0.0.1", server.sockets[0].getsockname()[1])
        hears = Hears(home)
        async with proxied(behind, hears) as (at, _, noted):
            reader, writer = await asyncio.open_connection(at.host, at.port)
            rest = bytes(2**20)
            writer.write(chunk)
            for _ in range(8):
                writer.write(rest)
                await writer.drain()
            while n_received < len(chunk) + 8 * len(rest):
                await asyncio.sleep(0.001)
            made = [each for each in readers() if each not in before]
            assert len(made) == 2
            assert not any(each._buffer for each in made)
            assert set(noted) <= {UNHEARD}
            writer.write_eof()
            assert WORDS.encode() in await reader.read(-1)
            writer.close()
        assert n_received == len(chunk) + 8 * len(rest)
        assert hears.sounds == []
        server.close()

    run(test())


def test_a_transcript_does_not_wait_for_the_speaker(home, spoken):
    async def test():
        slow = Hears(home, is_held=True)
        async with speech_to_text([]) as server, proxied(server, slow) as (at, told, noted):
            for _ in range(7):
                assert (await transcribed(at, spoken["Ana"][:3200])).data["text"] == WORDS
            assert told.empty()
            slow.let.set()
            assert (await told.get()).member == "Ana"
            # one was asked about, four waited, and the rest was let go
            assert noted == ["an utterance was not heard: 4 others wait"]

    run(test())


@pytest.mark.parametrize("error", [ValueError("a vector"), SpkidError("x", expected="y", do="z")])
def test_a_failure_ends_nothing_and_is_said_once(error, home, spoken):
    async def test():
        class Fails(Hears):
            def ask(self, sound):
                raise error

        async with speech_to_text([]) as server, proxied(server, Fails(home)) as (at, told, noted):
            for _ in range(3):
                assert (await transcribed(at, spoken["Ana"][:3200])).data["text"] == WORDS
            while not noted:
                await asyncio.sleep(0)
        assert told.empty()
        assert len(noted) == 1
        assert "a vector" not in noted[0]

    run(test())


def test_a_server_that_is_away_is_named(home):
    async def test():
        async with listening(WakeWords) as server:
            pass  # and gone
        async with proxied(server, Hears(home)) as (at, _, noted):
            reader, writer = await asyncio.open_connection(at.host, at.port)
            assert await reader.read(-1) == b""
            writer.close()
        assert noted[0].startswith(f"{server} cannot be reached")

    run(test())


def test_a_client_that_hangs_up_is_no_utterance(home, spoken):
    async def test():
        gone = asyncio.Event()

        class Watches(SpeechToText):
            async def disconnect(self):
                gone.set()

        hears = Hears(home)
        async with (
            listening(lambda *pipe: Watches([], *pipe)) as server,
            proxied(server, hears) as (at, _, noted),
        ):
            client = AsyncTcpClient(at.host, at.port)
            await client.connect()
            await client.write_event(AudioChunk(16_000, 2, 1, bytes(2000)).event())
            await client.disconnect()
            await gone.wait()
        assert hears.sounds == []
        assert noted == []

    run(test())


@pytest.mark.parametrize("began", [True, False])
def test_both_sides_are_closed_when_the_proxy_is(began, monkeypatch):
    """Where the client takes nothing, and where a connection is ended before it began."""
    monkeypatch.setattr("spkid.assistants.proxy.HANG_UP_S", 0.05)
    sides, ended = [], asyncio.Event()

    async def talks(reader, writer):
        sides.append(writer)
        writer.write(bytes(2**25))
        await reader.read()  # until the proxy hangs up
        writer.transport.abort()

    class Watched(Proxy):
        def _connected(self, reader, writer):
            super()._connected(reader, writer)
            sides.append(writer)
            if not began:
                next(iter(self._connections)).cancel()
                ended.set()

    async def test():
        server = await asyncio.start_server(talks, "127.0.0.1", 0)
        proxy = Watched(Place(*server.sockets[0].getsockname()), None, note=print)
        at = await proxy.start(ANYWHERE)
        _, writer = await asyncio.open_connection(at.host, at.port, limit=1)
        if began:
            while writer.transport.is_reading() or not sides[0].transport.get_write_buffer_size():
                await asyncio.sleep(0.01)
        else:
            await ended.wait()
        await proxy.close()
        for _ in range(9):  # the loop has yet to do what it was told
            await asyncio.sleep(0)
        assert {each.get_extra_info("socket").fileno() for each in sides} == {-1}
        writer.transport.abort()
        server.close()

    run(test())


def test_a_detection_carries_the_name_of_who_said_the_wake_word(identifier, spoken):
    async def test():
        async with (
            listening(WakeWords) as server,
            proxied(server, identifier, detects=True) as (at, told, _),
        ):
            client = AsyncTcpClient(at.host, at.port)
            await client.connect()
            # three seconds first, so that there is enough to tell by
            detection = await detected(client, spoken["Ana"][:96_000])
            assert detection.name == "ok_nabu"
            speaker = await told.get()
            assert (speaker.member, speaker.occasion) == ("Ana", "wake_word")
            await client.disconnect()

    run(test())


async def detected(client, pcm):
    await client.write_event(Detect(["ok_nabu"]).event())
    await client.write_event(AudioChunk(16_000, 2, 1, pcm).event())
    event = await client.read_event()
    assert Detection.is_type(event.type)
    assert event.data["timestamp"] == 500
    return Detection.from_event(event)


@pytest.mark.parametrize(
    ("options", "name"),
    [({}, "Ana"), ({"is_held": True}, None), ({"member": None}, None)],
    ids=["in time", "too late", "a stranger"],
)
def test_a_detection_is_never_held_for_long(options, name, home, spoken, monkeypatch):
    wait_s = 0.05 if "is_held" in options else LIMIT_S
    monkeypatch.setattr("spkid.assistants.proxy.WAKE_ANSWER_S", wait_s)

    async def test():
        hears = Hears(home, **options)
        async with (
            listening(WakeWords) as server,
            proxied(server, hears, detects=True) as (at, told, _),
        ):
            async with AsyncTcpClient(at.host, at.port) as client:
                detection = await detected(client, spoken["Ana"][:32_000])
                assert detection.speaker == name
            hears.let.set()
            await told.get()  # all the same

    run(test())


def test_a_name_that_the_server_knows_stays(home, spoken):
    class Knows(WakeWords):
        async def write_event(self, event):
            await super().write_event(Event(event.type, {**event.data, "speaker": "Zoe"}))

    async def test():
        hears = Hears(home)
        async with (
            listening(Knows) as server,
            proxied(server, hears, detects=True) as (at, _, _),
            AsyncTcpClient(at.host, at.port) as client,
        ):
            assert (await detected(client, spoken["Ana"][:32_000])).speaker == "Zoe"
        assert hears.sounds == []

    run(test())


def test_the_proposed_events_are_answered_behind_a_flag(identifier, spoken):
    async def test():
        heard = []
        async with (
            speech_to_text(heard) as server,
            proxied(server, identifier, identifies=True) as (at, _, _),
        ):
            async with AsyncTcpClient(at.host, at.port) as client:
                await spoke(client, spoken["Ben"], before=Event("identify"))
                event = await client.read_event()
                assert event.type == "identified"
                assert event.data["name"] == "Ben"
                assert 0.5 < event.data["confidence"] <= 1
                await spoke(client, spoken["a visitor"], before=Event("identify"))
                assert (await client.read_event()).type == "not-identified"
            assert heard == []  # the server heard nothing of it
            assert (await transcribed(at, spoken["Ana"])).data["text"] == WORDS
            assert heard == [spoken["Ana"]]

    run(test())


@pytest.mark.parametrize("first", [b"", b'{"type": "identify"}\n'])
def test_what_is_no_event_ends_a_connection_that_begins_with_one(first, home):
    async def test():
        async with (
            speech_to_text([]) as server,
            proxied(server, Hears(home), identifies=True) as (
                at,
                _,
                noted,
            ),
        ):
            reader, writer = await asyncio.open_connection(at.host, at.port)
            writer.write(first + b'["a secret"]\n')
            assert await reader.read() == b""
            writer.close()
            assert noted == [NO_EVENT]

    run(test())


def test_without_the_flag_the_proposed_events_are_the_servers(home, spoken):
    async def test():
        heard = []
        async with (
            speech_to_text(heard) as server,
            proxied(server, Hears(home)) as (at, _, _),
            AsyncTcpClient(at.host, at.port) as client,
        ):
            await spoke(client, spoken["Ana"][:3200], before=Event("identify"))
            assert Transcript.is_type((await client.read_event()).type)
        assert heard == [spoken["Ana"][:3200]]

    run(test())


def test_several_utterances_of_a_connection_are_told_apart(home, spoken):
    async def test():
        hears = Hears(home)
        async with (
            speech_to_text([]) as server,
            proxied(server, hears) as (at, told, _),
            AsyncTcpClient(at.host, at.port) as client,
        ):
            for name in ("Ana", "Ben"):
                await spoke(client, spoken[name], before=Transcribe().event())
                await client.read_event()
                await told.get()
        assert [sound.pcm for sound in hears.sounds] == [spoken["Ana"], spoken["Ben"]]

    run(test())


@pytest.mark.parametrize("text", ["tcp://host", "host:10300", "udp://h:1", "tcp://h:99999", ""])
def test_a_place_is_an_address_with_a_port(text):
    with pytest.raises(SpkidError, match=r"--to .*; expected tcp://host:port"):
        Place.parse(text, "--to")
    assert str(Place.parse("tcp://[::1]:10300", "--to")) == "tcp://[::1]:10300"


def test_a_port_in_use_is_said():
    async def test():
        async with speech_to_text([]) as server:
            second = Proxy(server, None, note=print)
            with pytest.raises(SpkidError, match="expected a free port"):
                await second.start(server)

    run(test())


def test_an_answer_says_all_but_the_voice(identifier, spoken):
    async def test():
        async with speech_to_text([]) as server, proxied(server, identifier) as (at, told, _):
            await transcribed(at, spoken["Ana"])
            fields = (await told.get()).to_json()
        assert set(fields) == {
            "household", "status", "member", "probability", "margin", "between",
            "speech_s", "occasion", "heard_at",
        }  # fmt: skip
        json.dumps(fields)

    run(test())
