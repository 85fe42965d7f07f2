"""A service in this process, and people who are enrolled in it."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

pytest.importorskip("fastapi")

from serving import served
from starlette.testclient import TestClient

from enrollment import Household, Store
from spkid import Model
from spkid.serve.app import make_app
from spkid.serve.settings import Settings

HERE = "http://127.0.0.1:8765"
API = "/api/v1"


@pytest.fixture(scope="session")
def family_store(tmp_path_factory, cast, model):
    """A store in which Ana and Ben live at home, heard once for all tests."""
    place = tmp_path_factory.mktemp("family") / "store.sqlite3"
    with Store.open(place) as store:
        home = Household(store, "home", model=model)
        for name in ("Ana", "Ben"):
            home.enroll(name, cast[name]["enroll"], consent=True)
    return place


@pytest.fixture
def settings(tmp_path, model, monkeypatch):
    """Of a service with an empty store, whose model is loaded already."""
    monkeypatch.setattr(Model, "load", lambda *_, **__: model)
    return Settings(str(tmp_path / "store.sqlite3"))


@pytest.fixture
def service(settings):
    """A client of a service on loopback with an empty store."""
    with TestClient(make_app(settings), base_url=f"{HERE}{API}/") as client:
        yield client


@pytest.fixture
def service_of_both(tmp_path):
    """A client of a service with an empty store and both bundled models."""
    settings = Settings(str(tmp_path / "store.sqlite3"), model="both")
    with TestClient(make_app(settings), base_url=f"{HERE}{API}/") as client:
        yield client


@pytest.fixture
def home(settings, family_store):
    """A client of a service in which Ana and Ben live at home."""
    shutil.copy(family_store, settings.store)
    with TestClient(make_app(settings), base_url=f"{HERE}{API}/") as client:
        yield client


@pytest.fixture
def running(settings, family_store):
    """The address of a running service in which Ana and Ben live at home."""
    shutil.copy(family_store, settings.store)
    with served(replace(settings, port=0)) as url:
        yield url
