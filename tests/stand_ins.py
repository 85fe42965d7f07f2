"""Stand-ins for the servers around a voice assistant, and for the model."""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager

import aiomqtt
from amqtt.broker import Broker
from wyoming.asr import Transcribe, Transcript
from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.client import AsyncTcpClient
from wyoming.info import AsrModel, AsrProgram, Attribution, Describe, Info
from wyoming.server import AsyncEventHandler
from wyoming.wake import Detection

from spkid.assistants.desk import Desk
from spkid.assistants.proxy import Place, Proxy

LIMIT_S = 60.0  # generous: the machine may be busy
ANYWHERE = Place("127.0.0.1", 0)
WORDS = "turn on the light in the kitchen"


class Hears:
    """An identifier that answers at once, or when it is let; counts what it was asked."""

    def __init__(self, home, *, member="Ana", is_held=False):
        self.home, self.member, self.sounds, self.let = home, member, [], threading.Event()
        if not is_held:
            self.let.set()

    def ask(self, sound):
        self.sounds.append(sound)
        assert self.let.wait(LIMIT_S)
        status = "known" if self.member else "unknown"
        return {
            "status": status,
            "member": self.member,
            "probability": 0.9,
            "margin": 0.8,
            "between": [],
            "speech_s": 2.0,
        }


class SpeechToText(AsyncEventHandler):
    """A stand-in: whatever is said, it understands the same words."""

    def __init__(self, heard, *pipe):
        super().__init__(*pipe)
        self.heard, self.sound = heard, b""

    async def handle_event(self, event):
        if Describe.is_type(event.type):
            await self.write_event(ABOUT.event())
        elif AudioChunk.is_type(event.type):
            self.sound += AudioChunk.from_event(event).audio
        elif AudioStop.is_type(event.type):
            self.heard.append(self.sound)
            self.sound = b""
            await self.write_event(Transcript(WORDS, language="en").event())
        return True


class WakeWords(AsyncEventHandler):
    """A stand-in: a wake word was said when half a second has come."""

    def __init__(self, *pipe):
        super().__init__(*pipe)
        self.n_bytes = 0

    async def handle_event(self, event):
        if AudioChunk.is_type(event.type):
            before, self.n_bytes = self.n_bytes, self.n_bytes + len(event.payload)
            if before < 16_000 <= self.n_bytes:
                await self.write_event(Detection("ok_nabu", timestamp=500).event())
        return True


MADE_BY = Attribution("nobody", "https://example.org")
ABOUT = Info(
    asr=[
        AsrProgram(
            "stand-in",
            MADE_BY,
            True,
            "hears the same words",
            "1",
            models=[AsrModel("tiny", MADE_BY, True, "", "1", languages=["en", "de"])],
        )
    ]
)


@asynccontextmanager
async def listening(handler):
    """A server of the package's handlers at a free port."""

    async def connected(reader, writer):
        await handler(reader, writer).run()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    try:
        yield Place("127.0.0.1", server.sockets[0].getsockname()[1])
    finally:
        server.close()


@asynccontextmanager
async def proxied(server, identifier, **options):
    """A proxy before ``server``: where it is, what it told, what it noted."""
    told, noted = asyncio.Queue(), []
    desk = Desk(identifier, tell=[told.put_nowait], note=noted.append)
    proxy = Proxy(server, desk, note=noted.append, **options)
    try:
        yield await proxy.start(ANYWHERE), told, noted
    finally:
        await proxy.close()


async def spoke(client, pcm, *, before=None):
    """Send an utterance as Home Assistant does."""
    if before is not None:
        await client.write_event(before)
    await client.write_event(AudioStart(16_000, 2, 1).event())
    for at in range(0, len(pcm), 2048):
        await client.write_event(AudioChunk(16_000, 2, 1, pcm[at : at + 2048]).event())
    await client.write_event(AudioStop().event())


async def transcribed(place, pcm):
    """The event that comes back for an utterance."""
    async with AsyncTcpClient(place.host, place.port) as client:
        await spoke(client, pcm, before=Transcribe(language="en").event())
        return await client.read_event()


class ClosingBroker(Broker):
    """The package's own leaves a connection open that says nothing until the broker shuts down."""

    async def stream_connected(self, reader, writer, listener_name):
        try:
            await super().stream_connected(reader, writer, listener_name)
        finally:
            writer.close()


@asynccontextmanager
async def broker(port=0):
    """A broker of the package at a free port, and the port."""
    settings = {
        "listeners": {"default": {"type": "tcp", "bind": f"127.0.0.1:{port}"}},
        "plugins": {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}},
    }
    running = ClosingBroker(settings)
    await running.start()
    try:
        yield running._servers["default"].instance.sockets[0].getsockname()[1]
    finally:
        await running.shutdown()


class Listens:
    """Home Assistant's side: all messages, by topic."""

    def __init__(self, client):
        self.client, self.messages = client, aiter(client.messages)

    async def next(self, topic):
        """The next message on ``topic``, and whether the broker had kept it."""
        while True:
            message = await anext(self.messages)
            if message.topic.matches(topic):
                return message.payload.decode(), message.retain


@asynccontextmanager
async def home_assistant(port):
    async with aiomqtt.Client("127.0.0.1", port) as client:
        await client.subscribe("#", qos=1)
        yield Listens(client)


def run(coroutine):
    """Run a test's coroutine; a hang is a failure."""

    async def within():
        async with asyncio.timeout(2 * LIMIT_S):
            await coroutine

    asyncio.run(within())
