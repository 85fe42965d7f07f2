"""Websockets: PCM comes in, and what is heard goes out as it is heard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import suppress
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Query, WebSocket, WebSocketDisconnect
from pydantic import BaseModel

from enrollment.live import ENROLLING, Answer, LiveEvent
from enrollment.session import EnrollmentSession
from spkid.audio.events import Utterance
from spkid.audio.live import LiveSound
from spkid.errors import SpkidError
from spkid.files import parse_json
from spkid.serve.access import HOME, Rate, caller_of, name_in_path, service_of, wrong_scope
from spkid.serve.answers import Enrolled
from spkid.serve.guard import SUBPROTOCOL, overloaded
from spkid.serve.problems import (
    bad_request,
    log_unforeseen,
    no_household,
    problem_of,
    response_of,
    unforeseen,
)
from spkid.serve.routes.clips import (
    AnotherPerson,
    Child,
    Consent,
    Device,
    GivenBy,
    saved,
    shown_session,
)
from spkid.serve.routes.members import MEMBER
from spkid.serve.service import Service
from spkid.serve.streams import RATES_HZ, message_of

router = APIRouter()
LARGEST_BYTES = 2**20
CLOSE_CODES = {503: 1013, 500: 1011}
RateHz = Annotated[int, Query(ge=RATES_HZ[0], le=RATES_HZ[1])]


class Cancelled(Exception):
    """The other side wants nothing to be kept."""


class Conversation:
    """One open socket: messages in, messages out, neither of them waited for without end."""

    def __init__(self, socket: WebSocket, service: Service) -> None:
        self.socket, self.service = socket, service
        self._quiet_s = service.limits.quiet_s

    async def tell(self, kind: str, content: BaseModel | dict[str, Any] | None = None) -> None:
        """Send a message."""
        fields = content.model_dump(mode="json") if isinstance(content, BaseModel) else content
        async with asyncio.timeout(self._quiet_s):
            await self.socket.send_json({"type": kind, **(fields or {})})

    async def sound(self) -> AsyncIterator[bytes]:
        """Frames until the other side says that there are no more.

        Raises
        ------
        SpkidError
            If nothing comes for too long, or something that is no such message.
        Cancelled
            If it wants nothing to be kept.
        WebSocketDisconnect
            If it is gone.
        """
        while True:
            try:
                async with asyncio.timeout(self._quiet_s):
                    message = await self.socket.receive()
            except TimeoutError:
                raise bad_request(f"nothing for {self._quiet_s:.0f} s") from None
            if message["type"] == "websocket.disconnect":
                raise WebSocketDisconnect(message.get("code", 1006))
            content = message.get("bytes")
            if content is None:
                kind = kind_of(message.get("text") or "")
                if kind == "cancel":
                    raise Cancelled
                return
            if len(content) > LARGEST_BYTES:
                raise bad_request("a message of more than 1 MB")
            yield content


def kind_of(text: str) -> str:
    """What a text message is: ``end`` or ``cancel``.

    Raises
    ------
    SpkidError
        If it is neither.
    """
    with suppress(ValueError, TypeError, KeyError):
        kind = parse_json(text)["type"]
        if kind in ("end", "cancel"):
            return str(kind)
    raise bad_request("a text message of no known type")


async def converse(
    socket: WebSocket, talk: Callable[[Conversation, str], Awaitable[None]], household: str
) -> None:
    """Open the socket where the caller may, talk, and end with a reason where something fails."""
    service, name = service_of(socket), name_in_path(household)
    try:
        caller = caller_of(socket)
        if caller.scope not in HOME:
            raise wrong_scope()
        if not caller.may_see(name):
            raise no_household()
        if service.n_sockets >= service.limits.n_sockets:
            raise overloaded("too many open sockets")
    except SpkidError as error:
        await socket.send_denial_response(response_of(error))
        return
    service.n_sockets += 1
    try:
        offered = socket.scope.get("subprotocols", [])
        await socket.accept(SUBPROTOCOL if SUBPROTOCOL in offered else None)
        await _ended_well(Conversation(socket, service), name, talk)
    finally:
        service.n_sockets -= 1


async def _ended_well(
    conversation: Conversation, name: str, talk: Callable[[Conversation, str], Awaitable[None]]
) -> None:
    with suppress(WebSocketDisconnect, TimeoutError, RuntimeError):  # nobody is there any more
        try:
            await talk(conversation, name)
            await conversation.socket.close()
        except Cancelled:
            await conversation.socket.close()
        except SpkidError as error:
            await _end(conversation, error)
        except (WebSocketDisconnect, TimeoutError):
            raise
        except Exception as error:
            log_unforeseen(error)
            await _end(conversation, unforeseen(error))


async def _end(conversation: Conversation, error: SpkidError) -> None:
    problem = problem_of(error)
    await conversation.tell("problem", {**problem, "type": "problem"})
    await conversation.socket.close(CLOSE_CODES.get(problem["status"], 1008))


@router.websocket("/households/{household}/listen")
async def listen(
    socket: WebSocket, household: str, rate_hz: RateHz = 16_000, far: Rate = None
) -> None:
    """Who is speaking, as they speak."""

    async def talk(conversation: Conversation, name: str) -> None:
        service = conversation.service
        await service.writing.run(lambda: service.members(name))
        listener = await service.hearing.run(
            lambda: service.home(name).listen(rate_hz=rate_hz, false_accept_rate=far)
        )
        await conversation.tell("ready")
        async for message in conversation.sound():
            heard = await service.hearing.run(partial(listener.feed, message))
            await tell_events(conversation, name, heard)
        await tell_events(conversation, name, await service.hearing.run(listener.finish))
        await conversation.tell("end")

    await converse(socket, talk, household)


async def tell_events(
    conversation: Conversation, household: str, events: Iterable[LiveEvent]
) -> None:
    """Send each event with the time that it is about."""
    for event in events:
        if isinstance(event, Answer):
            conversation.service.metrics.answers.labels(event.decision.status).inc()
        await conversation.tell(*message_of(household, event))


@router.websocket(MEMBER + "/enroll")
async def enroll(
    socket: WebSocket,
    household: str,
    member: str,
    rate_hz: RateHz = 16_000,
    consent: Consent = False,
    given_by: GivenBy = "",
    device: Device = "",
    child: Child = None,
    another_person: AnotherPerson = False,
) -> None:
    """Enroll from a microphone: a verdict after each pause, and how much is still wanted."""

    async def talk(conversation: Conversation, name: str) -> None:
        service = conversation.service
        session = await service.writing.run(
            lambda: service.home(name).session(
                name_in_path(member),
                consent=consent,
                given_by=given_by,
                child=child,
                device=device,
                vault=service.vault,
            )
        )
        await conversation.tell("ready", progress(session))
        await hear_clips(conversation, session, LiveSound(rate_hz, ENROLLING))
        done = await service.hearing.run(
            lambda: saved(service, session, another_person=another_person)
        )
        await conversation.tell("saved", done)

    await converse(socket, talk, household)


async def hear_clips(
    conversation: Conversation, session: EnrollmentSession, sound: LiveSound
) -> None:
    """Judge clip after clip until the profile is complete or the sound ends."""
    hearing = conversation.service.hearing

    def judge(content: bytes | None) -> list[Enrolled]:
        shown = []
        for event in sound.finish() if content is None else sound.feed(content):
            if isinstance(event, Utterance):
                session.add(event.waveform)
                shown.append(shown_session(session, session.verdicts))
        return shown

    async def tell(content: bytes | None) -> None:
        for state in await hearing.run(lambda: judge(content)):
            latest = state.clips[-1].model_dump(mode="json")
            await conversation.tell("clip", {"clip": latest, **progress(session)})

    async for message in conversation.sound():
        await tell(message)
        if session.percent == 100:
            return
    await tell(None)


def progress(session: EnrollmentSession) -> dict[str, Any]:
    """How complete the profile would be if it were saved now."""
    shown = shown_session(session, ())
    return shown.model_dump(mode="json", exclude={"household", "member", "clips"})
