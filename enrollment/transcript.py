"""Names onto a transcript: SubRip, WebVTT or WhisperX's JSON in, the same format out."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from enrollment.timeline import Segment
from spkid.errors import SpkidError
from spkid.files import parse_json, read_text, why_unreadable

ALSO_SHARE = 0.5  # of a line, from which a second voice is named beside the one heard longest
STRANGER = "unknown"
TIME = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
TIMING = re.compile(rf"^\s*{TIME}\s+-->\s+{TIME}")

Namer = Callable[[float, float], str | None]


def named_transcript(path: Path, segments: Sequence[Segment]) -> str:
    """The transcript at ``path`` with who speaks in each line, as ``segments`` tell.

    In SubRip a name stands before the text, in WebVTT it is the voice of the cue, in WhisperX's
    JSON the ``speaker`` of each segment and of each word whose time is known. Strangers are
    ``unknown``; where it is doubtful who speaks, nothing is added. All else stays as it was.

    Raises
    ------
    SpkidError
        If it cannot be read, or is in none of these formats (``not_a_transcript``).
    """
    try:
        text = read_text(path)
        return _named(text, lambda start_s, end_s: speaker_of(segments, start_s, end_s))
    except (OSError, ValueError) as error:
        raise SpkidError(
            f"{path}: {why_unreadable(error)}",
            expected="a transcript as .srt, .vtt or WhisperX's .json, in UTF-8",
            do="check the file",
            code="not_a_transcript",
        ) from error


def speaker_of(segments: Sequence[Segment], start_s: float, end_s: float) -> str | None:
    """Who speaks longest from ``start_s`` to ``end_s``, with others who speak for half of it."""
    heard_s: dict[str, float] = {}
    for part in segments:
        name = part.who or (STRANGER if part.status == "unknown" else None)
        shared_s = min(part.end_s, end_s) - max(part.start_s, start_s)
        if name and shared_s > 0:
            heard_s[name] = heard_s.get(name, 0.0) + shared_s
    names = sorted(heard_s, key=lambda name: -heard_s[name])
    also = [name for name in names[1:] if heard_s[name] >= ALSO_SHARE * (end_s - start_s)]
    return " & ".join([*names[:1], *also]) or None


def _named(text: str, who: Namer) -> str:
    start = text.lstrip("\ufeff \r\n\t")
    if start.startswith(("{", "[")):
        return _named_json(start, who)
    if start.startswith("WEBVTT"):
        return _named_cues(text, who, lambda name: f"<v {_escaped(name)}>")
    if any(TIMING.match(line) for line in text.splitlines()):
        return _named_cues(text, who, lambda name: f"{name}: ")
    raise ValueError("no line of times such as 00:00:01,000 --> 00:00:02,500, and no JSON")


def _named_cues(text: str, who: Namer, written: Callable[[str], str]) -> str:
    """The first line after each line of times, with what is ``written`` for its speaker."""
    lines, name = [], None
    for line in text.splitlines(keepends=True):
        timing = TIMING.match(line)
        if timing:
            name = who(_seconds(timing.groups()[:4]), _seconds(timing.groups()[4:]))
        elif name and line.strip():
            has_voice = line.startswith("<v ") or line.startswith("<v.")
            line, name = line if has_voice else written(name) + line, None
        elif not line.strip():
            name = None
        lines.append(line)
    return "".join(lines)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds, fraction = (part or "0" for part in parts)
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds) + float(f"0.{fraction}")


def _escaped(name: str) -> str:
    return name.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _named_json(text: str, who: Namer) -> str:
    content = parse_json(text)
    segments = _listed(content, "segments")
    if not segments:
        raise ValueError("JSON without a list of segments")
    words = [word for own in segments for word in _listed(own, "words")]
    for own in [*segments, *words, *_listed(content, "word_segments")]:
        name = who(*_times(own)) if _has_times(own) else None
        if name:
            own["speaker"] = name
    return json.dumps(content, ensure_ascii=False, indent=2) + "\n"


def _listed(content: Any, key: str) -> list[Any]:
    found = content.get(key) if isinstance(content, dict) else None
    return found if isinstance(found, list) else []


def _has_times(own: Any) -> bool:
    return isinstance(own, dict) and all(
        isinstance(own.get(key), int | float) for key in ("start", "end")
    )


def _times(own: dict[str, Any]) -> tuple[float, float]:
    return float(own["start"]), float(own["end"])
