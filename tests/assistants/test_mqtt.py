"""A real broker receives what Home Assistant discovers, who spoke, and that we are gone."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager, suppress

import aiomqtt
import pytest
from stand_ins import broker, home_assistant, run

from spkid.assistants.answers import Speaker
from spkid.assistants.mqtt import STALE_S, Broker, Publisher, Topics
from spkid.errors import SpkidError

TOPICS = Topics("home", "command")
ANA = Speaker(
    "home", "known", "Ana", 0.99, 0.98, (), 2.5, "command", "2026-11-27T07:00:00.000+00:00"
)
STRANGER = Speaker(
    "home", "unknown", None, 0.9, 0.1, (), 2.5, "command", "2026-11-27T07:00:09.000+00:00"
)


@asynccontextmanager
async def publishing(port, noted=None):
    publisher = Publisher(
        Broker("127.0.0.1", port), TOPICS, note=(noted if noted is not None else []).append
    )
    task = asyncio.create_task(publisher.run())
    try:
        yield publisher
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def test_home_assistant_discovers_a_sensor_and_hears_who_spoke():
    async def test():
        async with broker() as port, home_assistant(port) as first:
            async with publishing(port) as publisher:
                assert (await first.next(TOPICS.availability))[0] == "online"
                publisher.tell(ANA)
                assert json.loads((await first.next(TOPICS.attributes))[0]) == ANA.to_json()
                assert await first.next(TOPICS.state) == ("Ana", False)
                event = json.loads((await first.next(TOPICS.event))[0])
                assert event == {"event_type": "speaker_identified", **ANA.to_json()}
                publisher.tell(STRANGER)
                assert await first.next(TOPICS.state) == ("unknown", False)
                event = json.loads((await first.next(TOPICS.event))[0])
                assert event["event_type"] == "speaker_not_identified"
            assert (await first.next(TOPICS.availability))[0] == "offline"
            async with home_assistant(port) as later:  # after a restart
                await later.client.publish("the/end", "")
                kept = {}
                while (message := await anext(later.messages)).topic.value != "the/end":
                    kept[message.topic.value] = message.payload.decode()
        assert kept.pop(TOPICS.availability) == "offline"
        event, sensor = (json.loads(kept[topic]) for topic in sorted(kept))  # and nobody's name
        assert event["state_topic"] == TOPICS.event
        assert sensor["state_topic"] == TOPICS.state
        assert sensor["json_attributes_topic"] == TOPICS.attributes
        assert sensor["availability_topic"] == TOPICS.availability
        assert sensor["unique_id"] == "spkid_home_command"
        assert sensor["device"]["identifiers"] == ["spkid_home"]

    run(test())


def test_the_event_of_discovery_has_the_types_that_are_sent():
    events = [content for topic, content in TOPICS.discovery().items() if "/event/" in topic]
    assert [event["event_types"] for event in events] == [
        ["speaker_identified", "speaker_not_identified"]
    ]
    assert events[0]["state_topic"] == TOPICS.event


def test_a_killed_process_is_offline_by_its_last_will():
    async def test():
        async with broker() as port, home_assistant(port) as listens:
            publisher = Publisher(Broker("127.0.0.1", port), TOPICS, note=print)
            client = publisher._client()
            await client.__aenter__()
            await client.publish(TOPICS.availability, "online", qos=1, retain=True)
            assert (await listens.next(TOPICS.availability))[0] == "online"
            client._client.socket().shutdown(2)  # as when the process is gone
            assert (await listens.next(TOPICS.availability))[0] == "offline"
            with suppress(aiomqtt.MqttError):
                await client.__aexit__(None, None, None)

    run(test())


def test_a_broker_that_comes_back_is_told_anew(monkeypatch):
    monkeypatch.setattr("spkid.assistants.mqtt.FIRST_PAUSE_S", 0.05)

    async def test():
        noted = []
        async with broker() as port:
            pass  # and gone
        async with publishing(port, noted) as publisher:
            while not noted:
                await asyncio.sleep(0.01)
            assert noted[0].startswith(f"mqtt://127.0.0.1:{port} cannot be reached")
            publisher.tell(ANA)
            for _ in range(2):
                async with broker(port), home_assistant(port) as listens:
                    assert (await listens.next("homeassistant/sensor/+/+/config"))[0]
                    publisher.tell(STRANGER)
                    while (await listens.next(TOPICS.state))[0] != "unknown":
                        pass

    run(test())


def test_an_old_answer_is_not_told_later(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr("spkid.assistants.mqtt.time.monotonic", lambda: now[0])

    async def test():
        async with broker() as port, home_assistant(port) as listens:
            publisher = Publisher(Broker("127.0.0.1", port), TOPICS, note=print)
            publisher.tell(ANA)
            now[0] += STALE_S + 1
            publisher.tell(STRANGER)
            task = asyncio.create_task(publisher.run())
            assert (await listens.next(TOPICS.state))[0] == "unknown"
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    run(test())


class Swallowing:
    """A client that loses a cancellation, as aiomqtt does where the broker answers just then."""

    def __init__(self, lost_at):
        self.lost_at, self.told = lost_at, asyncio.Queue()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        pass

    @property
    async def messages(self):
        await asyncio.Event().wait()
        yield

    async def publish(self, topic, content, **_):
        await self.told.put((topic, content))
        if topic == self.lost_at:
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()


@pytest.mark.parametrize("lost_at", [next(iter(TOPICS.discovery())), TOPICS.event])
def test_an_end_that_comes_with_the_brokers_answer_is_not_lost(monkeypatch, lost_at):
    async def test():
        client = Swallowing(lost_at)
        publisher = Publisher(Broker("127.0.0.1", 1), TOPICS, note=print)
        monkeypatch.setattr(publisher, "_client", lambda: client)
        publisher.tell(ANA)
        task = asyncio.create_task(publisher.run())
        while (await client.told.get())[0] != lost_at:
            pass
        task.cancel()
        await asyncio.wait({task}, timeout=10)
        assert task.cancelled()
        *_, last = [client.told.get_nowait() for _ in range(client.told.qsize())]
        assert last == (TOPICS.availability, "offline")

    run(test())


def test_answers_that_nobody_takes_are_let_go_oldest_first():
    async def test():
        publisher = Publisher(Broker("127.0.0.1", 1), TOPICS, note=print)
        for _ in range(100):
            publisher.tell(ANA)
        publisher.tell(STRANGER)
        waiting = [publisher._waiting.get_nowait()[1] for _ in range(publisher._waiting.qsize())]
        assert len(waiting) == 16
        assert waiting[-1] is STRANGER

    run(test())


def test_households_have_topics_of_their_own():
    names = ["home", "Home", "flat 3", "flat_3", "Müller", "#", "+/+", "家"]
    keys = {Topics(name, "command").key for name in names}
    assert len(keys) == len(names)
    for name in names:
        topics = Topics(name, "wake_word")
        assert topics.key.replace("_", "").isalnum()
        assert topics.key.isascii()
        assert topics.base == f"spkid/{topics.key}/wake_word"
    assert Topics("home", "command").base == "spkid/home/command"


def test_a_broker_is_read_from_its_address_and_the_password_from_elsewhere():
    broker = Broker.parse("mqtts://me%40home@example.org", password="hidden word")
    assert (broker.host, broker.port, broker.user) == ("example.org", 8883, "me@home")
    assert broker.password == "hidden word"
    assert broker.is_encrypted
    assert "hidden" not in repr(broker) + str(broker)
    assert Broker.parse("mqtt://[::1]:1884", password=None).port == 1884


@pytest.mark.parametrize(
    "text", ["example.org", "http://example.org", "mqtt://", "mqtt://h:x", "mqtt://h/topic"]
)
def test_another_address_is_refused(text):
    with pytest.raises(SpkidError, match="expected mqtt://"):
        Broker.parse(text, password=None)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(SpkidError, match="SPKID_MQTT_PASSWORD") as error:
        Broker.parse("mqtt://me:hunter2@example.org", password=None)
    assert "hunter2" not in str(error.value)
