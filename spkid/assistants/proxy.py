"""A Wyoming proxy: what passes through is not touched, and who spoke is found out beside it.

The protocol is that of https://github.com/OHF-Voice/wyoming (README, "Event Types"): a client sends
``transcribe``, ``audio-start``, ``audio-chunk``... and ``audio-stop``, and a server answers with a
``transcript``. Bytes are copied from one side to the other as they come; a second reader, which may
fail, makes events of a copy.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import urlsplit

from wyoming.audio import AudioChunk, AudioStart, AudioStop
from wyoming.event import Event, async_read_event, async_write_event
from wyoming.wake import Detection

from spkid.assistants.desk import Desk
from spkid.assistants.recording import Recording
from spkid.errors import SpkidError

READ_BYTES = 2**16
LARGEST_PART_BYTES = 2**20  # of an event: its line, its data or its payload
LONGEST_S = 30.0  # of an utterance that is identified; transcripts go on beyond it
WAKE_S = 2.5  # before a detection: the wake word, and what led to it
WAKE_ANSWER_S = 0.5  # how long a detection may wait for the speaker's name
CONNECT_S = 10.0
HANG_UP_S = 2.0  # for what was written to leave; who does not take it by then is cut off
UNHEARD = (
    "a client sends what is no event of Wyoming's, or sound of another kind than 16 or 32 bit, "
    "8 to 96 kHz, 1 to 8 channels: it is passed on, and nobody is identified"
)
NO_EVENT = "a connection was ended: what came is no event of Wyoming's"
MOST_HEARD = 32  # connections at a time; any more are passed on unheard
IDENTIFY = "identify"  # https://github.com/OHF-Voice/wyoming/pull/50, wyoming/identity.py


@dataclass(frozen=True)
class Place:
    """Where a Wyoming server is, or is to be."""

    host: str
    port: int

    @classmethod
    def parse(cls, text: str, option: str) -> Place:
        """``tcp://host:port``, as Home Assistant and other servers write it.

        Raises
        ------
        SpkidError
            If it is anything else.
        """
        with suppress(ValueError):  # of a port that is none
            parts = urlsplit(text)
            if parts.scheme == "tcp" and parts.hostname and parts.port is not None:
                return cls(parts.hostname, parts.port)
        raise SpkidError(
            f"{option} {text!r}", expected="tcp://host:port", do="correct it", code="bad_address"
        )

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"tcp://{host}:{self.port}"


class _Reader(asyncio.StreamReader):
    """Bytes that the package's own reader makes events of, each of bounded size.

    ``is_read`` until nobody makes events of it any more; nothing is held then.
    """

    def __init__(self, *, is_read: bool = True) -> None:
        super().__init__(limit=LARGEST_PART_BYTES)
        self.is_read = is_read

    def let_go(self) -> None:
        self.is_read = False
        self._buffer.clear()  # type: ignore[attr-defined]  # its types leave it out

    async def readexactly(self, n: int) -> bytes:
        if not 0 <= n <= LARGEST_PART_BYTES:
            raise ValueError(f"an event of {n} bytes")
        return await super().readexactly(n)


class Proxy:
    """Stands in front of a Wyoming server.

    Parameters
    ----------
    server : Place
        The speech-to-text server, or the one that detects wake words.
    desk : Desk
        Where utterances are handed in.
    note : callable
        Takes a sentence for the person who runs this.
    detects : bool
        Whether the server detects wake words: a detection then waits a moment, and carries the
        speaker's name if that is known by then.
    identifies : bool
        Whether a connection that begins with the proposed event ``identify`` is answered here.
    """

    def __init__(
        self,
        server: Place,
        desk: Desk,
        *,
        note: Callable[[str], None],
        detects: bool = False,
        identifies: bool = False,
    ) -> None:
        self.server, self.detects, self.identifies = server, detects, identifies
        self._desk, self._note = desk, note
        self._listening: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    async def start(self, place: Place) -> Place:
        """Listen at ``place``; where its port is 0, at any that is free. Says where.

        Raises
        ------
        SpkidError
            If nothing can listen there.
        """
        try:
            self._listening = await asyncio.get_running_loop().create_server(
                lambda: asyncio.StreamReaderProtocol(_Reader(), self._connected),
                place.host,
                place.port,
            )
        except OSError as error:
            raise SpkidError(
                f"{place}: {error.strerror or error}",
                expected="a free port of this machine",
                do="choose another --listen",
                code="bad_address",
            ) from error
        return Place(place.host, self._listening.sockets[0].getsockname()[1])

    async def close(self) -> None:
        """End all connections."""
        if self._listening is not None:
            self._listening.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._served(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)
        task.add_done_callback(lambda _: writer.close())  # where it never began

    async def _served(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = None
            if self.identifies:
                first = await async_read_event(reader)
                if first is None:
                    return
                if first.type == IDENTIFY:
                    await self._identify(reader, writer)
                    return
            await self._passed_on(reader, writer, first)
        except (OSError, EOFError):
            pass  # one of the two has hung up
        except Exception:  # its text may be the client's own
            self._note(NO_EVENT)
        finally:
            await _hang_up(writer)

    async def _passed_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, first: Event | None
    ) -> None:
        try:
            async with asyncio.timeout(CONNECT_S):
                answers, questions = await asyncio.open_connection(
                    self.server.host, self.server.port, limit=LARGEST_PART_BYTES
                )
        except OSError as error:  # TimeoutError is one
            self._note(f"{self.server} cannot be reached: {error.strerror or 'no answer'}")
            return
        copy = _Reader(is_read=len(self._connections) <= MOST_HEARD)
        recording = Recording(WAKE_S if self.detects else LONGEST_S, keeps_end=self.detects)
        beside = [
            asyncio.create_task(self._listen(copy, recording)),
            asyncio.create_task(_pass_bytes(reader, questions, copy)),
        ]
        try:
            if first is not None:
                await async_write_event(first, questions)
            if self.detects:
                await self._pass_detections(answers, writer, recording)
            else:
                await _pass_bytes(answers, writer)
        finally:
            for task in beside:
                task.cancel()
            await _hang_up(questions)
            await asyncio.gather(*beside, return_exceptions=True)

    async def _listen(self, copy: _Reader, recording: Recording) -> None:
        """Hand in each utterance of a client; whatever goes wrong ends this, and nothing else."""
        try:
            await self._hear_events(copy, recording)
        except EOFError:
            pass  # the client hung up within an event
        except Exception:  # its text may be the client's own
            self._note(UNHEARD)
        finally:
            copy.let_go()

    async def _hear_events(self, reader: asyncio.StreamReader, recording: Recording) -> None:
        while (event := await async_read_event(reader)) is not None:
            if AudioStart.is_type(event.type):
                recording.clear()
            elif AudioChunk.is_type(event.type):
                _add(event, recording)
            elif AudioStop.is_type(event.type) and not self.detects:
                self._desk.hear(recording.sound(), "command")
                recording.clear()

    async def _pass_detections(
        self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter, recording: Recording
    ) -> None:
        """Pass a server's events on; a detection with the name of who spoke, where it is known."""
        while (event := await async_read_event(answers)) is not None:
            if Detection.is_type(event.type) and not event.data.get("speaker"):
                asked = self._desk.hear(recording.sound(), "wake_word")
                with suppress(TimeoutError):
                    speaker = await asyncio.wait_for(asyncio.shield(asked), WAKE_ANSWER_S)
                    if speaker is not None and speaker.member is not None:
                        event.data["speaker"] = speaker.member
            await async_write_event(event, writer)

    async def _identify(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one utterance with the proposed events; the server hears nothing of it."""
        recording = Recording(LONGEST_S)
        while (event := await async_read_event(reader)) is not None:
            if AudioChunk.is_type(event.type):
                _add(event, recording)
            elif AudioStop.is_type(event.type):
                speaker = await self._desk.hear(recording.sound(), "command")
                recording.clear()
                answer = Event("not-identified")
                if speaker is not None and speaker.member is not None:
                    named = {"name": speaker.member, "confidence": speaker.probability}
                    answer = Event("identified", named)
                await async_write_event(answer, writer)


async def _hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()
    try:
        with suppress(OSError):  # TimeoutError is one
            async with asyncio.timeout(HANG_UP_S):
                await writer.wait_closed()
    finally:
        writer.transport.abort()


def _add(event: Event, recording: Recording) -> None:
    chunk = AudioChunk.from_event(event)
    recording.add(chunk.audio, rate_hz=chunk.rate, width=chunk.width, n_channels=chunk.channels)


async def _pass_bytes(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, copy: _Reader | None = None
) -> None:
    """Copy until the end, and pass that on too; first to where it goes, then to who listens."""
    try:
        while piece := await reader.read(READ_BYTES):
            writer.write(piece)
            if copy is not None and copy.is_read:
                copy.feed_data(piece)
            await writer.drain()
    finally:
        if copy is not None:
            copy.feed_eof()
        with suppress(OSError):
            writer.write_eof()
