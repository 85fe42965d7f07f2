"""Tokens: who may call a service that others can reach.

Each is a file of its own, for its owner alone to read, that holds a digest: whoever reads it
cannot call with it, and a file that is removed is a token that ends. The secret has 256 random
bits, so one pass of SHA-256 is enough: there is nothing to guess.
"""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal, get_args

from enrollment.names import name_key, tidy_name
from spkid.config import from_mapping
from spkid.errors import NotFound, SpkidError
from spkid.files import parse_json, read_text, to_json, whole_file

Scope = Literal["all", "household", "auditor"]
PER_MINUTE = 600
SHAPE = re.compile(r"spkid_([0-9a-f]{16})_[A-Za-z0-9_-]{43}")
LARGEST_BYTES = 10_000


@dataclass(frozen=True)
class Token:
    """What is kept of a token.

    Attributes
    ----------
    id : str
        Names it in lists; the token begins with it.
    scope : str
        ``all``, one ``household``, or the ``auditor``, who sees audits alone.
    household : str
        Which one; empty for the other scopes.
    label : str
        Whose it is, such as "kitchen tablet".
    per_minute : int
        Requests that each worker process takes in a minute.
    made_at : str
        UTC, ISO 8601.
    digest : str
        SHA-256 of the token.
    """

    id: str
    scope: Scope
    household: str
    label: str
    per_minute: int
    made_at: str
    digest: str = field(repr=False)

    def __post_init__(self) -> None:
        fits = (self.scope == "household") == bool(self.household)
        texts = (self.id, self.household, self.label, self.made_at, self.digest)
        is_right = all(isinstance(text, str) for text in texts) and type(self.per_minute) is int
        if self.scope not in get_args(Scope) or not (fits and is_right and self.per_minute > 0):
            raise ValueError("no such token")


class Tokens:
    """The tokens in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._read: dict[str, tuple[tuple[int, int, int], Token]] = {}

    def add(
        self, scope: Scope, *, household: str = "", label: str = "", per_minute: int = PER_MINUTE
    ) -> tuple[str, Token]:
        """Make a token: the text that is told once, and what is kept of it.

        Raises
        ------
        SpkidError
            If the household's name or the number is none, or the file cannot be written.
        """
        if per_minute < 1:
            raise SpkidError(
                f"{per_minute} requests a minute", expected="one or more", do="correct the number"
            )
        token_id = secrets.token_hex(8)
        text = f"spkid_{token_id}_{secrets.token_urlsafe(32)}"
        token = Token(
            token_id,
            scope,
            tidy_name(household) if scope == "household" else "",
            label,
            per_minute,
            datetime.now(UTC).isoformat(timespec="seconds"),
            digest_of(text),
        )
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SpkidError(
                f"{self.folder}: cannot be made",
                expected="a folder for tokens beside the store",
                do="check the permissions",
                code="unwritable",
            ) from error
        self._write(token)
        return text, token

    def _write(self, token: Token) -> None:
        with whole_file(self.folder / f"{token.id}.json", private=True) as file:
            file.write(to_json(dataclasses.asdict(token)).encode())

    def known(self) -> list[Token]:
        """All tokens, the oldest first.

        Raises
        ------
        SpkidError
            If a file is no token.
        """
        found = [self._token(path.stem) for path in self.folder.glob("*.json")]
        tokens = [token for token in found if token is not None]
        return sorted(tokens, key=lambda token: (token.made_at, token.id))

    def revoke(self, token_id: str) -> Token:
        """End a token.

        Raises
        ------
        NotFound
            If there is none of that id.
        """
        token = self._token(token_id) if re.fullmatch("[0-9a-f]{16}", token_id) else None
        if token is None:
            raise NotFound(
                f"no token {token_id!r}",
                expected="the id of a token",
                do="see 'spkid token list'",
                code="no_token",
            )
        (self.folder / f"{token_id}.json").unlink(missing_ok=True)
        return token

    def rename_household(self, before: str, after: str) -> None:
        """Let the tokens of a household follow its new name."""
        for token in self.known():
            if token.household and name_key(token.household) == name_key(before):
                self._write(dataclasses.replace(token, household=after))

    def check(self, text: str) -> Token:
        """The token that ``text`` is.

        Raises
        ------
        SpkidError
            If it is none, or has ended.
        """
        shape = SHAPE.fullmatch(text)
        token = self._token(shape[1]) if shape else None
        if token is None or not hmac.compare_digest(token.digest, digest_of(text)):
            raise bad_token("a token that is not known here")
        return token

    def _token(self, token_id: str) -> Token | None:
        """The token of that id, read again where its file has changed; None where none is."""
        path = self.folder / f"{token_id}.json"
        try:
            found = path.stat()
            state = (found.st_ino, found.st_size, found.st_mtime_ns)
            known = self._read.get(token_id)
            if known is None or known[0] != state:
                token = from_mapping(Token, parse_json(read_text(path, at_most=LARGEST_BYTES)))
                self._read[token_id] = known = (state, token)
            return known[1]
        except FileNotFoundError:
            self._read.pop(token_id, None)
            return None
        except (OSError, ValueError, TypeError, SpkidError) as error:
            raise SpkidError(
                f"{path}: no token",
                expected="a file as 'spkid token add' wrote it",
                do="remove the file and add a new token",
                code="no_token",
            ) from error


def digest_of(text: str) -> str:
    """What is kept of a token's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def bad_token(what: str) -> SpkidError:
    """The refusal of a call without a token that counts."""
    return SpkidError(
        what,
        expected="a token in the header 'Authorization: Bearer TOKEN'",
        do="ask for one made with 'spkid token add'",
        code="bad_token",
    )
