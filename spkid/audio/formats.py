"""What phones and browsers record and libsndfile does not read, through FFmpeg (extra: formats).

Only the named containers are opened, each by its own reader: FFmpeg left to guess follows
playlists to other files and addresses.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from spkid.audio.decoding import BLOCK_S, CannotDecode, Decoded
from spkid.audio.streams import id3_bytes
from spkid.errors import SpkidError

FORMATS = "m4a, mp4, 3gp, aac, webm, mka, wma or amr"
TOLERANCE_S = 0.25  # encoders fill the last packet up, and leave out their own delay
WITHOUT_LENGTH = ("aac", "amr")


def reader_for(raw: BinaryIO) -> str | None:
    """FFmpeg's name for the container that ``raw`` begins with; None for all others."""
    raw.seek(id3_bytes(raw))  # a tag may stand before raw AAC
    head = raw.read(16)
    if head[4:8] == b"ftyp":
        return "mov"
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return "matroska"
    if head[:4] == b"\x30\x26\xb2\x75":
        return "asf"
    if head[:5] == b"#!AMR":
        return "amr"
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0:
        return "aac"
    return None


@contextmanager
def ffmpeg(raw: BinaryIO, reader: str, name: str) -> Iterator[Decoded]:
    """The first sound in ``raw``.

    Raises
    ------
    CannotDecode
        If there is none, or it is damaged.
    SpkidError
        If PyAV is not installed.
    """
    if importlib.util.find_spec("av") is None:
        raise SpkidError(
            f"{name}: {FORMATS}",
            expected="the formats extra, which reads these",
            do="run: pip install 'spkid[formats]', or convert the file to wav",
            code="no_formats",
        )
    import av

    raw.seek(0)
    try:
        with av.open(raw, "r", format=reader) as container:
            # a stream of a codec that FFmpeg does not know has no context
            known = [one for one in container.streams.audio if one.codec_context is not None]
            if not known:
                raise CannotDecode("no sound in it")
            stream = known[0]
            promised_s = 0.0
            if reader not in WITHOUT_LENGTH and stream.duration and stream.time_base:
                promised_s = float(stream.duration * stream.time_base)
            elif reader not in WITHOUT_LENGTH and container.duration:
                promised_s = container.duration / av.time_base
            promised = max((promised_s - TOLERANCE_S) * stream.rate, 1)
            yield Decoded(stream.rate, stream.channels, _blocks(container, stream), promised)
    except (av.FFmpegError, ValueError) as error:
        raise CannotDecode("damaged") from error


def _blocks(container: Any, stream: Any) -> Iterator[NDArray[np.float32]]:
    """Blocks ``[samples, channels]``; a change of rate or channels half way is an error."""
    import av

    # all channels in one plane: of eight planes or more, PyAV (18.1) reads one too many
    resampler = av.AudioResampler(format="flt", layout=stream.layout, rate=stream.rate)
    packets: list[NDArray[np.float32]] = []
    n_samples = 0
    for frame in container.decode(stream):
        for part in resampler.resample(frame):
            samples = part.to_ndarray().reshape(-1, part.layout.nb_channels)
            packets.append(samples.astype(np.float32))
            n_samples += part.samples
        if n_samples >= BLOCK_S * stream.rate:
            yield np.concatenate(packets)
            packets, n_samples = [], 0
    if packets:
        yield np.concatenate(packets)
