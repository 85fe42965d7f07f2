"""spkid: who is speaking at home, and is it equally good for everyone.

``Model.load()`` is an encoder with its calibration. Heavy modules are imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from spkid.errors import SpkidError

if TYPE_CHECKING:
    from spkid.audit.face import audit as audit
    from spkid.data.score_files import read_scores as read_scores
    from spkid.encoder.encoder import SpeakerEncoder as SpeakerEncoder
    from spkid.scoring.calibration import Calibration as Calibration
    from spkid.scoring.model import Model as Model

__version__ = "0.1.0"
__all__ = [
    "Calibration",
    "Model",
    "SpeakerEncoder",
    "SpkidError",
    "__version__",
    "audit",
    "read_scores",
]

_MODULES = {
    "Calibration": "spkid.scoring.calibration",
    "Model": "spkid.scoring.model",
    "SpeakerEncoder": "spkid.encoder.encoder",
    "read_scores": "spkid.data.score_files",
}


def __getattr__(name: str) -> Any:
    if name == "audit":  # a package that is also a function
        return import_module("spkid.audit")
    if name in _MODULES:
        return getattr(import_module(_MODULES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
