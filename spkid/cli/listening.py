"""What ``identify`` hears in a live stream: from the microphone, or PCM from another program."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from spkid.audio.sources import STANDARD_INPUT
from spkid.cli.output import echo, print_json_line, say
from spkid.errors import BadAudio, NotFound

if TYPE_CHECKING:
    from enrollment.live import Listener, LiveEvent
    from enrollment.store.store import Store
    from spkid.scoring.model import Model

READ_BYTES = 3_200  # a tenth of a second
CONTAINERS = (b"RIFF", b"RF64", b"OggS", b"fLaC", b"ID3")
WORDS = {
    "speech_began": "speech",
    "another_voice": "somebody else",
    "dead_microphone": "the microphone is dead: nothing moves",
    "live_microphone": "the microphone is alive again",
}

Chunk = tuple[object, float | None]  # a frame, and where it stands if something is missing before


def listen_live(
    store: Store,
    household: str | None,
    model: Model,
    stream: Path | None,
    *,
    rate_hz: int,
    far: float | None,
    as_json: bool,
) -> None:
    """Tell what is heard in ``stream``, or else from the microphone."""
    from enrollment.household import Household
    from spkid.cli.microphone import microphone_chunks

    home = Household(store, household or only_household(store), model=model)
    if stream is not None:
        listener, chunks = (
            home.listen(rate_hz=rate_hz, false_accept_rate=far),
            stream_chunks(stream),
        )
        tell(listener, chunks, as_json=as_json)
        return
    listener = home.listen(false_accept_rate=far)
    say("Listening. Ctrl-C ends.")
    tell(listener, microphone_chunks(), as_json=as_json)


def only_household(store: Store) -> str:
    """The store's only household, where the nearest one is not looked for."""
    known = store.households()
    if len(known) == 1:
        return known[0]
    raise NotFound(
        "no household",
        expected=f"one of: {', '.join(known) or 'none yet'}",
        do="name it with household=",
        code="unknown_household",
    )


def stream_chunks(source: Path) -> Iterator[Chunk]:
    """The bytes of ``source`` as they come, until it ends; ``-`` is standard input.

    Raises
    ------
    BadAudio
        If it cannot be read, or is a file with a header.
    """
    try:
        stream = sys.stdin.buffer if str(source) == STANDARD_INPUT else source.open("rb")
        with stream:
            chunk = stream.read1(READ_BYTES)  # type: ignore[union-attr]
            if chunk.startswith(CONTAINERS):
                raise BadAudio(
                    f"{source}: a {chunk[:4].decode()} file",
                    expected="bare samples, int16 in one channel",
                    do="let the other program write raw PCM: arecord -t raw, ffmpeg -f s16le",
                    code="bad_sound",
                )
            while chunk:
                yield chunk, None
                chunk = stream.read1(READ_BYTES)  # type: ignore[union-attr]
    except OSError as error:
        raise BadAudio(
            f"{source}: {error.strerror or 'not readable'}",
            expected="a pipe, a file or - for standard input",
            do="check the path",
            code="unreadable",
        ) from error


def tell(listener: Listener, chunks: Iterable[Chunk], *, as_json: bool) -> None:
    """Print each event as it comes, until the stream ends or Ctrl-C."""
    try:
        for frame, at_s in chunks:
            for event in listener.feed(frame, at_s):
                print_event(event, as_json=as_json)
    except KeyboardInterrupt:
        say("stopped")
    for event in listener.finish():
        print_event(event, as_json=as_json)


def print_event(event: LiveEvent, *, as_json: bool) -> None:
    """A line on standard output."""
    if as_json:
        print_json_line(event.record())
    else:
        echo(f"{event.at_s:8.1f} s  {in_words(event)}")


def in_words(event: LiveEvent) -> str:
    """The event for people."""
    from enrollment.live import Answer, EarlyAnswer
    from spkid.audio.events import BadFrame, Gap
    from spkid.cli.homes import decision_cells

    if isinstance(event, EarlyAnswer | Answer):
        who, probability, *_, speech = decision_cells(event.decision)
        return f"{who}, {probability}, {speech}{' so far' * isinstance(event, EarlyAnswer)}"
    if isinstance(event, BadFrame):
        return f"a bad frame: {event.reason}"
    if isinstance(event, Gap):
        return f"{event.missing_s:.1f} s of sound are missing"
    return WORDS[event.kind]
