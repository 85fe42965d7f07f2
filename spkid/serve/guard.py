"""What stands before every request: who may reach the service, and how much it may send."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from enrollment.names import name_key
from spkid.errors import SpkidError
from spkid.serve import tokens as kinds
from spkid.serve.problems import response_of
from spkid.serve.settings import Limits, Settings, is_literal, is_loopback
from spkid.serve.tokens import Token, Tokens, bad_token

OPEN_PATHS = ("/api/v1/health", "/api/v1/openapi.json")
API = "/api/"
SUBPROTOCOL = "spkid.v1"
SLASH = "\x1f"  # stands in no name: a slash inside one part of a path
MINUTE_S = 60.0
N_REMEMBERED = 10_000
STRANGERS_PER_MINUTE = 60  # calls of one address whose token does not count
HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
CONTENT_SECURITY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; "
    "media-src 'self' blob:; connect-src 'self' ws://{host} wss://{host}; worker-src 'self'; "
    "manifest-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)


@dataclass(frozen=True)
class Caller:
    """Who calls: ``household`` is the only one that exists for a caller of that scope."""

    scope: kinds.Scope
    household: str = ""

    def may_see(self, household: str) -> bool:
        """Whether this caller may be told of that household at all."""
        if self.scope == "household":
            return name_key(household) == name_key(self.household)
        return self.scope == "all"


class Rate:
    """So many calls a minute for each key: a bucket that fills up evenly."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, key: str, per_minute: int) -> bool:
        """Whether one more call is within ``per_minute``."""
        now = time.monotonic()
        left, at = self._buckets.pop(key, (float(per_minute), now))
        left = min(float(per_minute), left + (now - at) * per_minute / MINUTE_S)
        is_within = left >= 1
        self._buckets[key] = (left - is_within, now)
        if len(self._buckets) > N_REMEMBERED:
            self._buckets.popitem(last=False)
        return is_within


class Guard:
    """An ASGI application around another: checks host, origin and token, and limits bodies."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self.app, self.settings, self.limits = app, settings, settings.limits
        self.tokens = Tokens(settings.tokens_folder)
        self.names = frozenset(name.lower().rstrip(".") for name in settings.public_names)
        self.rate = Rate()
        self.held = Held(settings.limits)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        scope["path"] = path_of(scope)
        host = connection.headers.get("host", "")
        send = _with_headers(send, scope["path"], host)
        try:
            self.check_host(connection.headers, is_page=not scope["path"].startswith(API))
            scope.setdefault("state", {})["caller"] = self.caller(connection)
        except SpkidError as refusal:
            await refuse(refusal, scope, receive, send)
            return
        if scope["type"] == "websocket":
            await self.app(scope, receive, send)
            return
        with Body(receive, send, self.limits, self.held) as body:
            await self.app(scope, body.receive, body.send)
            if body.refusal is not None and not body.has_answered:
                await response_of(body.refusal, {"Connection": "close"})(scope, receive, send)

    def check_host(self, headers: Headers, *, is_page: bool) -> None:
        """Refuse what a page of another site sent, by a name of its own or as itself.

        A link to our page may stand anywhere.
        """
        host = headers.get("host", "")
        if not self.is_ours(hostname(host)):
            raise SpkidError(
                "a request for another host",
                expected="localhost, or a name given with --public-name",
                do="call it by such a name",
                code="wrong_host",
            )
        origin = headers.get("origin")
        is_foreign = origin is not None and not is_same_place(origin, host)
        if is_foreign or (not is_page and headers.get("sec-fetch-site") == "cross-site"):
            raise SpkidError(
                "a request from a page of another site",
                expected="none, or one of this service's own page",
                do="open the service itself",
                code="wrong_origin",
            )

    def is_ours(self, name: str) -> bool:
        """Whether the service is reached by ``name``, which nobody else can have resolved."""
        if is_loopback(name) or name in self.names:
            return True
        return self.settings.is_wide and is_literal(name)

    def caller(self, connection: HTTPConnection) -> Caller | None:
        """Who calls; None where that does not matter.

        Raises
        ------
        SpkidError
            Without a token that counts, where one is required or was sent.
        """
        path = connection.scope["path"]
        if not path.startswith(API) or path in OPEN_PATHS:
            return None
        text = token_of(connection)
        if text is None and not self.settings.is_wide:
            return Caller("all")
        address = connection.client.host if connection.client else ""
        try:
            if text is None:
                raise bad_token("no token")
            token = self.tokens.check(text)
        except SpkidError as error:
            if error.code == "bad_token" and not self.rate.take(address, STRANGERS_PER_MINUTE):
                raise too_many() from None
            raise
        return self.known(token)

    def known(self, token: Token) -> Caller:
        """The caller with that token, if it has not called too often."""
        if not self.rate.take(token.id, token.per_minute):
            raise too_many()
        return Caller(token.scope, token.household)


def too_many() -> SpkidError:
    """One caller takes more than its share."""
    return SpkidError(
        "too many requests",
        expected="as many in a minute as the token allows",
        do="wait a little, then try again",
        code="too_many_requests",
    )


def path_of(scope: Scope) -> str:
    """The path with its parts decoded: a slash inside a name is ``SLASH``, and splits nothing."""
    raw = scope.get("raw_path") or scope["path"].encode()
    parts: list[str] = raw.decode("latin-1").split("/")
    return "/".join(unquote(part).replace("/", SLASH) for part in parts)


def hostname(host: str) -> str:
    """The name in a ``Host`` header, without the port."""
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def is_same_place(origin: str, host: str) -> bool:
    """Whether a page of ``origin`` comes from the service that is called as ``host``."""
    ports = {"http": 80, "https": 443}
    try:
        page = urlsplit(origin)
        called = urlsplit(f"{page.scheme}://{host}")
        default = ports.get(page.scheme)
        if default is None or not page.hostname:
            return False
        same_port = (page.port or default) == (called.port or default)
        return page.hostname == called.hostname and same_port
    except ValueError:
        return False


def token_of(connection: HTTPConnection) -> str | None:
    """The token that a request brings: as a header, or a browser's socket as a subprotocol.

    Raises
    ------
    SpkidError
        If something else stands in the header.
    """
    header = connection.headers.get("authorization")
    if header is not None:
        kind, _, text = header.partition(" ")
        if kind.lower() != "bearer":
            raise bad_token("no bearer token")
        return text.strip()
    for offered in connection.headers.get("sec-websocket-protocol", "").split(","):
        if offered.strip().startswith("bearer."):
            return offered.strip().removeprefix("bearer.")
    return None


async def refuse(error: SpkidError, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer with the problem; a socket is refused before it is opened."""
    response = response_of(error, {"Connection": "close"} if scope["type"] == "http" else None)
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await response(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": error.code})


def _with_headers(send: Send, path: str, host: str) -> Send:
    """``send`` with the headers that every answer has."""
    shown = host if hostname(host) and not set(host) & set(" ;,'\"") else "localhost"

    async def sending(message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            headers = MutableHeaders(scope=message)
            headers.setdefault("Cache-Control", "no-store" if path.startswith(API) else "no-cache")
            headers.setdefault("Content-Security-Policy", CONTENT_SECURITY.format(host=shown))
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        await send(message)

    return sending


class Held:
    """The bytes of large bodies that are in memory, over all requests."""

    def __init__(self, limits: Limits) -> None:
        self.limits, self.n_bytes = limits, 0

    def more(self, n_bytes: int) -> None:
        """Hold so many more, or refuse."""
        if self.n_bytes + n_bytes > self.limits.held_bytes:
            raise overloaded("too many large uploads at once")
        self.n_bytes += n_bytes


def overloaded(what: str) -> SpkidError:
    """There is no room for one more."""
    return SpkidError(
        what, expected="fewer at a time", do="try again in a few seconds", code="overloaded"
    )


class Body:
    """One request's body as it comes in: counted, timed, and refused where it is too much.

    What the application makes of a refusal is not sent: the refusal itself is.
    """

    def __init__(self, receive: Receive, send: Send, limits: Limits, held: Held) -> None:
        self._receive, self._send, self._limits, self._held = receive, send, limits, held
        self._n_bytes = self._n_large = 0
        self._deadline: float | None = asyncio.get_running_loop().time() + limits.upload_s
        self.refusal: SpkidError | None = None
        self.has_answered = False

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *_: object) -> None:
        self._held.n_bytes -= self._n_large

    async def receive(self) -> Message:
        """The next part of the body."""
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            self.refusal = SpkidError(
                f"a body that took longer than {self._limits.upload_s:.0f} s",
                expected="one that comes without pauses",
                do="send it faster, or a shorter clip",
                code="slow_upload",
            )
            raise self.refusal from None
        if message["type"] == "http.request":
            if not message.get("more_body", False):
                self._deadline = None
            self._count(len(message.get("body", b"")))
        return message

    def _count(self, n_bytes: int) -> None:
        before, self._n_bytes = self._n_bytes, self._n_bytes + n_bytes
        small = self._limits.small_bytes
        n_large = max(0, self._n_bytes - small) - max(0, before - small)
        try:
            if self._n_bytes > self._limits.upload_bytes:
                raise too_large(self._limits)
            self._held.more(n_large)
            self._n_large += n_large
        except SpkidError as refusal:
            self.refusal = refusal
            raise

    async def send(self, message: Message) -> None:
        """The application's answer, where nothing was refused before it."""
        if self.refusal is None or self.has_answered:
            self.has_answered = True
            await self._send(message)


def too_large(limits: Limits) -> SpkidError:
    """A body of more bytes than are taken."""
    n_most = limits.upload_bytes
    shown = f"{n_most / 1e6:g} MB" if n_most >= 1e6 else f"{n_most} bytes"
    return SpkidError(
        f"a body of more than {shown}",
        expected=f"at most {shown}",
        do="send a shorter clip, or one that is compressed",
        code="too_large",
    )
