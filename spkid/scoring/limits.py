"""How sure a small model must be for its answer to stand without the accurate one's."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from spkid.config import from_mapping
from spkid.errors import NotFound, SpkidError
from spkid.files import parse_json, read_text, why_unreadable, write_text


@dataclass(frozen=True)
class Limits:
    """When the answer of the ``small`` model stands, and the ``accurate`` one need not be asked.

    All limits are in nats. A member's name stands where the known-log-odds are at least ``above``
    over the threshold, and the member's log-likelihood ratio at least ``apart`` over the next
    one's; that nobody is known stands where they are at least ``below`` under it. All else is
    asked of the accurate model.

    ``small`` and ``accurate`` are fingerprints; ``fitted_on`` says in words on what.

    Raises
    ------
    SpkidError
        If a limit is no finite number from 0 on.
    """

    above: float
    below: float
    apart: float
    small: str
    accurate: str
    fitted_on: str

    def __post_init__(self) -> None:
        numbers = (self.above, self.below, self.apart)
        if not all(type(each) is float and 0 <= each < math.inf for each in numbers):
            raise SpkidError(
                "limits that are no finite numbers from 0 on",
                expected="three distances in nats",
                do="fit them again",
            )

    def hold(self, over_threshold: ArrayLike, apart: ArrayLike) -> NDArray[np.bool_]:
        """Whether answers stand; NaN never does.

        Parameters
        ----------
        over_threshold : float ``[...]``
            Known-log-odds less the threshold.
        apart : float ``[...]``
            The first member's log-likelihood ratio less the second's; infinite for a single one.
        """
        over, gap = np.asarray(over_threshold), np.asarray(apart)
        is_known = (over >= self.above) & (gap >= self.apart)
        return np.asarray(is_known | ((over < 0) & (over <= -self.below)))

    def save(self, path: str | Path) -> None:
        """Write as JSON."""
        write_text(Path(path), json.dumps(asdict(self), indent=2) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Limits:
        """What :meth:`save` wrote.

        Raises
        ------
        SpkidError
            If the file is not there, or anything else.
        """
        try:
            return from_mapping(cls, parse_json(read_text(Path(path))))
        except FileNotFoundError as error:
            raise NotFound(
                f"{path}: no such file",
                expected="the limits that Limits.save wrote",
                do="install spkid again",
            ) from error
        except (SpkidError, OSError, ValueError, TypeError, AttributeError) as error:
            raise SpkidError(
                f"{path}: limits that cannot be used ({why_unreadable(error)})",
                expected="what Limits.save wrote",
                do="install spkid again",
            ) from error
