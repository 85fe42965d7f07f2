"""Errors are one sentence: what came, what was expected and what to do."""

from __future__ import annotations


class SpkidError(Exception):
    """Something the caller can put right.

    Parameters
    ----------
    got, expected, do : str
        Fragments without a final full stop; ``str(error)`` joins them into one
        sentence. ``code`` is a short machine-readable reason.
    """

    def __init__(self, got: str, *, expected: str, do: str, code: str = "bad_input") -> None:
        self.got, self.expected, self.do, self.code = got, expected, do, code
        super().__init__(f"{got}; expected {expected}; {do}.")

    def __reduce__(self) -> tuple[object, ...]:
        """Whole through a process pool: exceptions pickle by position, these are by name."""
        return _rebuilt, (type(self), self.got, self.expected, self.do, self.code)


def _rebuilt(kind: type[SpkidError], got: str, expected: str, do: str, code: str) -> SpkidError:
    return kind(got, expected=expected, do=do, code=code)


class NotFound(SpkidError):
    """A file, household, member, model or clip that is not there."""


class ConsentError(SpkidError):
    """Somebody's consent is missing."""


class ModelMismatch(SpkidError):
    """Vectors, profiles or a calibration that belong to another model."""


class NotCalibrated(SpkidError):
    """A decision was asked of a model that has no calibration."""


class BadAudio(SpkidError):
    """Audio that cannot be read or used."""


class BadTable(SpkidError):
    """A score file, manifest, table of metadata or audit that cannot be used as it is."""


class BadConfig(SpkidError):
    """A configuration with an unknown key or an unfit value."""


class StoreError(SpkidError):
    """A store that cannot be opened, read or written."""
