"""Logged answers in both databases: only where agreed, bounded, expiring, gone with the person."""

from __future__ import annotations

import dataclasses
import datetime

import numpy as np
import pytest
from sqlalchemy import LargeBinary

from enrollment import Store
from enrollment.profile import Consent, Exemplar
from enrollment.store import decisions as module
from enrollment.store.decisions import LoggedDecision
from enrollment.store.schema import decisions
from enrollment.store.terms import Terms
from spkid import SpkidError

TERMS = Terms("Ana", "We agree.", 30)


def unit(seed: int) -> np.ndarray:
    drawn = np.random.default_rng(seed).normal(size=192).astype(np.float32)
    return drawn / np.linalg.norm(drawn)


def answer(number: int, member: str | None = None, *, days_old: int = 0) -> LoggedDecision:
    heard_at = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=days_old)
    status = "known" if member else "unknown"
    at = heard_at.isoformat(timespec="seconds")
    return LoggedDecision(
        status, member, 0.75, 0.25, 0.05, 3.5, "m1", f"digest-{number:03d}", heard_at=at
    )


def clip(seed: int, **about) -> Exemplar:
    return Exemplar(unit(seed), f"digest-{seed:03d}", 4.0, 30.0, **about)


@pytest.fixture
def store(place):
    with Store.open(place) as opened:
        for seed, name in ((900, "Ana"), (901, "Leo")):
            opened.add("home", name, [clip(seed)], model="m1", consent=Consent(name))
        yield opened


@pytest.fixture
def logging(store):
    store.decisions.switch_on("home", TERMS)
    return store


def digests(store) -> list[str]:
    return [row.digest for row in store.decisions.rows("home")]


def told(store) -> list[tuple[str | None, str | None, str | None]]:
    return [(row.member, row.spoke, row.guest) for row in store.decisions.rows("home")]


def test_nothing_is_written_down_before_somebody_agreed_and_never_a_vector(store):
    assert store.decisions.add("home", answer(1, "Ana")) is False
    assert store.decisions.add("nowhere", answer(1, "Ana")) is False
    store.decisions.switch_on("HOME", TERMS)
    assert store.decisions.add("home", answer(1, "Ana")) is True
    (row,) = store.decisions.rows()
    given = answer(1, "Ana")
    stored = {"heard_at", "expires_on", "id", "household"}
    for field in dataclasses.fields(LoggedDecision):
        if field.name not in stored:
            assert getattr(row, field.name) == getattr(given, field.name)
    assert (row.household, row.expires_on > row.heard_at) == ("home", True)
    assert not any(isinstance(column.type.declared, LargeBinary) for column in decisions.columns)
    assert store.decisions.switch_off("home") == 1
    assert (store.decisions.rows(), store.decisions.terms("home")) == ([], None)


def test_the_oldest_tenth_makes_room(logging, monkeypatch):
    monkeypatch.setattr(module, "MAX_DECISIONS", 20)
    for number in range(20):
        logging.decisions.add("home", answer(number))
    assert len(digests(logging)) == 20
    logging.decisions.add("home", answer(20))
    assert digests(logging) == [f"digest-{number:03d}" for number in range(2, 21)]


def test_answers_expire_and_the_day_follows_the_terms(logging):
    for number, days_old in ((1, 31), (2, 30), (3, 8), (4, 0)):
        logging.decisions.add("home", answer(number, days_old=days_old))
    assert digests(logging) == ["digest-002", "digest-003", "digest-004"]
    assert logging.decisions.expire() == 1
    logging.decisions.switch_on("home", dataclasses.replace(TERMS, keep_days=7))
    assert digests(logging) == ["digest-004"]
    with Store.open(logging._database.place_to_reopen()) as again:
        assert again.decisions.expire() == 0  # opening did it


def test_who_spoke_is_known_from_a_confirmed_clip_or_told(logging):
    for number in (1, 2, 3):
        logging.decisions.add("home", answer(number, "Leo"))
    ids = [row.id for row in logging.decisions.rows("home")]
    confirmed = [clip(1, origin="confirmed")]
    logging.add("home", "Ana", confirmed, model="m1", consent=None)
    logging.decisions.tell("home", ids[1], guest="Aunt May")
    assert told(logging) == [("Leo", "Ana", None), ("Leo", None, "Aunt May"), ("Leo", None, None)]
    logging.decisions.tell("home", ids[1], member="leo")
    logging.decisions.tell("home", ids[0])  # taken back
    assert told(logging) == [("Leo", None, None), ("Leo", "Leo", None), ("Leo", None, None)]
    for wrong, code in (
        ({"number": 999, "member": "Ana"}, "unknown_decision"),
        ({"number": ids[0], "member": "Zoe"}, "unknown_member"),
        ({"number": ids[0], "guest": "ANA"}, "name_taken"),
    ):
        with pytest.raises(SpkidError) as caught:
            logging.decisions.tell("home", **wrong)
        assert caught.value.code == code


@pytest.fixture
def four(logging):
    """Answers that name Ana, that Ana's voice was given, and two that are about others."""
    for number, member in ((1, "Ana"), (2, "Leo"), (3, "Leo"), (4, None)):
        logging.decisions.add("home", answer(number, member))
    logging.decisions.tell("home", logging.decisions.rows("home")[1].id, member="Ana")
    return logging


def test_a_person_who_is_forgotten_or_moves_takes_the_answers_along(four):
    receipt = four.forget("home", "Ana")
    assert (receipt.members, receipt.n_decisions) == (("Ana",), 2)
    assert digests(four) == ["digest-003", "digest-004"]
    done = four.move("home", "Leo", "away")
    assert (done.n_decisions, done.gone_household) == (1, "home")
    assert four.decisions.rows() == []  # the home is gone, and with it its agreement


def test_a_household_that_is_forgotten_keeps_no_answer(four):
    assert four.forget("home").n_decisions == 4
    assert four.decisions.rows() == []


def test_answers_follow_a_name_and_a_merged_profile(four):
    four.rename("home", "Anna", member="Ana")
    assert told(four)[:2] == [("Anna", None, None), ("Leo", "Anna", None)]
    four.merge("home", "Anna", "Leo")
    assert told(four)[:2] == [("Leo", None, None), ("Leo", "Leo", None)]


@pytest.mark.parametrize(
    "act",
    [
        lambda store: store.forget("home", "Ana"),
        lambda store: store.move("home", "Ana", "away"),
        lambda store: store.decisions.switch_off("home"),
    ],
)
def test_deleted_answers_leave_no_bytes_in_any_file(tmp_path, act):
    with Store.open(tmp_path / "s.sqlite3") as store:
        for seed, name in ((900, "Ana"), (901, "Leo")):
            store.add("home", name, [clip(seed)], model="m1", consent=Consent(name))
        store.decisions.switch_on("home", TERMS)
        store.decisions.add("home", answer(1, "Ana"))

        def files() -> bytes:
            return b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

        assert b"digest-001" in files()
        act(store)
        assert b"digest-001" not in files()
