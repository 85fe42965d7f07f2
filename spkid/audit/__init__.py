"""Who is it worse for, is that certain, and which cohort to work on first?

``spkid.audit(scores, metadata, by=["gender"])`` is :func:`spkid.audit.face.audit`: the package
is also the function that people come for. The names in ``__all__`` are imported on first use.
``spkid.audit.statistics`` and ``spkid.audit.report`` are private; what others need of them is
offered here.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from spkid.audit.face import compare, decisions
    from spkid.audit.outcome import AuditResult, ComparisonResult
    from spkid.audit.statistics.differences import holm
    from spkid.audit.statistics.intervals import speaker_draws
    from spkid.audit.statistics.measures import MEASURES
    from spkid.audit.statistics.rules import MIN_SPEAKERS

__all__ = [
    "MEASURES",
    "MIN_SPEAKERS",
    "AuditResult",
    "ComparisonResult",
    "compare",
    "decisions",
    "holm",
    "speaker_draws",
]

_MODULES = {
    "AuditResult": "outcome",
    "ComparisonResult": "outcome",
    "MEASURES": "statistics.measures",
    "MIN_SPEAKERS": "statistics.rules",
    "holm": "statistics.differences",
    "speaker_draws": "statistics.intervals",
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'face')}"), name)


class _Callable(ModuleType):
    """A package that can be called as the function it is named after."""

    def __call__(self, *args: Any, **options: Any) -> Any:
        from spkid.audit.face import audit

        return audit(*args, **options)


sys.modules[__name__].__class__ = _Callable
