"""What the command line does, over HTTP."""

from __future__ import annotations

import io
import json
import zipfile

import pytest

from enrollment import Household, Store
from spkid import Model
from spkid.audio.reading import load_audio


def test_a_family_is_told_from_a_stranger(home, cast, tmp_path, model):
    service = home
    for name in ("Ana", "Ben"):
        clip = cast[name]["heard"][0]
        answer = service.post("households/home/identify", content=clip.read_bytes()).json()
        assert (answer["status"], answer["member"]) == ("known", name)
        with Store.open(tmp_path / "store.sqlite3") as store:
            own = Household(store, "home", model=model).identify(load_audio(clip))
        assert answer["p_member"] == pytest.approx(own.p_member)
        assert [who["member"] for who in answer["candidates"]] == [
            who.member for who in own.candidates
        ]
    stranger = cast["Leo"]["heard"][0].read_bytes()
    assert service.post("households/home/identify", content=stranger).json()["status"] == "unknown"
    clip = cast["Ana"]["heard"][0].read_bytes()
    assert service.post("households/home/members/Ana/verify", content=clip).json()["same"] is True
    assert service.post("households/home/members/Ben/verify", content=clip).json()["same"] is False
    found = service.post("households/home/timeline", content=clip).json()["segments"]
    assert {part["who"] for part in found if part["status"] == "known"} == {"Ana"}


def test_clip_by_clip_the_profile_grows(service, cast):
    percents = []
    for path in cast["Ana"]["enroll"]:
        answer = service.post(
            "households/home/members/Ana/clips?consent=true&given_by=Maria&device=kitchen",
            content=path.read_bytes(),
        ).json()
        percents.append(answer["percent"])
        assert answer["clips"][0]["accepted"]
    assert percents == sorted(percents)
    assert percents[0] < percents[-1]
    again = service.post("households/home/members/Ana/clips", content=path.read_bytes()).json()
    assert again["clips"][0]["reason"] == "same_clip"
    assert again["percent"] == percents[-1]
    member = service.get("households/home/members/Ana").json()
    assert (member["percent"], member["n_clips"]) == (percents[-1], 3)
    assert {clip["device"] for clip in member["clips"]} == {"kitchen"}
    assert member["consents"]["voice"]["given_by"] == "Maria"
    gone = service.delete(f"households/home/members/Ana/clips/{member['clips'][0]['id']}").json()
    assert gone["n_exemplars"] == 1
    assert service.get("households/home/members/Ana").json()["n_clips"] == 2


def test_without_consent_nothing_is_stored(service, cast):
    clip = cast["Ana"]["enroll"][0].read_bytes()
    answer = service.post("households/home/members/Ana/clips", content=clip)
    assert (answer.status_code, answer.json()["code"]) == (422, "no_consent")
    assert service.get("households").json() == {"households": []}


def test_profiles_are_put_in_their_right_place(home):
    service = home
    member = "households/home/members"
    assert service.patch(f"{member}/Ana", json={"name": "Anna"}).json()["member"] == "Anna"
    taken = service.patch(f"{member}/Anna", json={"name": "Ben"})
    assert (taken.status_code, taken.json()["code"]) == (409, "name_taken")
    moved = service.post(f"{member}/Anna/move", json={"to_household": "flat/3"}).json()
    assert (moved["household"], moved["member"]) == ("flat/3", "Anna")
    assert service.get("households/flat%2F3").json()["members"][0]["member"] == "Anna"
    service.post("households/flat%2F3/members/Anna/move", json={"to_household": "home"})
    assert service.get("households/flat%2F3").status_code == 404
    assert service.post(f"{member}/Anna/merge", json={"into": "Ben"}).json()["member"] == "Ben"
    assert service.get(f"{member}/Ben").json()["n_clips"] == 6
    assert service.patch("households/home", json={"name": "house"}).json()["household"] == "house"
    assert service.delete("households/house").json()["members"] == ["Ben"]
    assert service.get("households").json() == {"households": []}


def test_a_home_has_its_own_threshold(home):
    service = home
    chosen = service.post("households/home/calibration", json={"far": 0.01}).json()
    assert chosen["false_accepts"] == [0, 6]
    shown = service.get("households/home").json()["calibration"]
    assert shown == {"far": 0.01, "rate": chosen["rate"]}
    assert service.delete("households/home/calibration").status_code == 204
    assert service.get("households/home").json()["calibration"] is None
    service.delete("households/home/members/Ben")
    few = service.post("households/home/calibration", json={"far": 0.01})
    assert (few.status_code, few.json()["code"]) == (409, "too_few_members")


def test_a_stranger_waits_in_the_inbox_for_a_name(home, cast):
    service = home
    stranger = cast["Leo"]["heard"][0].read_bytes()
    inbox = "households/home/inbox"
    service.post("households/home/identify", content=stranger)
    assert service.get(inbox).json() == {"household": "home", "terms": None, "speakers": []}
    refused = service.put(inbox, json={"by": "Ana", "days": 30, "consent": False})
    assert refused.json()["code"] == "no_consent"
    assert service.put(inbox, json={"by": "Ana", "consent": True}).json()["keep_days"] == 30
    service.post("households/home/identify", content=stranger)
    (speaker,) = service.get(inbox).json()["speakers"]
    assert service.get("households/home").json()["inbox"] == {"is_on": True, "n_speakers": 1}
    other = cast["Leo"]["enroll"][0].read_bytes()
    service.post("households/home/members/Leo/clips?consent=true", content=other)
    wanted = {"member": "Tim", "consent": True, "given_by": "Ana"}
    refused = service.post(f"{inbox}/{speaker['id']}/name", json=wanted)
    assert (refused.status_code, refused.json()["sounds_like"]) == (409, "Leo")
    wanted["another_person"] = True
    named = service.post(f"{inbox}/{speaker['id']}/name", json=wanted).json()
    assert (named["member"], named["n_clips"]) == ("Tim", 1)
    agreed = service.get("households/home/members/Tim").json()["consents"]["voice"]
    assert agreed["given_by"] == "Ana"
    gone = service.delete(f"{inbox}/{speaker['id']}")
    assert (gone.status_code, gone.json()["code"]) == (404, "unknown_voice")
    assert service.delete(inbox).json() == {"n_deleted": 0}


def test_all_that_is_kept_comes_back_as_files(home, tmp_path):
    archive = home.get("households/home/members/Ana/archive")
    with zipfile.ZipFile(io.BytesIO(archive.content)) as files:
        assert json.loads(files.read("profile.json"))["member"] == "Ana"
    copy = tmp_path / "copy.sqlite3"
    copy.write_bytes(home.post("backup").content)
    with Store.open(copy, create=False) as store:
        assert [member.name for member in store.members()] == ["Ana", "Ben"]


def test_which_frames_counted_and_the_sound_under_them(home, cast, encoder):
    clip = cast["Ana"]["heard"][0]
    answer = home.post(
        "households/home/identify", params={"weights": True}, content=clip.read_bytes()
    ).json()
    picture = answer["picture"]
    samples = load_audio(clip)[:160_000]
    assert picture["weights"] == pytest.approx(
        encoder.frame_weights(samples - samples.mean()).tolist(), abs=1e-6
    )
    assert picture["spectrogram"]["n_frames"] == len(picture["weights"])


def test_the_service_says_what_it_is(service):
    assert service.get("health").json() == {"status": "ok"}
    told = service.get("service").json()
    assert (told["scope"], told["household"], told["token_required"]) == ("all", None, False)
    assert "recognise" in told["consent"]["voice"]
    metrics = service.get("metrics").text
    assert 'spkid_requests_total{method="GET",path="/service",status="200"} 1.0' in metrics
    assert service.get("audit").json()["code"] == "no_audit"


def test_a_service_of_both_models_answers(service_of_both, cast):
    service = service_of_both
    for name in ("Ana", "Ben"):
        for path in cast[name]["enroll"]:
            place = f"households/home/members/{name}/clips?consent=true"
            assert service.post(place, content=path.read_bytes()).status_code == 200
    models = set()
    for name in ("Ana", "Ben"):
        clip = cast[name]["heard"][0].read_bytes()
        answer = service.post("households/home/identify", content=clip).json()
        assert (answer["member"], answer["hints"]) == (name, [])
        models.add(answer["model"])
    stranger = cast["a visitor"]["heard"][0].read_bytes()
    assert service.post("households/home/identify", content=stranger).json()["member"] is None
    both = Model.load("both")
    assert models <= {both.fingerprint, both.quick.model.fingerprint}
