"""The client says what it is asked to, to nobody else, and passes on what the service answers."""

from __future__ import annotations

import io
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from spkid.client import Client
from spkid.errors import SpkidError

PROBLEM = {
    "type": "about:blank", "title": "Not Found", "status": 404, "detail": "...",
    "code": "unknown_member", "got": "unknown member 'Bob' of 'home'",
    "expected": "one of: Ana, Ben", "do": "correct member= or enroll this person",
}  # fmt: skip


class Service:
    """A stand-in: keeps what it is asked, answers what it is told to."""

    def __init__(self):
        self.asked, self.status, self.answer, self.headers = [], 200, b"{}", {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                outer.asked.append((self.command, self.path, dict(self.headers), body))
                self.send_response(outer.status)
                for name, value in outer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(outer.answer)))
                self.end_headers()
                self.wfile.write(outer.answer)

            do_GET = do_POST = do_PATCH = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def service():
    running = Service()
    yield running
    running.close()


CALLS = [
    (lambda client: client.service(), "GET", "/service"),
    (lambda client: client.household("a/b ü"), "GET", "/households/a%2Fb%20%C3%BC"),
    (lambda client: client.member("home", "..."), "GET", "/households/home/members/..."),
    (
        lambda client: client.enroll(
            "home", "Ana", b"x", consent=True, given_by="Zoë", child=False
        ),
        "POST",
        "/households/home/members/Ana/clips"
        "?consent=true&given_by=Zo%C3%AB&child=false&another_person=false&force=false",
    ),
    (lambda client: client.identify("home", b"x", far=0.01), "POST",
     "/households/home/identify?far=0.01"),
    (lambda client: client.verify("home", "Ana", b"x"), "POST",
     "/households/home/members/Ana/verify"),
    (lambda client: client.timeline("home", b"x"), "POST", "/households/home/timeline"),
    (lambda client: client.rename("home", "Ana", "Anna"), "PATCH", "/households/home/members/Ana"),
    (lambda client: client.forget("home", "Ana"), "DELETE", "/households/home/members/Ana"),
    (lambda client: client.forget("home"), "DELETE", "/households/home"),
    (lambda client: client.archive("home", "Ana"), "GET", "/households/home/members/Ana/archive"),
    (lambda client: client.backup(), "POST", "/backup"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "method", "path"), CALLS)
def test_each_call_asks_for_what_it_says(call, method, path, service):
    call(Client(service.url + "/", token="t0ken"))
    ((asked_method, asked_path, headers, _),) = service.asked
    assert (asked_method, asked_path) == (method, "/api/v1" + path)
    assert headers["Authorization"] == "Bearer t0ken"


@pytest.mark.parametrize("name", ["", ".", ".."])
def test_a_name_never_leads_to_what_stands_above_it(name, service):
    """``DELETE .../home/members/..`` is the household to a proxy that tidies paths."""
    client = Client(service.url)
    for call in (lambda: client.forget("home", name), lambda: client.forget(name)):
        with pytest.raises(SpkidError) as error:
            call()
        assert error.value.code == "bad_name"
    assert service.asked == []


def test_a_list_comes_as_one(service):
    service.answer = json.dumps({"households": [{"household": "home", "n_members": 2}]}).encode()
    assert Client(service.url).households() == [{"household": "home", "n_members": 2}]
    assert "Authorization" not in service.asked[0][2]


def test_audio_is_a_path_bytes_or_an_open_file(service, tmp_path):
    path = tmp_path / "clip.wav"
    path.write_bytes(b"sound")
    client = Client(service.url)
    for audio in (path, str(path), b"sound", io.BytesIO(b"sound")):
        client.identify("home", audio)
        assert service.asked.pop()[3] == b"sound"
    with pytest.raises(SpkidError, match=r"missing.wav: .*; check the path"):
        client.identify("home", tmp_path / "missing.wav")
    assert service.asked == []


def test_a_new_name_goes_as_json(service):
    Client(service.url).rename("home", "Ana", "Anña")
    _, _, headers, body = service.asked[0]
    assert json.loads(body) == {"name": "Anña"}
    assert headers["Content-Type"] == "application/json"


def test_a_refusal_is_the_services_own(service):
    service.status, service.answer = 404, json.dumps(PROBLEM).encode()
    with pytest.raises(SpkidError) as error:
        Client(service.url).member("home", "Bob")
    assert error.value.code == "unknown_member"
    assert str(error.value) == (
        "unknown member 'Bob' of 'home'; expected one of: Ana, Ben; "
        "correct member= or enroll this person."
    )


@pytest.mark.parametrize(
    ("status", "answer"),
    [
        (500, b"<html>"),
        (404, b"[]"),
        (404, json.dumps({**PROBLEM, "code": None}).encode()),
        (200, b"<html>"),
        (200, b"[1]"),
        (302, b""),
    ],
)
def test_what_is_no_service_of_ours_is_said(status, answer, service):
    service.status, service.answer = status, answer
    service.headers = {"Location": service.url + "/elsewhere"}
    with pytest.raises(SpkidError) as error:
        Client(service.url, token="secret-token").service()
    assert error.value.code == "no_service"
    assert "secret-token" not in str(error.value)
    assert len(service.asked) == 1  # no redirection is followed


def test_a_service_that_is_not_there_is_said(service):
    service.close()
    with pytest.raises(SpkidError) as error:
        Client(service.url).service()
    assert error.value.code == "no_service"


def test_a_proxy_of_the_environment_is_not_used(service, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    assert Client(service.url).service() == {}


def test_a_token_is_not_shown_and_not_sent_in_the_clear():
    client = Client("https://voices.example.org/x/", token="secret-token")
    assert repr(client) == "Client('https://voices.example.org:443/x')"
    with pytest.raises(SpkidError, match="expected https://"):
        Client("http://voices.example.org", token="secret-token")
    Client("http://voices.example.org")
    Client("http://[::1]:8765", token="secret-token")


@pytest.mark.parametrize(
    "url",
    ["voices.example.org", "ftp://h", "http://", "http://me:pw@h", "http://h:x", "http://h?t=1"],
)
def test_an_address_is_one_of_a_service(url):
    with pytest.raises(SpkidError) as error:
        Client(url)
    assert error.value.code == "bad_address"
    assert "pw" not in str(error.value)
