"""``spkid wyoming`` as it is started: a process before a server, with a broker beside it."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from contextlib import asynccontextmanager

import pytest
from stand_ins import (
    LIMIT_S,
    WORDS,
    SpeechToText,
    broker,
    home_assistant,
    listening,
    run,
    transcribed,
)

from spkid.assistants.proxy import Place


@asynccontextmanager
async def started(*words):
    """The command, once it listens: the process and where."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "spkid", "wyoming", *words,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    line = (await process.stderr.readline()).decode()
    found = re.match(r"spkid listens on tcp://127.0.0.1:(\d+) and passes everything on to ", line)
    try:
        assert found, line
        yield process, Place("127.0.0.1", int(found[1]))
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def test_the_whole_way_from_a_microphone_to_home_assistant(home, spoken):
    async def test():
        async with (
            listening(lambda *pipe: SpeechToText([], *pipe)) as server,
            broker() as port,
            home_assistant(port) as listens,
            started(
                "--household", "home", "--store", home.store, "--to", str(server),
                "--listen", "tcp://127.0.0.1:0", "--mqtt", f"mqtt://127.0.0.1:{port}", "--json",
            ) as (process, at),
        ):  # fmt: skip
            assert (await listens.next("spkid/home/command/availability"))[0] == "online"
            for name, state in (("Ana", "Ana"), ("a visitor", "unknown")):
                assert (await transcribed(at, spoken[name])).data["text"] == WORDS
                told = json.loads(await process.stdout.readline())
                assert (told["member"] or told["status"]) == state
                assert (await listens.next("spkid/home/command/state"))[0] == state
            process.send_signal(signal.SIGTERM)
            assert (await listens.next("spkid/home/command/availability"))[0] == "offline"
            assert await asyncio.wait_for(process.wait(), LIMIT_S) == 0
            assert await process.stderr.read() == b""

    run(test())


def test_transcripts_come_through_without_a_store(tmp_path, spoken):
    async def test():
        async with (
            listening(lambda *pipe: SpeechToText([], *pipe)) as server,
            started(
                "--household", "home", "--store", str(tmp_path / "none"), "--to", str(server),
                "--listen", "tcp://127.0.0.1:0", "--json",
            ) as (process, at),
        ):  # fmt: skip
            for _ in range(2):
                assert (await transcribed(at, spoken["Ana"])).data["text"] == WORDS
            line = (await process.stderr.readline()).decode()
            assert "nobody" in line
            assert "no such store" in line
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), LIMIT_S) == 0

    run(test())


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["--to", "tcp://127.0.0.1:1"], "nobody who is told who spoke"),
        (["--to", "127.0.0.1:1", "--json"], "--to '127.0.0.1:1'; expected tcp://host:port"),
        (["--to", "tcp://h:1", "--mqtt", "h"], "--mqtt 'h'; expected mqtt://user@host:1883"),
        (["--to", "tcp://h:1", "--json", "--household", " "], "the name ' '"),
    ],
)
def test_wrong_words_are_refused_before_anything_starts(words, sentence, spkid):
    code, _, error = spkid("wyoming", "--household", "home", *words)
    assert code == 2
    assert sentence in error


@pytest.mark.parametrize(
    ("module", "extra", "words"),
    [
        ("assistant", "assistants", ["wyoming", "--to", "tcp://h:1", "--json"]),
        ("tools", "mcp", ["mcp"]),
    ],
)
def test_what_is_not_installed_is_named(module, extra, words, spkid, monkeypatch):
    monkeypatch.setitem(sys.modules, f"spkid.assistants.{module}", None)
    code, _, error = spkid(*words, "--household", "home")
    assert code == 2
    assert f"run: pip install 'spkid[{extra}]'" in error
