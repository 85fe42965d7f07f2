"""The page where not all is well, and where somebody keeps house; sound comes from files here."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from page.served_page import expect_told, serving
from playwright.sync_api import Page, expect

NAME = "page.example"
GETS = "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', '{}'))"


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    """A service that wants a token and shows an audit: its address and its tokens."""
    folder = tmp_path_factory.mktemp("guarded")
    store = folder / "store.sqlite3"
    (folder / "audit.json").write_text(
        json.dumps({"title": "Rooms <b>and</b> people", "verdict": ["Nothing is certain."]})
    )
    (folder / "audit.html").write_text("<!doctype html><title>The report</title>")
    tokens = {
        scope: subprocess.run(
            [sys.executable, "-m", "spkid", "token", "add", scope, "--store", store],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for scope in ("--all", "--auditor")
    }
    with serving(store, "--public-name", NAME, "--audit", str(folder)) as url:
        yield url, tokens


@pytest.fixture
def page(page, guarded):
    """The page with the token of everything; nobody is enrolled."""
    url, tokens = guarded
    page.add_init_script(f"sessionStorage.setItem('spkid.token', '{tokens['--all']}')")
    page.request.delete(f"{url}api/v1/households/home", headers=bearer(tokens))
    return page


def bearer(tokens: dict[str, str]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['--all']}"}


def give(page: Page, sound: Path) -> None:
    page.get_by_label("Choose a file").set_input_files(sound)


def enrolled(page: Page, guarded: tuple, name: str, clips: list[Path]) -> None:
    """Add clips as a program would."""
    url, tokens = guarded
    for clip in clips:
        answer = page.request.post(
            f"{url}api/v1/households/home/members/{name}/clips",
            params={"consent": "true"},
            data=clip.read_bytes(),
            headers={**bearer(tokens), "Content-Type": "application/octet-stream"},
        )
        assert answer.ok, answer.text()


def test_a_token_is_wanted_and_an_auditors_opens_the_audit_alone(browser, guarded):
    url, tokens = guarded
    with browser.new_context(locale="en-GB") as context:
        page = context.new_page()
        page.goto(url)
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_role("alert")).to_contain_text("not known here")
        page.get_by_label("Token").fill(tokens["--auditor"])
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_role("heading", level=1)).to_have_text(
            "Does it work equally well for everyone?"
        )
        expect(page.locator("main")).to_contain_text("Rooms <b>and</b> people")
        with page.expect_download() as saving:
            page.get_by_role("button", name="Save the whole report").click()
        assert "The report" in saving.value.path().read_text()
        page.goto(f"{url}#/household")
        expect(page.get_by_role("button", name="Save the whole report")).to_be_visible()


@pytest.mark.parametrize(
    ("happens", "words"),
    [
        (GETS.format("NotAllowedError"), "does not let this page use the microphone"),
        (GETS.format("NotFoundError"), "No microphone was found"),
        (GETS.format("NotReadableError"), "another program may hold it"),
        ("window.isSecureContext = false", "only to pages on this computer (localhost)"),
        ("delete window.AudioWorkletNode", "Take a newer one, or give a file"),
    ],
)
def test_there_are_words_for_every_way_to_have_no_microphone(page, guarded, happens, words):
    url, _ = guarded
    page.add_init_script(
        "Object.defineProperty(window, 'isSecureContext', {value: true, writable: true});" + happens
    )
    page.goto(f"{url}#/add")
    page.get_by_label("Name").fill("Ana")
    page.get_by_label("knows this and agrees").check()
    page.get_by_role("button", name="Go on to the microphone").click()
    page.get_by_role("button", name="Record").click()
    expect_told(page, words)
    expect(page.get_by_label("Choose a file")).to_be_enabled()


def test_a_service_that_is_gone_is_said_and_tried_again(page, guarded):
    url, _ = guarded
    page.route("**/api/**", lambda route: route.abort())
    page.goto(url)
    expect(page.get_by_role("alert")).to_contain_text("The service does not answer")
    page.unroute("**/api/**")
    page.get_by_role("button", name="Try again").click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("spkid")


def test_nothing_begins_without_a_name_and_consent(page, guarded):
    url, _ = guarded
    page.goto(f"{url}#/add")
    page.get_by_role("button", name="Go on to the microphone").click()
    expect(page.get_by_role("alert").first).to_be_visible()
    expect(page.get_by_label("Name")).to_be_focused()
    page.get_by_label("Name").fill("Eve")
    page.get_by_role("button", name="Go on to the microphone").click()
    expect(page.get_by_role("alert")).to_have_text("Nothing is recorded until this is agreed to.")
    page.goto(f"{url}#/add/Eve")  # as from a bookmark
    expect(page).to_have_url(f"{url}#/add")


def test_each_refused_recording_says_why(page, guarded, cast, tmp_path):
    url, _ = guarded
    ana, ben = cast["Ana"]["enroll"], cast["Ben"]["enroll"]
    enrolled(page, guarded, "Ana", ana[:2])
    silence, noise = tmp_path / "silence.wav", tmp_path / "noise.wav"
    soundfile.write(silence, np.zeros(48_000), 16_000)
    noise.write_bytes(b"no recording")
    page.goto(f"{url}#/add/Ana")
    for sound, words in (
        (silence, "Not taken. Nobody was heard."),
        (noise, "That is no recording, or it is damaged."),
        (ana[0], "Not taken. This recording is there already."),
    ):
        give(page, sound)
        expect_told(page, words)
    give(page, ben[0])
    expect_told(page, "not sound like")
    page.get_by_role("button", name="It is Ana. Take it all the same").click()
    page.get_by_role("button", name="Delete recording 3").click()
    expect_told(page, "The recording is deleted.")


def test_one_voice_under_two_names_is_asked_about(page, guarded, cast):
    url, _ = guarded
    enrolled(page, guarded, "Ben", cast["Ben"]["enroll"][:2])
    page.goto(f"{url}#/add")
    page.get_by_label("Name", exact=True).fill("Benny")
    page.get_by_label("knows this and agrees").check()
    page.get_by_label("This is a child").check()
    page.get_by_role("button", name="Go on to the microphone").click()
    expect(page.get_by_role("alert")).to_have_text("Type the name of the parent who agrees.")
    page.get_by_label("Which parent agrees?").fill("Maria")
    page.get_by_role("button", name="Go on to the microphone").click()
    give(page, cast["Ben"]["enroll"][2])
    expect_told(page, "This sounds like Ben.")
    page.get_by_role("button", name="Yes, Benny is not Ben").click()
    expect(page.get_by_role("button", name="Delete recording 1")).to_be_visible()

    page.get_by_role("link", name="Household").click()
    page.get_by_role("link", name="Benny").click()
    expect(page.locator("main")).to_contain_text("Maria agreed on")
    page.get_by_role("button", name="Same person as …").click()
    page.get_by_label("Person", exact=True).select_option("Ben")
    page.get_by_role("button", name="Make them one").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Ben")
    expect(page.locator(".clips li")).to_have_count(3)


def test_a_stranger_goes_to_the_inbox_and_gets_a_name(page, guarded, cast):
    url, _ = guarded
    enrolled(page, guarded, "Ana", cast["Ana"]["enroll"][:2])
    enrolled(page, guarded, "Ben", cast["Ben"]["enroll"][:2])
    page.goto(f"{url}#/household")
    page.get_by_label("Strangers let in, of 100").select_option("1%")
    page.get_by_role("button", name="Set for this home").click()
    expect_told(page, "Set for this home: 1% of strangers.")

    page.locator("summary").filter(has_text="Switch on").click()
    page.get_by_label("We agree to this").check()
    page.get_by_role("button", name="Switch on").click()
    expect(page.locator("main")).to_contain_text("No unknown voice at the moment.")
    page.get_by_role("link", name="Who is it?").click()
    give(page, cast["a visitor"]["heard"][0])
    expect(page.locator(".result h2")).to_have_text("It is a stranger")
    page.get_by_role("link", name="Unknown voices are kept here").click()
    page.get_by_role("button", name="Name this voice").click()
    enrolled(page, guarded, "Zoe", cast["a visitor"]["heard"][1:])
    page.get_by_label("Name", exact=True).fill("Gran")
    page.get_by_label("Which parent agrees?").fill("Maria")
    page.get_by_label("knows this and agrees").check()
    page.get_by_role("dialog").get_by_role("button", name="Name this voice").click()
    page.get_by_role("dialog", name="This sounds like Zoe.").get_by_role(
        "button", name="Yes"
    ).click()
    expect_told(page, "Gran is known now.")
    expect(page.locator(".people .name")).to_have_text(["Ana", "Ben", "Gran", "Zoe"])
    page.get_by_role("button", name="Switch off and delete all").click()
    page.get_by_role("dialog").get_by_role("button", name="Switch off and delete all").click()
    expect(page.locator("summary").filter(has_text="Switch on")).to_be_visible()


def test_everybody_is_forgotten_and_the_page_begins_again(page, guarded, cast):
    url, _ = guarded
    enrolled(page, guarded, "Ana", cast["Ana"]["enroll"][:1])
    page.goto(f"{url}#/household")
    page.get_by_role("button", name="Forget everybody").click()
    page.get_by_role("dialog").get_by_role("button", name="Forget everybody").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Who is speaking at home?")


def test_both_languages_say_the_same(browser, guarded):
    url, _ = guarded
    shapes = """async () => {
        const shape = (words) => typeof words !== 'object' ? typeof words
            : Object.fromEntries(Object.entries(words).map(([key, value]) => [key, shape(value)]));
        const of = async (tag) => shape((await import(`/assets/words/${tag}.js`)).default);
        return [await of('en'), await of('de')]
    }"""
    with browser.new_context(locale="de-AT") as context:
        page = context.new_page()
        page.goto(url)
        expect(page.get_by_role("heading", level=1)).to_have_text("Diese Seite möchte ein Token")
        assert page.locator("html").get_attribute("lang") == "de"
        english, german = page.evaluate(shapes)
    assert english == german
