"""A household's own log on real clips: what is written down, confirmed, archived and audited."""

from __future__ import annotations

import csv
import io
import json
import zipfile

import numpy as np
import pytest

from enrollment import Household, Store
from enrollment.export import export_member
from enrollment.profile import Consent, Exemplar
from enrollment.store.decisions import LoggedDecision
from enrollment.store.terms import Terms
from spkid.encoder.hearing import hear
from spkid.errors import ConsentError


@pytest.fixture
def home(store, cast, model):
    home = Household(store, "home", model=model)
    home.enroll("Ana", cast["Ana"]["enroll"], consent=True)
    return home


def test_answers_are_written_down_once_somebody_agreed_and_a_confirmed_clip_tells(
    home, cast, tmp_path
):
    own, stranger = cast["Ana"]["heard"][0], cast["Ben"]["heard"][0]
    home.identify(own)
    assert home.decisions.rows() == []
    with pytest.raises(ConsentError, match="We tell our guests"):
        home.decisions.switch_on("Ana", consent=False)
    terms = home.decisions.switch_on("Ana", consent=True, keep_days=7)
    assert (terms.given_by, "for 7 days" in terms.text) == ("Ana", True)
    answers = [
        home.identify(own),
        home.identify(stranger, false_accept_rate=0.01),
        home.identify(np.zeros(16_000, dtype=np.float32)),
    ]
    rows = home.decisions.rows()
    for row, said, rate in zip(rows, answers, (0.05, 0.01, 0.05), strict=True):
        assert (row.status, row.member, row.p_member) == (said.status, said.member, said.p_member)
        assert (row.accepted_rate, row.speech_s, row.spoke) == (rate, said.speech_s, None)
    assert [row.status for row in rows] == ["known", "unknown", "no_speech"]
    session = home.session("Ana", consent=False, origin="confirmed")
    session.add(own)
    session.save()
    assert [row.spoke for row in home.decisions.rows()] == ["Ana", None, None]
    names = export_member(home.store, "home", "Ana", tmp_path / "ana.zip")
    assert "answers.csv" in names
    with zipfile.ZipFile(tmp_path / "ana.zip") as archive:
        kept = list(csv.DictReader(io.StringIO(archive.read("answers.csv").decode())))
    assert [(each["member"], each["spoke"]) for each in kept] == [("Ana", "Ana")]
    assert home.decisions.switch_off() == 3


def test_what_another_program_agrees_to_counts_from_the_next_answer_on(home, cast):
    heard = hear(cast["Ana"]["heard"][0], home.model.encoder)
    other = Household(home.store, "home", model=home.model)
    home.identify(heard)
    other.decisions.switch_on("Ana", consent=True)
    home.identify(heard)
    assert len(home.decisions.rows()) == 1
    other.decisions.switch_off()
    other.decisions.switch_on("Ana", consent=True)
    other.decisions.switch_off()
    assert home.identify(heard).hints == ()
    assert home.decisions.rows() == []


def test_an_answer_is_given_also_where_it_cannot_be_written_down(home, cast, monkeypatch):
    from spkid.errors import StoreError

    home.decisions.switch_on("Ana", consent=True)

    def full(*_: object) -> bool:
        raise StoreError("a full disk", expected="room", do="make some")

    monkeypatch.setattr(home.store.decisions, "add", full)
    said = home.identify(cast["Ana"]["heard"][0])
    assert said.member == "Ana"
    assert said.hints[-1].startswith("The answer was not written down: a full disk")


def test_the_log_of_a_store_is_audited_by_its_own_groups_and_kinds_of_homes(spkid, tmp_path):
    place = tmp_path / "store.sqlite3"
    rng = np.random.default_rng(0)

    def clip(name: str, home: str) -> Exemplar:
        drawn = rng.normal(size=192).astype(np.float32)
        return Exemplar(drawn / np.linalg.norm(drawn), f"{home}-{name}", 4.0, 30.0)

    with Store.open(place) as store:
        for number in range(12):
            home = f"h{number}"
            for name, group in (("Ana", ""), ("Leo", "child"))[: 1 + number % 2]:
                store.add(
                    home,
                    name,
                    [clip(name, home)],
                    model="m",
                    consent=Consent(name),
                    age_group=group,
                )
            store.decisions.switch_on(home, Terms("Ana", "We agree.", 30))
            for said, spoke in (("Ana", "Ana"), ("Ana", "Leo"), (None, "May"), (None, None)):
                status = "known" if said else "unknown"
                row = LoggedDecision(status, said, 0.5, 0.5, 0.05, 3.0, "m", "digest")
                if spoke == "Leo" and not number % 2:
                    continue
                store.decisions.add(home, row)
                last = store.decisions.rows(home)[-1].id
                is_guest = {"guest": spoke} if spoke == "May" else {"member": spoke}
                if spoke:
                    store.decisions.tell(home, last, **is_guest)
    words = ("--by", "age_group,n_members,with_children", "--out", tmp_path / "out")
    code, _, said = spkid("audit", "--store", place, *words)
    assert code == 0, said
    assert "12 answers are left out: nobody has said who spoke." in said
    record = json.loads((tmp_path / "out" / "audit.json").read_text())
    by = {section["name"]: section for section in record["groupings"]}
    rates = {
        (name, row["group"]): row["false_negative_identification_rate"]
        for name, section in by.items()
        for row in section["groups"]
    }
    assert rates["age_group", "other"] == 0.0  # no child was ever named: six Leos, too few
    assert by["age_group"]["small"][0]["group"] == "child"
    (taken,) = by["age_group"]["mistaken"]
    assert (taken["group"], taken["taken_for"], taken["n"]) == ("child", "other", 6)
    assert [row["group"] for row in by["n_members"]["groups"]] == ["1", "2"]
    assert [row["group"] for row in by["with_children"]["groups"]] == ["no", "yes"]
    page = (tmp_path / "out" / "audit.html").read_text()
    assert "Who is taken for whom" in page
    words = ("--household", "h1", "--by", "age_group", "--out", tmp_path / "one")
    assert spkid("audit", "--store", place, *words)[0] == 0
    assert json.loads((tmp_path / "one" / "audit.json").read_text())["n_trials"] == 3
