"""A language model's side of ``spkid mcp``, by the package's own client."""

from __future__ import annotations

import json
import os
import shutil
import sys

import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters
from stand_ins import run

from enrollment import Household, Store
from spkid.assistants.tools import make_server
from spkid.errors import SpkidError


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory, model, cast):
    """A store with two homes, to be copied."""
    place = tmp_path_factory.mktemp("tools") / "store.sqlite3"
    with Store.open(place) as store:
        for household, name in (("home", "Ana"), ("home", "Ben"), ("flat 3", "Leo")):
            home = Household(store, household, model=model)
            home.enroll(name, cast[name]["enroll"][:2], consent=True)
    return place


@pytest.fixture
def household(enrolled, tmp_path, model):
    shutil.copy(enrolled, tmp_path / "store.sqlite3")
    with Store.open(tmp_path / "store.sqlite3") as store:
        yield Household(store, "home", model=model)


@pytest.fixture
def ask(household, clips):
    """Call a tool: whether it failed, and what it answered."""
    server = make_server(household, [clips["096160018"].parent])

    def call(tool, **arguments):
        answers = []

        async def asked():
            async with Client(server) as client:
                answers.append(await client.call_tool(tool, arguments))

        run(asked())
        result = answers[0]
        text = "\n".join(part.text for part in result.content)
        return result.is_error, text, result.structured_content

    return call


def test_a_model_is_told_who_speaks(ask, cast):
    failed, text, answer = ask("identify", clip=str(cast["Ana"]["heard"][0]))
    assert not failed
    assert (answer["status"], answer["member"]) == ("known", "Ana")
    assert {each["member"] for each in answer["candidates"]} == {"Ana", "Ben"}
    assert json.loads(text) == answer
    assert ask("identify", clip=str(cast["a visitor"]["heard"][0]))[2]["status"] == "unknown"


def test_the_members_of_one_home_are_listed_and_of_no_other(ask):
    failed, text, answer = ask("list")
    assert not failed
    assert [member["member"] for member in answer["result"]] == ["Ana", "Ben"]
    assert answer["result"][0]["n_clips"] == 2
    assert "Leo" not in text


@pytest.mark.parametrize("confirm", ["", "yes", "forget Ben for good", "Forget Ana for good"])
def test_nobody_is_forgotten_without_the_words(confirm, ask, household):
    failed, text, _ = ask("forget", member="Ana", confirm=confirm)
    assert failed
    assert "nothing was deleted" in text
    assert [member.name for member in household.members()] == ["Ana", "Ben"]


def test_the_words_are_asked_for(ask, household):
    failed, text, _ = ask("forget", member="Ana")
    assert failed
    assert "confirm" in text
    assert len(household.members()) == 2


def test_who_is_confirmed_is_forgotten(ask, household):
    failed, _, receipt = ask("forget", member="Ana", confirm="forget Ana for good")
    assert not failed
    assert receipt["members"] == ["Ana"]
    assert [member.name for member in household.members()] == ["Ben"]
    failed, text, _ = ask("forget", member="Leo", confirm="forget Leo for good")
    assert failed  # he is of another home
    assert "unknown member" in text


def test_only_clips_in_allowed_folders_are_heard(household, clips, tmp_path):
    allowed, other = tmp_path / "allowed", tmp_path / "allowed and not"
    for folder in (allowed, other):
        folder.mkdir()
        (folder / "clip.opus").write_bytes(clips["096160018"].read_bytes())
    (allowed / "link.opus").symlink_to(other / "clip.opus")
    server = make_server(household, [allowed])
    refused = []

    async def asked():
        async with Client(server) as client:
            path = allowed / "sub" / ".." / "clip.opus"
            result = await client.call_tool("identify", {"clip": str(path)})
            assert result.structured_content["member"] == "Ana"
            for path in (
                other / "clip.opus",
                other / "missing.opus",
                allowed / "link.opus",
                allowed / ".." / other.name / "clip.opus",
                "/dev/zero",
                "-",
                "a\0b",
                "",
            ):
                result = await client.call_tool("identify", {"clip": str(path)})
                assert result.is_error
                text = result.content[0].text.removeprefix("Error executing tool identify: ")
                refused.append(text.replace(repr(str(path)), "X"))

    run(asked())
    assert set(refused) == {
        f"X: not in a folder that was allowed; expected a path in {allowed}; "
        "start 'spkid mcp' with --allow FOLDER."
    }


def test_without_a_folder_nothing_is_heard(household, clips):
    async def asked():
        async with Client(make_server(household, [])) as client:
            result = await client.call_tool("identify", {"clip": str(clips["096160018"])})
            assert result.is_error

    run(asked())


def test_a_folder_must_be_one(household, tmp_path):
    with pytest.raises(SpkidError, match="no folder"):
        make_server(household, [tmp_path / "none"])


def test_tools_say_what_they_change(household):
    async def asked():
        async with Client(make_server(household, [])) as client:
            tools = {tool.name: tool.annotations for tool in (await client.list_tools()).tools}
            assert set(tools) == {"identify", "list", "forget"}
            assert tools["identify"].read_only_hint
            assert tools["list"].read_only_hint
            assert tools["forget"].destructive_hint

    run(asked())


def test_no_answer_holds_a_voice(ask, household, cast):
    texts = [
        ask("list")[1],
        ask("identify", clip=str(cast["Ana"]["heard"][0]))[1],
        ask("forget", member="Ben", confirm="forget Ben for good")[1],
    ]
    vector = household.members()[0].exemplars[0].vector
    for number in vector:
        assert not any(f"{number:.5f}" in text for text in texts)


def test_the_command_speaks_the_protocol(household, cast, tmp_path):
    command = StdioServerParameters(
        command=sys.executable,
        args=[
            "-m",
            "spkid",
            "mcp",
            "--household",
            "home",
            "--allow",
            str(cast["Ana"]["heard"][0].parent),
        ],
        env={**os.environ, "SPKID_STORE": str(tmp_path / "store.sqlite3")},
    )

    async def asked():
        async with Client(command) as client:
            result = await client.call_tool("identify", {"clip": str(cast["Ben"]["heard"][0])})
            assert result.structured_content["member"] == "Ben"

    run(asked())
