"""The page in a real browser: people enroll by speaking, ask who speaks, and are forgotten."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from page.served_page import PHONE, Complaints, Microphone, expect_told, faults, fits, serving
from playwright.sync_api import Page, expect

TRIES = 3  # a machine that is busy drops samples; as a person would, it is said again
DESK, SMALL = {"width": 1280, "height": 900}, {"width": 320, "height": 600}
PICTURES = os.environ.get("SPKID_PICTURES")  # a folder, to take new pictures for the docs


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("page") / "store.sqlite3") as url:
        yield url


@pytest.fixture
def complaints(page):
    """What the browser complains about; nothing may be left of it at the end."""
    made = Complaints(page)
    yield made
    assert made.said == []


def look(page: Page, name: str) -> None:
    """No serious fault, narrow and wide, light and dark; a picture of it where wanted."""
    looks = [("phone", PHONE, "light"), ("desk", DESK, "dark")]
    if PICTURES:
        looks += [("phone", PHONE, "dark"), ("desk", DESK, "light")]
    for size, width, colours in looks:
        page.set_viewport_size(width)
        page.emulate_media(color_scheme=colours)
        assert faults(page) == [], (name, size, colours)
        assert fits(page), (name, size)
        if PICTURES:
            path = Path(PICTURES) / f"page-{name}-{size}-{colours}.png"
            page.screenshot(path=path, full_page=True)
    page.set_viewport_size(SMALL)
    assert fits(page), name
    page.set_viewport_size(PHONE)
    page.emulate_media(color_scheme="light")


def say(page: Page, microphone: Microphone, clip: Path, *, at_most_s: float = 5.0) -> None:
    """Press Record, let the beginning of ``clip`` be heard, and press Stop."""
    seconds = microphone.play(clip, at_most_s=at_most_s)
    page.locator("button.record").click()
    page.wait_for_function(
        "least => parseInt(document.querySelector('.record .time').textContent) >= least",
        arg=int(seconds),
    )
    page.get_by_role("button", name="Stop").click()


def enroll(page: Page, microphone: Microphone, name: str, clips: list[Path]) -> None:
    page.get_by_label("Name").fill(name)
    page.get_by_label("knows this and agrees").check()
    page.get_by_role("button", name="Go on to the microphone").click()
    expect(page.get_by_role("heading", name=f"The voice of {name}")).to_be_focused()
    refused = page.get_by_role("status").filter(has_text="Not taken")
    for number, clip in enumerate(clips, start=1):
        taken = page.get_by_role("button", name=f"Delete recording {number}")
        for _ in range(TRIES):
            say(page, microphone, clip)
            expect(taken.or_(refused)).to_be_visible()
            if taken.is_visible():
                break
        expect_told(page, "Taken")


def ask(page: Page, microphone: Microphone, clip: Path, answer: str) -> None:
    found = page.locator(".result h2")
    for _ in range(TRIES):
        say(page, microphone, clip, at_most_s=4.0)
        expect(found).to_be_visible()
        if found.text_content() != "That cannot be told":
            break
    expect(found).to_have_text(answer)


def test_a_household_begins_asks_renames_and_forgets(page, complaints, address, microphone, cast):
    page.goto(address)
    expect(page.get_by_role("heading", name="Who is speaking at home?")).to_be_visible()
    look(page, "start")
    page.get_by_role("link", name="Add the first person").click()
    for name in ("Ana", "Ben", "Leo"):
        enroll(page, microphone, name, cast[name]["enroll"][1:])
        page.get_by_role("link", name="Add another person").click()
    page.goto(f"{address}#/add/Ana")
    expect(page.get_by_role("heading", name="The voice of Ana")).to_be_visible()
    look(page, "enroll")

    page.get_by_role("link", name="Who is it?").click()
    ask(page, microphone, cast["Ana"]["heard"][0], "It is Ana")
    look(page, "who")
    for name in ("Ben", "Leo"):
        ask(page, microphone, cast[name]["heard"][0], f"It is {name}")
    ask(page, microphone, cast["a visitor"]["heard"][0], "It is a stranger")

    page.get_by_role("link", name="Household").click()
    expect(page.locator(".people .name")).to_have_text(["Ana", "Ben", "Leo"])
    look(page, "household")
    page.get_by_role("link", name="Ben").click()
    page.get_by_role("button", name="Rename", exact=True).click()
    page.get_by_label("New name").fill("Benno")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Benno", level=1)).to_be_focused()

    look(page, "member")
    page.goto(f"{address}#/member/Leo")
    page.get_by_role("button", name="Forget Leo").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget Leo").click()
    expect_told(page, "Leo is forgotten: 2 recordings deleted.")
    page.reload()
    expect(page.locator(".people .name")).to_have_text(["Ana", "Benno"])

    page.get_by_role("link", name="Who is it?").click()
    page.get_by_label("Choose a file").set_input_files(cast["Leo"]["heard"][0])
    expect(page.locator(".result h2")).to_have_text("It is a stranger")
    look(page, "stranger")
