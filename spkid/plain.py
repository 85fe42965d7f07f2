"""Results as plain values and JSON text."""

from __future__ import annotations

import dataclasses
import json
import math
from typing import Any


def _plain(value: Any) -> Any:
    """JSON has no NaN: unknown figures become null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = dataclasses.asdict(value)
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if hasattr(value, "item"):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def to_json(value: Any) -> str:
    """Dataclasses and figures as JSON text; NaN and infinity become null."""
    return json.dumps(_plain(value), indent=2, ensure_ascii=False, allow_nan=False)
