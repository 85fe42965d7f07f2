"""A client for ``spkid serve``: its HTTP API from Python, with the standard library alone.

Every call is a connection of its own, goes straight to the service (through no proxy) and follows
no redirection, so that neither a voice nor a token goes anywhere else.
"""

from __future__ import annotations

import http.client
import json
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote, urlencode, urlsplit

from spkid.errors import SpkidError

API = "/api/v1"
PORTS = {"http": 80, "https": 443}
TIMEOUT_S = 60.0
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
        words = {
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in query.items()
            if value is not None
        }
        target = f"{self._prefix}{API}{path}" + (f"?{urlencode(words)}" if words else "")
        headers = {"Accept": "application/json", **({"Content-Type": kind} if kind else {})}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = self._connection()
        try:
            connection.request(method, target, body, headers)
            response = connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise SpkidError(
                f"no answer from {self} ({error or type(error).__name__})",
                expected="spkid serve there",
                do="start it, or correct url=",
                code="no_service",
            ) from error
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
