"""Who may call what: every operation of the OpenAPI document by every kind of token."""

from __future__ import annotations

import json
import shutil

import pytest
from fastapi.routing import APIWebSocketRoute
from starlette.testclient import TestClient, WebSocketDenialResponse

from spkid.serve.access import IN_DOCUMENT
from spkid.serve.app import ROUTERS, document_of, make_app
from spkid.serve.guard import OPEN_PATHS, Rate
from spkid.serve.settings import Settings
from spkid.serve.tokens import Tokens

NAME = "spkid.example"
API = "/api/v1"
METHODS = {"get", "put", "post", "patch", "delete"}
BODIES = {
    "Name": {"name": "Anna"},
    "Into": {"into": "Ben"},
    "ToHousehold": {"to_household": "flat"},
    "Far": {"far": 0.05},
    "InboxOn": {"by": "Ana", "consent": True},
    "VoiceNamed": {"member": "Ana"},
}


def operations() -> list[tuple[str, str, dict]]:
    app = make_app(Settings("none")).inner
    return [
        (method, path, operation)
        for path, methods in document_of(app)["paths"].items()
        for method, operation in methods.items()
    ]


OPERATIONS = operations()
SOCKETS = [
    f"{API}{route.path}"
    for module in ROUTERS
    for route in module.router.routes
    if isinstance(route, APIWebSocketRoute)
]
IDS = [f"{method} {path.removeprefix(API)}" for method, path, _ in OPERATIONS]


@pytest.fixture(scope="module")
def callers(tmp_path_factory, family_store, model):
    """A service that needs tokens, and a token of each kind; its store is never changed."""
    patch = pytest.MonkeyPatch()
    patch.setattr("spkid.Model.load", lambda *_, **__: model)
    place = tmp_path_factory.mktemp("access") / "store.sqlite3"
    shutil.copy(family_store, place)
    audit = place.parent / "audit"
    audit.mkdir()
    (audit / "audit.json").write_text("{}")
    (audit / "audit.html").write_text("<p>audit</p>")
    settings = Settings(str(place), public_names=(NAME,), audit=str(audit))
    tokens = Tokens(settings.tokens_folder)
    texts = {
        "all": tokens.add("all", per_minute=10_000)[0],
        "household": tokens.add("household", household="home", per_minute=10_000)[0],
        "other": tokens.add("household", household="other", per_minute=10_000)[0],
        "auditor": tokens.add("auditor", per_minute=10_000)[0],
        "forged": tokens.add("all")[0][:-4] + "AAAA",
        "none": None,
    }
    revoked, kept = tokens.add("all")
    tokens.revoke(kept.id)
    with TestClient(make_app(settings), base_url=f"https://{NAME}") as client:
        yield client, {**texts, "revoked": revoked}
    patch.undo()


def call(client, token: str | None, method: str, path: str, operation: dict, names: dict):
    """Call an operation as its document says; with a body that does nothing where it is allowed."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    content = b""
    body = operation.get("requestBody", {}).get("content", {})
    if "application/json" in body:
        kind = body["application/json"]["schema"]["$ref"].rsplit("/", 1)[-1]
        content, headers["Content-Type"] = json.dumps(BODIES[kind]), "application/json"
    return client.request(method, path.format(**names), content=content, headers=headers)


def test_every_operation_says_who_may_call_it():
    assert len(OPERATIONS) > 20
    assert len(SOCKETS) == 2
    for method, path, operation in OPERATIONS:
        assert method in METHODS
        assert IN_DOCUMENT in operation, path
        assert bool(operation[IN_DOCUMENT]) != (path in OPEN_PATHS), path
        assert "401" in operation["responses"], path


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_only_those_may_call_who_are_named(callers, method, path, operation):
    client, tokens = callers
    client.app.app.rate = Rate()  # whose wrong tokens were counted before
    scopes = operation[IN_DOCUMENT]
    names = {"household": "nobody there", "member": "Ana", "clip": "0" * 16, "voice": "0" * 16}
    for kind, token in tokens.items():
        answer = call(client, token, method, path, operation, names)
        code = answer.json()["code"] if answer.status_code >= 400 else None
        if not scopes:
            assert answer.status_code == 200
        elif kind in ("none", "forged", "revoked"):
            assert (answer.status_code, code) == (401, "bad_token"), kind
            assert answer.headers["www-authenticate"] == "Bearer"
        elif kind.replace("other", "household") not in scopes:
            assert (answer.status_code, code) == (403, "wrong_scope"), kind
        elif "{household}" in path:
            assert answer.status_code in (404, 422), (kind, answer.text)
            assert kind == "all" or code == "unknown_household", kind
        else:
            assert answer.status_code == 200, (kind, answer.text)


@pytest.mark.parametrize(("method", "path", "operation"), OPERATIONS, ids=IDS)
def test_a_household_of_others_and_none_at_all_are_the_same(callers, method, path, operation):
    if "{household}" not in path or "household" not in operation[IN_DOCUMENT]:
        return
    client, tokens = callers
    answers = []
    for household in ("home", "nobody there"):
        names = {"household": household, "member": "Ana", "clip": "0" * 16, "voice": "0" * 16}
        answers.append(call(client, tokens["other"], method, path, operation, names))
    there, nowhere = answers
    assert there.status_code == nowhere.status_code == 404
    assert there.content == nowhere.content
    assert dict(there.headers) == dict(nowhere.headers)


def test_a_household_sees_itself_alone(callers):
    client, tokens = callers
    path = f"{API}/households"

    def seen(kind: str) -> list[str]:
        headers = {"Authorization": f"Bearer {tokens[kind]}"}
        rows = client.get(path, headers=headers).json()["households"]
        return [row["household"] for row in rows]

    assert seen("household") == ["home"]
    assert seen("other") == []
    headers = {"Authorization": f"Bearer {tokens['household']}"}
    assert client.get(f"{path}/HOME", headers=headers).status_code == 200  # however it is written
    assert client.get(f"{API}/service", headers=headers).json()["household"] == "home"


@pytest.mark.parametrize("path", SOCKETS)
def test_a_socket_opens_for_the_household_and_nobody_else(callers, path):
    client, tokens = callers
    client.app.app.rate = Rate()
    url = f"wss://{NAME}{path.format(household='home', member='Ana')}"
    refusals = {"none": 401, "forged": 401, "revoked": 401, "other": 404, "auditor": 403}
    for kind, token in tokens.items():
        offered = ["spkid.v1", *([f"bearer.{token}"] if token else [])]
        if kind in refusals:
            with (
                pytest.raises(WebSocketDenialResponse) as refused,
                client.websocket_connect(url, offered),
            ):
                pass
            assert refused.value.status_code == refusals[kind], kind
        else:
            with client.websocket_connect(url, offered) as socket:
                assert socket.accepted_subprotocol == "spkid.v1"
                assert socket.receive_json()["type"] == "ready", kind


def test_a_token_of_many_calls_has_to_wait(callers, tmp_path):
    client, _ = callers
    tokens = client.app.app.tokens
    text, _ = tokens.add("all", per_minute=3)
    headers = {"Authorization": f"Bearer {text}"}
    statuses = [client.get(f"{API}/service", headers=headers).status_code for _ in range(5)]
    assert statuses[:3] == [200, 200, 200]
    assert statuses[-1] == 429


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"Host": "127.0.0.1:8765"}, 200, None),
        ({"Host": "localhost"}, 200, None),
        ({"Host": "[::1]:8765"}, 200, None),
        ({"Host": "evil.example"}, 421, "wrong_host"),
        ({"Host": "127.0.0.1.evil.example"}, 421, "wrong_host"),
        ({"Host": "192.168.1.7"}, 421, "wrong_host"),
        ({"Host": ""}, 421, "wrong_host"),
        ({"Origin": "http://127.0.0.1:8765"}, 200, None),
        ({"Origin": "http://127.0.0.1:9999"}, 403, "wrong_origin"),
        ({"Origin": "http://evil.example"}, 403, "wrong_origin"),
        ({"Origin": "null"}, 403, "wrong_origin"),
        ({"Sec-Fetch-Site": "cross-site"}, 403, "wrong_origin"),
    ],
)
def test_pages_of_others_cannot_call_it(service, headers, status, code):
    answer = service.get("service", headers=headers)
    assert (answer.status_code, answer.json().get("code")) == (status, code)


def test_a_link_on_any_page_may_lead_here(service):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert service.get("http://127.0.0.1:8765/", headers=headers).status_code in (200, 404)


def test_every_answer_lets_a_page_load_nothing_from_elsewhere(service):
    for path in ("service", "households/none", f"{API}/../", "no such path"):
        headers = service.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"


def test_tokens_follow_a_household_that_is_renamed(home):
    tokens = home.app.app.tokens
    text, _ = tokens.add("household", household="home")
    headers = {"Authorization": f"Bearer {text}"}
    assert home.get("households/home", headers=headers).status_code == 200
    assert home.patch("households/home", json={"name": "house"}).status_code == 200
    assert home.get("households/house", headers=headers).status_code == 200
    assert home.get("households/home", headers=headers).status_code == 404
