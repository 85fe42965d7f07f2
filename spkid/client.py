"""A client for ``spkid serve``: its HTTP API from Python, with the standard library alone.

Every call is a connection of its own, goes straight to the service (through no proxy) and follows
no redirection, so that neither a voice nor a token goes anywhere else. Live sound (``listen``,
``enroll_live``) takes the package ``websockets`` besides.
"""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from spkid.errors import SpkidError

if TYPE_CHECKING:
    from websockets.sync.client import ClientConnection

API = "/api/v1"
PORTS = {"http": 80, "https": 443}
TIMEOUT_S = 60.0
RATE_HZ = 16_000
LOOPBACK = ("127.0.0.1", "::1", "localhost")

Answer = dict[str, Any]
Audio = str | Path | bytes | BinaryIO


class Client:
    """The service at an address.

    Parameters
    ----------
    url : str
        Where it is, such as ``http://127.0.0.1:8765`` or ``https://voices.example.org``.
    token : str
        What ``spkid token add`` printed; none is needed on the service's own machine.
    timeout_s : float
        How long one step of a call (connecting, sending, waiting for more of the answer) may take.

    Notes
    -----
    Answers are the service's JSON as dictionaries; ``/api/v1/openapi.json`` describes them. Audio
    is a path, the bytes of a file or an open binary file, of any format that the service reads.

    Every call raises an `SpkidError` with the service's own ``code`` where the service refuses, or
    ``no_service`` where it cannot be reached.
    """

    def __init__(
        self, url: str = "http://127.0.0.1:8765", *, token: str = "", timeout_s: float = TIMEOUT_S
    ) -> None:
        self._secure, self._host, self._port, self._prefix = _parsed(url)
        if token and not self._secure and self._host not in LOOPBACK:
            raise SpkidError(
                f"a token for {self}, where anybody on the way could read it",
                expected="https://",
                do="put a proxy with a certificate before the service",
                code="bad_address",
            )
        self._token, self._timeout_s = token, timeout_s

    def __repr__(self) -> str:
        return f"Client({str(self)!r})"

    def __str__(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http{'s' if self._secure else ''}://{host}:{self._port}{self._prefix}"

    def service(self) -> Answer:
        """Version, model, scope of the token, limits, and the words of consent."""
        return self._json("GET", "/service")

    def households(self) -> list[Answer]:
        """The households that the token may see: ``household`` and ``n_members`` of each."""
        found: list[Answer] = self._json("GET", "/households")["households"]
        return found

    def household(self, household: str) -> Answer:
        """Its members, calibration and inbox."""
        return self._json("GET", _home(household))

    def member(self, household: str, member: str) -> Answer:
        """A member's profile, clips and consents."""
        return self._json("GET", _person(household, member))

    def enroll(
        self,
        household: str,
        member: str,
        audio: Audio,
        *,
        consent: bool,
        given_by: str = "",
        device: str = "",
        child: bool | None = None,
        another_person: bool = False,
        force: bool = False,
    ) -> Answer:
        """Judge one clip and keep it where it is good; parameters as of ``Household.enroll``."""
        return self._json(
            "POST",
            f"{_person(household, member)}/clips",
            audio=audio,
            consent=consent,
            given_by=given_by or None,
            device=device or None,
            child=child,
            another_person=another_person,
            force=force,
        )

    def identify(self, household: str, audio: Audio, *, far: float | None = None) -> Answer:
        """Who is speaking: ``status``, ``member``, probabilities and candidates."""
        return self._json("POST", f"{_home(household)}/identify", audio=audio, far=far)

    def verify(
        self, household: str, member: str, audio: Audio, *, far: float | None = None
    ) -> Answer:
        """Whether it is ``member``: ``same`` is None where that cannot be told."""
        return self._json("POST", f"{_person(household, member)}/verify", audio=audio, far=far)

    def timeline(self, household: str, audio: Audio, *, far: float | None = None) -> Answer:
        """Who spoke when."""
        return self._json("POST", f"{_home(household)}/timeline", audio=audio, far=far)

    def listen(self, household: str, *, rate_hz: int = RATE_HZ, far: float | None = None) -> Live:
        """Who is speaking, as they speak: the events of ``Household.listen`` as dictionaries."""
        return Live(self, f"{_home(household)}/listen", rate_hz=rate_hz, far=far)

    def enroll_live(
        self,
        household: str,
        member: str,
        *,
        consent: bool,
        given_by: str = "",
        rate_hz: int = RATE_HZ,
        device: str = "",
        child: bool | None = None,
        another_person: bool = False,
    ) -> Live:
        """Enroll from a microphone: a ``clip`` with verdict and percent after each pause.

        At 100 %, or with :meth:`Live.finish`, comes ``saved``; without it, nothing is kept.
        """
        return Live(
            self,
            f"{_person(household, member)}/enroll",
            consent=consent,
            given_by=given_by or None,
            rate_hz=rate_hz,
            device=device or None,
            child=child,
            another_person=another_person,
        )

    def rename(self, household: str, member: str, to: str) -> Answer:
        """Give a member another name."""
        return self._json("PATCH", _person(household, member), content={"name": to})

    def forget(self, household: str, member: str | None = None) -> Answer:
        """Delete a member, or the whole household, for good; the receipt."""
        path = _home(household) if member is None else _person(household, member)
        return self._json("DELETE", path)

    def archive(self, household: str, member: str) -> bytes:
        """All that is kept of a member, as a zip file."""
        return self._call("GET", f"{_person(household, member)}/archive")

    def backup(self) -> bytes:
        """The store as a file, with which ``spkid restore`` puts it back."""
        return self._call("POST", "/backup")

    def _json(
        self,
        method: str,
        path: str,
        *,
        audio: Audio | None = None,
        content: Answer | None = None,
        **query: Any,
    ) -> Answer:
        body = None if audio is None else _body(audio)
        kind = "application/octet-stream"
        if content is not None:
            body, kind = json.dumps(content).encode(), "application/json"
        answer = _read_json(self._call(method, path, body, kind, **query))
        if answer is None:
            raise self._unfit("an answer that is no JSON")
        return answer

    def _call(
        self, method: str, path: str, body: bytes | None = None, kind: str = "", **query: Any
    ) -> bytes:
        headers = {"Accept": "application/json", **({"Content-Type": kind} if kind else {})}
        connection = self._connection()
        try:
            target = self._prefix + _target(path, query)
            connection.request(method, target, body, {**headers, **self._bearer()})
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise self._silent(error) from error
        finally:
            connection.close()
        if response.status // 100 != 2:
            raise self._refused(response.status, content)
        return content

    def _connection(self) -> http.client.HTTPConnection:
        if not self._secure:
            return http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        return http.client.HTTPSConnection(
            self._host,
            self._port,
            timeout=self._timeout_s,
            context=ssl.create_default_context(),
        )

    def _socket(self, path: str, query: Answer) -> ClientConnection:
        try:
            from websockets.exceptions import InvalidStatus, WebSocketException
            from websockets.sync.client import connect
        except ImportError as error:
            raise SpkidError(
                "websockets is not installed",
                expected="it, for live sound",
                do="run: pip install 'spkid[serve]'",
            ) from error
        try:
            return connect(
                "ws" + str(self).removeprefix("http") + _target(path, query),
                additional_headers=self._bearer(),
                ssl=ssl.create_default_context() if self._secure else None,
                proxy=None,
                compression=None,
                open_timeout=self._timeout_s,
            )
        except InvalidStatus as error:
            raise self._refused(error.response.status_code, error.response.body or b"") from error
        except (OSError, WebSocketException) as error:
            raise self._silent(error) from error

    def _bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token}"} if self._token else {}

    def _silent(self, error: Exception) -> SpkidError:
        return SpkidError(
            f"no answer from {self} ({error or type(error).__name__})",
            expected="spkid serve there",
            do="start it, or correct url=",
            code="no_service",
        )

    def _refused(self, status: int, content: bytes) -> SpkidError:
        problem = _read_json(content) or {}
        parts = [problem.get(name) for name in ("got", "expected", "do", "code")]
        if not all(isinstance(part, str) and part for part in parts):
            return self._unfit(f"an answer with status {status}")
        got, expected, do, code = map(str, parts)
        return SpkidError(got, expected=expected, do=do, code=code)

    def _unfit(self, what: str) -> SpkidError:
        return SpkidError(
            f"{what} from {self}",
            expected="one of spkid serve",
            do="check what answers there",
            code="no_service",
        )


class Live:
    """A socket of the service: sound goes in as it comes, and what is said of it comes out.

    :meth:`Client.listen` and :meth:`Client.enroll_live` give one, for a ``with`` statement.
    Messages are dictionaries with a ``type``. ``has_ended`` once the service has said its last.
    """

    def __init__(self, client: Client, path: str, **query: Any) -> None:
        self._client, self._socket = client, client._socket(path, query)
        self.has_ended = False

    def __enter__(self) -> Live:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def feed(self, pcm: bytes) -> list[Answer]:
        """Send PCM16, little-endian, mono; the messages that have come since the last call."""
        return self._said(pcm, wait_s=0.0)

    def finish(self) -> list[Answer]:
        """Say that there is no more sound; the messages to the end."""
        return self._said(json.dumps({"type": "end"}), wait_s=self._client._timeout_s)

    def _said(self, message: bytes | str, *, wait_s: float) -> list[Answer]:
        from websockets.exceptions import ConnectionClosed, ConnectionClosedOK

        messages: list[Answer] = []
        with suppress(ConnectionClosed):  # what was said before can still be read
            self._socket.send(message)
        try:
            while not self.has_ended:
                content = self._socket.recv(timeout=wait_s, decode=False)
                said = _read_json(content)
                if said is None or said.get("type") == "problem":
                    raise self._client._refused(200, content)
                messages.append(said)
        except ConnectionClosedOK:
            self.has_ended = True
        except (ConnectionClosed, TimeoutError) as error:
            if wait_s or isinstance(error, ConnectionClosed):
                raise self._client._silent(error) from error
        return messages


def _target(path: str, query: Answer) -> str:
    words = {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in query.items()
        if value is not None
    }
    return f"{API}{path}" + (f"?{urlencode(words)}" if words else "")


def _parsed(url: str) -> tuple[bool, str, int, str]:
    """Whether it is encrypted, host, port, and what stands before ``/api``."""
    with suppress(ValueError):  # of a port that is none
        parts = urlsplit(url)
        is_plain = not (parts.username or parts.password or parts.query or parts.fragment)
        if parts.scheme in PORTS and parts.hostname and is_plain:
            port = parts.port or PORTS[parts.scheme]
            return parts.scheme == "https", parts.hostname, port, parts.path.rstrip("/")
    raise SpkidError(
        "an address of a service that cannot be used",
        expected="such as http://127.0.0.1:8765",
        do="correct url=; a token goes into token=",
        code="bad_address",
    )


def _home(household: str) -> str:
    return f"/households/{_named(household)}"


def _person(household: str, member: str) -> str:
    return f"{_home(household)}/members/{_named(member)}"


def _named(name: str) -> str:
    """One part of a path; never one by which a proxy on the way would go up to the part before."""
    if name in ("", ".", ".."):
        raise SpkidError(
            f"the name {name!r}", expected="a name", do="choose another name", code="bad_name"
        )
    return quote(name, safe="")


def _body(audio: Audio) -> bytes:
    if isinstance(audio, bytes):
        return audio
    try:
        return Path(audio).read_bytes() if isinstance(audio, str | Path) else audio.read()
    except OSError as error:
        raise SpkidError(
            f"{audio}: {error.strerror}",
            expected="a file that can be read",
            do="check the path",
            code="unreadable",
        ) from error


def _read_json(content: bytes) -> Answer | None:
    """None where it is no JSON object."""
    try:
        answer = json.loads(content)
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
