"""A password in the query of a PostgreSQL address was printed; now none is, wherever it stands.

Held: errors, reprs, logs, pickles, ``store.place`` and chained exceptions.
"""

from __future__ import annotations

import logging
import pickle
import traceback

import pytest
import sqlalchemy

from enrollment import Store
from enrollment.store.address import read_address
from enrollment.store.backup import restore
from spkid.errors import SpkidError

SECRET = "hunter2 pass/w?rd"
CODED = "hunter2%20pass%2Fw%3Frd"
NOWHERE = "127.0.0.1:1/home?connect_timeout=1"
ADDRESSES = [
    f"postgresql+psycopg://ana:{CODED}@{NOWHERE}",
    f"postgresql://ana:{CODED}@{NOWHERE}",
    f"postgresql://ana@{NOWHERE}&password={CODED}",
    f"postgresql://ana@{NOWHERE}&pass%77ord={CODED}",
    f"postgresql://ana@{NOWHERE}&sslpassword={CODED}",
    f"postgresql://ana@{NOWHERE}&password={CODED}&password={CODED}",
    f"postgresql://ana@{NOWHERE}&oauth_client_secret={CODED}",
    f"postgresql://ana@{NOWHERE}&passwrd={CODED}",
]
MISTYPED = [
    f"mysql://ana:{CODED}@host/home",
    f"postgres://ana@host/home?password={CODED}",
    f"postgresql:/ana:{CODED}@host/home",
    f"postgresql:ana:{CODED}@host/home",
    f"postgresql://ana:{CODED}",
    f"postgresql://ana:{CODED}@host:port/home",
    f"postgresql://ana:hunter2@{CODED}@host/home",
    f"host=127.0.0.1 user=ana password={CODED}",
    "postgresql://ana:hunter2@[::1/home",
]


def everything_said(error: BaseException) -> str:
    """What a log or a traceback shows of it and of all that is behind it."""
    said = "".join(traceback.format_exception(error))
    while error is not None:
        said += f"{error!r} {error} {vars(error)} {error.args}"
        error = error.__cause__ or error.__context__
    return said


def shows_secret(text: str) -> bool:
    return "hunter2" in text or "pass/w" in text or "w%3Frd" in text


@pytest.mark.parametrize("address", ADDRESSES + MISTYPED)
def test_no_error_shows_it(address, caplog):
    caplog.set_level(logging.DEBUG)
    with pytest.raises(SpkidError) as caught:
        Store.open(address)
    assert not shows_secret(everything_said(caught.value))
    assert not shows_secret(caplog.text)
    assert not shows_secret(pickle.dumps(caught.value).decode("latin-1"))


@pytest.mark.parametrize("address", ADDRESSES + MISTYPED)
def test_the_command_line_shows_none(spkid, monkeypatch, address, tmp_path):
    monkeypatch.setenv("SPKID_TRACEBACK", "1")
    for words in (("profiles", "--store", address), ("profiles", "--json", "--store", address)):
        code, out, err = spkid(*words)
        assert code == 2
        assert not shows_secret(out + err)


def test_a_restore_shows_none(tmp_path):
    for address in ADDRESSES + MISTYPED:
        with pytest.raises(SpkidError) as caught:
            restore(tmp_path / "none", address)
        assert not shows_secret(everything_said(caught.value))


def test_what_is_no_secret_is_shown(tmp_path):
    found = read_address(f"postgresql://ana@host/home?passfile=/home/ana/.pgpass&password={CODED}")
    assert found.place == "postgresql://ana@host/home?passfile=%2Fhome%2Fana%2F.pgpass&password=***"
    assert found.secrets == {"password": SECRET}
    assert "passfile" in found.url.query
    assert not shows_secret(repr(found) + repr(found.url))


def test_it_reaches_the_server_and_nothing_else(place_on_server, monkeypatch):
    given = []
    original = sqlalchemy.create_engine

    def engine(url, **options):
        made = original(url, **options)
        sqlalchemy.event.listen(made, "do_connect", lambda *args: given.append(args[3]))
        return made

    monkeypatch.setattr("enrollment.store.database.create_engine", engine)
    for address in (
        f"{place_on_server}&password={CODED}",
        place_on_server.replace(":@", f":{CODED}@", 1),
    ):
        given.clear()
        with Store.open(address) as store:
            assert given[0]["password"] == SECRET
            shown = f"{store!r} {store.place} {store.index_folder} {vars(store)}"
            assert not shows_secret(shown + repr(store._database._engine))
            assert "***" in store.place
            with pytest.raises(SpkidError) as caught:
                pickle.dumps(store)
            assert caught.value.code == "not_pickled"
            assert not shows_secret(everything_said(caught.value))
    with Store.open(place_on_server) as store, pickle.loads(pickle.dumps(store)) as again:
        assert again.place == store.place
