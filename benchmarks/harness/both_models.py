"""Two models asked about the same clips of the same homes, one after the other or each alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.calibration import Calibration
from spkid.scoring.limits import Limits
from spkid.scoring.posterior import AMBIGUOUS_ODDS
from spkid.scoring.simulated_homes import score_homes

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]
TIED = float(np.log(AMBIGUOUS_ODDS))  # nats; members that are closer are not told apart


@dataclass(frozen=True)
class Answers:
    """What one model answers at one rate; all ``[clips]``.

    ``over`` are known-log-odds less the threshold, ``apart`` the first member's ratio less the
    second's; ``is_named`` where a member is named, ``is_right`` where the first one speaks.
    """

    over: Floats
    apart: Floats
    is_named: Booleans
    is_right: Booleans

    def part(self, rows: Booleans) -> Answers:
        """To some of the clips."""
        return Answers(self.over[rows], self.apart[rows], self.is_named[rows], self.is_right[rows])


def answers(
    homes: pd.DataFrame, embeddings: EmbeddingTable, calibration: Calibration, rate: float
) -> Answers:
    """Of one model in ``homes``, which :func:`score_homes` takes."""
    probes = score_homes(homes, embeddings, calibration)
    threshold = calibration.household_threshold(
        rate, speech_s=probes["speech_s"], narrowband_share=probes["narrowband_share"]
    )
    over, apart = probes["known_log_odds"].to_numpy() - threshold, probes["llr_margin"].to_numpy()
    return Answers(over, apart, (over >= 0) & (apart >= TIED), probes["right"].to_numpy())


def asked_about(homes: pd.DataFrame) -> pd.DataFrame:
    """The clips that are asked about, in the order of :func:`answers`."""
    parts = [own[own["role"] != "enroll"] for _, own in homes.groupby("household", sort=False)]
    return pd.concat(parts, ignore_index=True)


@dataclass(frozen=True)
class Trial:
    """The same clips by both models; ``may_stand`` where the small one's answer may stand at all.

    A guest's clip is wrong where a member is named.
    """

    is_guest: Booleans
    small: Answers
    accurate: Answers
    may_stand: Booleans

    def part(self, rows: Booleans) -> Trial:
        """Some of the clips."""
        small, accurate = self.small.part(rows), self.accurate.part(rows)
        return Trial(self.is_guest[rows], small, accurate, self.may_stand[rows])

    def stands(self, limits: Limits | None) -> Booleans:
        """Where the small model's answer stands; nowhere without limits."""
        if limits is None:
            return np.zeros_like(self.may_stand)
        return self.may_stand & limits.hold(self.small.over, self.small.apart)

    def rates(self, stands: Booleans) -> dict[str, float]:
        """Shares of clips: asked of the accurate one, missed, of guests named, confused."""
        named = np.where(stands, self.small.is_named, self.accurate.is_named)
        right = np.where(stands, self.small.is_right, self.accurate.is_right)
        member = ~self.is_guest
        return {
            "asked": float((~stands).mean()),
            "missed": float(1 - (named & right)[member].mean()),
            "guests": float(named[self.is_guest].mean()),
            "confused": float((named & ~right)[member].mean()),
        }
