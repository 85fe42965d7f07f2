"""Frozen config dataclasses read from plain mappings; an unknown key is an error."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from typing import Any, TypeVar

from spkid.errors import SpkidError

Config = TypeVar("Config")


def from_mapping(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """Build the frozen dataclass ``cls`` from ``values``.

    Raises
    ------
    SpkidError
        If a key is unknown or a value has another type than the field's default.
    """
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    values = {key: tuple(v) if isinstance(v, list) else v for key, v in values.items()}
    for key, value in values.items():
        if key not in fields:
            raise SpkidError(
                f"unknown key {key!r} for {cls.__name__}",
                expected=f"one of {', '.join(sorted(fields))}",
                do="correct or remove the key",
            )
        default = fields[key].default
        if default is dataclasses.MISSING or default is None or _fits(value, default):
            continue
        shown = list(value) if isinstance(value, tuple) else value
        example = list(default) if isinstance(default, tuple) else default
        raise SpkidError(
            f"{cls.__name__}.{key} = {shown!r} ({type(shown).__name__})",
            expected=f"a value of type {type(default).__name__}, such as {example!r}",
            do="correct the value",
        )
    return cls(**values)


def _fits(value: Any, default: Any) -> bool:
    """Same type, a whole number for a float, or a list of such with at least one item.

    A list that is empty by default holds text, and may stay empty.
    """
    if default == ():
        return isinstance(value, tuple) and all(isinstance(item, str) for item in value)
    if isinstance(value, tuple) and isinstance(default, tuple):
        return bool(value) and all(_fits(item, default[0]) for item in value)
    return type(value) is type(default) or (isinstance(default, float) and type(value) is int)


def fingerprint(*parts: bytes) -> str:
    """First 16 hex digits of the SHA-256 over ``parts``; names a model or a file's content."""
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()[:16]


def canonical_json(values: Mapping[str, Any]) -> bytes:
    """JSON bytes that are the same for the same content."""
    return json.dumps(values, sort_keys=True, separators=(",", ":")).encode()
