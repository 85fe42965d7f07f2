"""spkid: who is speaking at home, and is it equally good for everyone.

``SpeakerEncoder.load().embed_file("clip.wav")`` gives a unit speaker vector. Heavy modules
are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from spkid.errors import SpkidError

if TYPE_CHECKING:
    from spkid.encoder.encoder import SpeakerEncoder as SpeakerEncoder
    from spkid.scoring.calibration import Calibration as Calibration

__version__ = "0.1.0"
__all__ = ["Calibration", "SpeakerEncoder", "SpkidError", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "SpeakerEncoder":
        from spkid.encoder.encoder import SpeakerEncoder

        return SpeakerEncoder
    if name == "Calibration":
        from spkid.scoring.calibration import Calibration

        return Calibration
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
