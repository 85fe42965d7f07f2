"""The microphone as a stream of 16 kHz chunks; needs the microphone extra."""

from __future__ import annotations

import time
from collections.abc import Iterator

from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.errors import SpkidError

CHUNK_SAMPLES = 1600  # a tenth of a second


def microphone_chunks() -> Iterator[tuple[Waveform, float | None]]:
    """Mono float32 chunks ``[samples]`` from the default microphone, without end.

    Beside each, where sound before it was lost, the second at which it stands; else None.

    Raises
    ------
    SpkidError
        If sounddevice or its library is missing, or there is no microphone to open.
    """
    try:
        import sounddevice
    except (ImportError, OSError) as error:  # OSError: the PortAudio library is missing
        raise SpkidError(
            f"no access to microphones ({error})",
            expected="the microphone extra, and PortAudio on the system",
            do="run: pip install 'spkid[microphone]'",
            code="no_microphone",
        ) from error
    try:
        with sounddevice.InputStream(
            samplerate=SAMPLE_RATE_HZ, channels=1, dtype="float32", blocksize=CHUNK_SAMPLES
        ) as stream:
            started_s = time.monotonic()
            while True:
                samples, is_late = stream.read(CHUNK_SAMPLES)
                now_s = time.monotonic() - started_s - CHUNK_SAMPLES / SAMPLE_RATE_HZ
                yield samples[:, 0], now_s if is_late else None
    except sounddevice.PortAudioError as error:
        raise SpkidError(
            f"no microphone ({error})",
            expected="a microphone that can be opened at 16 kHz",
            do="plug one in, or give audio files",
            code="no_microphone",
        ) from error
