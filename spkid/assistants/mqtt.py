"""Answers on MQTT, where Home Assistant discovers them.

Topics and fields are those of https://www.home-assistant.io/integrations/mqtt (MQTT discovery,
availability), sensor.mqtt and event.mqtt.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any
from urllib.parse import unquote, urlsplit

import aiomqtt

from spkid import __version__
from spkid.assistants.answers import Occasion, Speaker
from spkid.errors import SpkidError

PORTS = {"mqtt": 1883, "mqtts": 8883}
DISCOVERY = "homeassistant"  # the prefix that Home Assistant listens to unless told otherwise
ONLINE, OFFLINE = "online", "offline"  # Home Assistant's own words
IDENTIFIED, NOT_IDENTIFIED = "speaker_identified", "speaker_not_identified"
MOST_WAITING = 16
STALE_S = 10.0  # an older answer is about somebody who may have left
FIRST_PAUSE_S, LONGEST_PAUSE_S = 1.0, 60.0  # before the broker is tried again


@dataclass(frozen=True)
class Broker:
    """Where the MQTT broker is and who we are there."""

    host: str
    port: int
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    is_encrypted: bool = False

    @classmethod
    def parse(cls, text: str, *, password: str | None) -> Broker:
        """``mqtt://user@host:1883``, or ``mqtts://`` for an encrypted connection.

        Raises
        ------
        SpkidError
            If it is anything else, or has a password in it, which others would see in the list of
            processes.
        """
        with suppress(ValueError):  # of a port that is none
            parts = urlsplit(text)
            if parts.password is not None:
                raise SpkidError(
                    "an address of a broker with a password in it",
                    expected="mqtt://user@host",
                    do="put the password into SPKID_MQTT_PASSWORD",
                    code="bad_address",
                )
            if parts.scheme in PORTS and parts.hostname and parts.path in ("", "/"):
                return cls(
                    parts.hostname,
                    parts.port or PORTS[parts.scheme],
                    unquote(parts.username) if parts.username else None,
                    password,
                    parts.scheme == "mqtts",
                )
        raise SpkidError(
            f"--mqtt {text!r}",
            expected="mqtt://user@host:1883 or mqtts://user@host:8883",
            do="correct it",
            code="bad_address",
        )

    def __str__(self) -> str:
        return f"{'mqtts' if self.is_encrypted else 'mqtt'}://{self.host}:{self.port}"


@dataclass(frozen=True)
class Topics:
    """The topics of one household's speakers, and what Home Assistant is told of them."""

    household: str
    occasion: Occasion

    @property
    def key(self) -> str:
        """The household in letters that topics and ids may have; no two have the same."""
        plain = re.sub("[^a-z0-9]+", "_", self.household.lower()).strip("_")
        if plain == self.household:
            return plain
        digest = sha256(self.household.encode()).hexdigest()[:8]
        return f"{plain}_{digest}".strip("_")

    @property
    def base(self) -> str:
        """What all topics begin with."""
        return f"spkid/{self.key}/{self.occasion}"

    @property
    def availability(self) -> str:
        """Says whether somebody listens."""
        return f"{self.base}/availability"

    @property
    def state(self) -> str:
        """Has the member's name, or the status."""
        return f"{self.base}/state"

    @property
    def attributes(self) -> str:
        """Has all fields of the answer."""
        return f"{self.base}/attributes"

    @property
    def event(self) -> str:
        """Has an event for each utterance."""
        return f"{self.base}/event"

    def discovery(self) -> dict[str, dict[str, Any]]:
        """Topic and content of each message that makes an entity."""
        name = f"spkid_{self.key}"
        called = "Speaker" if self.occasion == "command" else "Wake word speaker"
        shared = {
            "availability_topic": self.availability,
            "icon": "mdi:account-voice",
            "device": {
                "identifiers": [name],
                "name": f"spkid {self.household}",
                "manufacturer": "spkid",
                "sw_version": __version__,
            },
            "origin": {"name": "spkid", "sw_version": __version__},
        }
        sensor = {
            "name": called,
            "unique_id": f"{name}_{self.occasion}",
            "state_topic": self.state,
            "json_attributes_topic": self.attributes,
            "force_update": True,  # the same person speaking again is news
        }
        event = {
            "name": f"{called} event",
            "unique_id": f"{name}_{self.occasion}_event",
            "state_topic": self.event,
            "event_types": [IDENTIFIED, NOT_IDENTIFIED],
        }
        return {
            f"{DISCOVERY}/sensor/{name}/{self.occasion}/config": sensor | shared,
            f"{DISCOVERY}/event/{name}/{self.occasion}/config": event | shared,
        }

    def messages(self, speaker: Speaker) -> list[tuple[str, str]]:
        """Topic and content of each message about an answer; attributes come before the state."""
        fields = speaker.to_json()
        event_type = IDENTIFIED if speaker.member is not None else NOT_IDENTIFIED
        return [
            (self.attributes, json.dumps(fields)),
            (self.state, speaker.state),
            (self.event, json.dumps({"event_type": event_type, **fields})),
        ]


class Publisher:
    """Keeps a connection to the broker and tells it each answer.

    Discovery and availability are kept by the broker; answers are not, so that nobody's name stays
    there.

    Parameters
    ----------
    broker : Broker
        Where to.
    topics : Topics
        Of the household.
    note : callable
        Takes a sentence for the person who runs this.
    """

    def __init__(self, broker: Broker, topics: Topics, *, note: Callable[[str], None]) -> None:
        self.broker, self.topics, self._note = broker, topics, note
        self._waiting: asyncio.Queue[tuple[float, Speaker]] = asyncio.Queue(MOST_WAITING)

    def tell(self, speaker: Speaker) -> None:
        """Publish it soon; never waits."""
        if self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait((time.monotonic(), speaker))

    async def run(self) -> None:
        """Publish until cancelled; a broker that goes away is tried again and again."""
        pause_s, noted = FIRST_PAUSE_S, ""
        while True:
            _end_if_cancelled()
            try:
                async with self._client() as client:
                    pause_s, noted = FIRST_PAUSE_S, ""
                    await self._published(client)
            except aiomqtt.MqttError as error:
                if str(error) != noted:  # once, not at every try
                    noted = str(error)
                    self._note(f"{self.broker} cannot be reached: {noted}; it is tried again")
            await asyncio.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _client(self) -> aiomqtt.Client:
        return aiomqtt.Client(
            self.broker.host,
            self.broker.port,
            username=self.broker.user,
            password=self.broker.password,
            tls_context=ssl.create_default_context() if self.broker.is_encrypted else None,
            will=aiomqtt.Will(self.topics.availability, OFFLINE, qos=1, retain=True),
        )

    async def _published(self, client: aiomqtt.Client) -> None:
        for topic, content in self.topics.discovery().items():
            await client.publish(topic, json.dumps(content), qos=1, retain=True)
        await client.publish(self.topics.availability, ONLINE, qos=1, retain=True)
        lost = asyncio.create_task(_until_lost(client))
        try:
            while True:
                _end_if_cancelled()
                told = asyncio.create_task(self._waiting.get())
                await asyncio.wait({told, lost}, return_when=asyncio.FIRST_COMPLETED)
                if lost.done():
                    told.cancel()
                    await lost  # raises
                at_s, speaker = told.result()
                if time.monotonic() - at_s <= STALE_S:
                    for topic, words in self.topics.messages(speaker):
                        await client.publish(topic, words, qos=1)
        except asyncio.CancelledError:
            await client.publish(self.topics.availability, OFFLINE, qos=1, retain=True)
            raise
        finally:
            lost.cancel()


def _end_if_cancelled() -> None:
    """In Python 3.11 the client loses a cancellation that comes at once with a broker's answer."""
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError


async def _until_lost(client: aiomqtt.Client) -> None:
    async for _ in client.messages:  # we subscribe to none; this ends with the connection
        pass
