"""The address of a PostgreSQL server, and its passwords apart, where nothing shows them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from spkid.errors import StoreError

DRIVER = "postgresql+psycopg"
# of libpq's parameters, those that are secrets themselves; "passfile" and "sslkey" name files
SECRET = re.compile(r"(?i)(?!passfile$).*(pass|secret|token)|scram_(client|server)_key")
LOOKS_LIKE_ONE = re.compile(r"(?i)\s*postgres\w*(\+\w+)?:|.*\b(ssl)?password\s*=|.*://", re.DOTALL)


@dataclass(frozen=True)
class Address:
    """Where a server is.

    ``url`` holds no secret; ``place`` is for messages, with ``***`` where a secret was;
    ``secrets`` go to the driver alone.
    """

    url: URL
    place: str
    secrets: Mapping[str, str] = field(repr=False)


def is_address(place: object) -> bool:
    """Whether ``place`` is meant as a server's address, well written or not."""
    return LOOKS_LIKE_ONE.match(str(place)) is not None


def read_address(text: str) -> Address:
    """The parts of ``text``.

    Raises
    ------
    StoreError
        If it is no such address; what cannot be told apart from a password is not repeated.
    """
    url = _parsed(text)
    if url is None:
        raise bad_address("a store's address that cannot be read")
    if "@" in f"{url.host}{url.database}":
        raise bad_address(
            "a store's address with more than one @",
            do="write an @ in a user's name or password as %40",
        )
    secrets = {
        name: value if isinstance(value, str) else value[-1]
        for name, value in url.query.items()
        if SECRET.match(name)
    }
    hidden = dict.fromkeys(secrets, "***")
    place = (url.host, url.port, url.database)
    password = "***" if url.password else None  # an empty one is none
    shown = URL.create(url.drivername, url.username, password, *place, {**url.query, **hidden})
    words = shown.render_as_string(hide_password=True).replace("%2A", "*")
    if url.drivername not in ("postgresql", DRIVER):
        raise bad_address(words)
    if url.password:
        secrets["password"] = url.password
    kept = {name: value for name, value in url.query.items() if name not in hidden}
    bare = URL.create(DRIVER, url.username, None, *place, kept)
    return Address(bare, words, secrets)


def _parsed(text: str) -> URL | None:
    """None where it is none: the error, which repeats the text, goes no further."""
    try:
        return make_url(text.strip())
    except (ArgumentError, ValueError):
        return None


def bad_address(place: str, *, do: str = "correct place= or $SPKID_STORE") -> StoreError:
    """The refusal of ``place``, or of what is said of it."""
    return StoreError(
        place,
        expected="a file, or postgresql+psycopg://user@host/database",
        do=do,
        code="bad_store",
    )
