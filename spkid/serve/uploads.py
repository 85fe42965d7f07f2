"""Sound that comes with a request: held in memory, never on the disk, and decoded in bounds."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from dataclasses import dataclass

import numpy as np
from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from spkid.audio.reading import Waveform, audio_blocks
from spkid.errors import BadAudio, SpkidError
from spkid.serve.problems import bad_request
from spkid.serve.settings import Limits

MULTIPART = "multipart/form-data"
PART = "file"


@dataclass(frozen=True)
class Bounds:
    """The longest sound, in seconds, and the seconds that decoding it may take."""

    longest_s: float
    within_s: float


def bounds_of(limits: Limits, *, is_recording: bool = False) -> Bounds:
    """Of a clip, or of a recording for a timeline."""
    return Bounds(limits.recording_s if is_recording else limits.clip_s, limits.decode_s)


class _InMemory(MultiPartParser):
    """Parts stay in memory: a voice is not written to a temporary file."""

    spool_max_size = 2**40


async def files_of(request: Request, *, at_most: int = 1) -> list[bytes]:
    """The files of a request: its body, or the parts ``file`` of a form.

    Raises
    ------
    SpkidError
        If there is none, there are more, or the form is damaged.
    """
    if not request.headers.get("content-type", "").lower().startswith(MULTIPART):
        return [_some(await request.body())]

    async def parts() -> AsyncGenerator[bytes, None]:
        async for part in request.stream():
            yield part

    parser = _InMemory(request.headers, parts(), max_files=at_most, max_fields=0)
    try:
        form = await parser.parse()
    except (MultiPartException, KeyError) as error:
        said = error.message if isinstance(error, MultiPartException) else "no boundary"
        raise bad_request(f"a form that cannot be read: {said}") from error
    try:
        found = [
            _some(await part.read())
            for name, part in form.multi_items()
            if name == PART and isinstance(part, UploadFile)
        ]
    finally:
        await form.close()
    if not found:
        raise bad_request(f"a form without a part {PART!r} that is a file")
    return found


def _some(content: bytes) -> bytes:
    if not content:
        raise BadAudio(
            "an empty body",
            expected="the bytes of an audio file",
            do="send one, such as: curl --data-binary @clip.wav",
            code="unreadable",
        )
    return content


def decoded(content: bytes, bounds: Bounds) -> Waveform:
    """Mono samples at 16 kHz, float32 ``[samples]``.

    Raises
    ------
    SpkidError
        If it cannot be read, is too long or takes too long: a small file can hold hours.
    """
    until = time.monotonic() + bounds.within_s
    blocks = [np.empty(0, dtype=np.float32)]
    for block in audio_blocks(content, longest_s=bounds.longest_s):
        blocks.append(block)
        if time.monotonic() > until:
            raise SpkidError(
                f"sound that takes longer than {bounds.within_s:.0f} s to decode",
                expected="a usual recording of one or two channels",
                do="convert it",
                code="too_slow",
            )
    return np.concatenate(blocks)
