"""A home's own threshold, from its own clips over the shipped calibration.

A home has few clips, and its members are not strangers drawn at random, so their clips only
correct what was measured on many homes. Each clip, held against the other members alone, is an
impostor; the lowest share of strangers at which the shipped threshold would accept it is its
*rate*. Shipped knowledge weighs as much as ``PRIOR_CLIPS`` such clips: accepting at the shipped
rate r lets in (own clips of rate r or lower + PRIOR_CLIPS * r) / (own clips + PRIOR_CLIPS), the
posterior mean. The home takes the largest r at which that is at most the share asked for.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np
from numpy.typing import NDArray

from enrollment.matching import member_llrs, narrowband_share, reaches
from enrollment.profile import Exemplar, Member
from spkid.config import from_mapping
from spkid.errors import SpkidError, StoreError
from spkid.scoring.calibration import Calibration
from spkid.scoring.posterior import known_log_odds
from spkid.scoring.scale import RATES

PRIOR_CLIPS = 200.0
OVERLAP = 0.25  # of the comparisons between two members, the wrong way round
N_STEPS = 200

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class HomeRate:
    """What a home keeps: accept at the shipped ``rate`` to let in ``far`` of strangers.

    It holds for one ``model`` and for the clips with these ``exemplar_ids``; nothing in it is
    made from a voice but the rate.
    """

    far: float
    rate: float
    model: str
    exemplar_ids: tuple[int, ...]

    def to_json(self) -> str:
        """As JSON text, for the store."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> HomeRate:
        """Back from :meth:`to_json`.

        Raises
        ------
        StoreError
            If the text is anything else.
        """
        try:
            found = from_mapping(cls, json.loads(text))
            rates = (found.far, found.rate)
            if not all(type(rate) is float and RATES[0] <= rate <= RATES[-1] for rate in rates):
                raise ValueError("another rate than was measured")
            if not all(type(number) is int for number in found.exemplar_ids):
                raise ValueError("no numbers of clips")
        except (ValueError, TypeError, AttributeError, RecursionError, SpkidError) as error:
            raise StoreError(
                "a home's own calibration that cannot be read",
                expected="what 'spkid calibrate' stored",
                do="run 'spkid calibrate' again",
                code="damaged_store",
            ) from error
        return found

    def fits(self, members: Sequence[Member]) -> bool:
        """Whether the profiles are still those that it was measured on."""
        ids = {exemplar.id for member in members for exemplar in member.exemplars}
        return ids == set(self.exemplar_ids) and {m.model for m in members} == {self.model}


@dataclass(frozen=True)
class OwnTrials:
    """The home's clips held against itself, each left out of what it is held against.

    ``impostor_rates`` and ``own_rates`` are the lowest shipped rates in ``RATES`` at which the
    clip is accepted: against the other members alone, and against the home with its speaker's
    other clips (infinite where another member comes first). A clip that is accepted at no such
    rate has infinity too.
    """

    impostor_rates: Floats
    own_rates: Floats
    overlaps: dict[tuple[str, str], float]

    @property
    def worst(self) -> tuple[tuple[str, str], float] | None:
        """The two members who are hardest to tell apart, and how far they overlap."""
        return max(self.overlaps.items(), key=lambda item: item[1], default=None)

    def share_let_in(self, rate: float) -> float:
        """Posterior mean of the strangers' clips accepted at the shipped ``rate``."""
        own = float((~(self.impostor_rates > rate)).sum())  # NaN is let in
        return (own + PRIOR_CLIPS * rate) / (len(self.impostor_rates) + PRIOR_CLIPS)


def shipped_rate(
    log_odds: float, speech_s: float, calibration: Calibration, *, narrowband_share: float = 0.0
) -> float:
    """The lowest false-accept rate at which the shipped threshold accepts; infinity for none."""
    thresholds = calibration.household_thresholds_at(speech_s, narrowband_share=narrowband_share)
    if not reaches(log_odds, float(thresholds[-1])):
        return float("inf")
    rate = np.exp(np.interp(-log_odds, np.negative(thresholds), np.log(RATES)))
    return round(float(rate), 12)  # the ends stay the measured rates themselves


def held_against(
    clip: Exemplar, members: Sequence[Member], calibration: Calibration
) -> tuple[Floats, float]:
    """Log-likelihood ratios ``[members]`` of ``clip``, and its rate."""
    profiles = [member.vector for member in members]
    n_clips = [len(member.exemplars) for member in members]
    llrs, _ = member_llrs(clip.vector, profiles, n_clips, calibration, clip.speech_s)
    log_odds = float(known_log_odds(llrs, guest_prior=calibration.guest_prior))
    share = float(narrowband_share(llrs, members, clip.is_narrowband))
    return llrs, shipped_rate(log_odds, clip.speech_s, calibration, narrowband_share=share)


def own_trials(members: Sequence[Member], calibration: Calibration) -> OwnTrials:
    """Every clip of a home of two members or more, left out in turn."""
    impostor_rates, own_rates = [], []
    own_llrs: dict[str, list[float]] = {member.name: [] for member in members}
    other_llrs: dict[tuple[str, str], list[float]] = {}
    for member in members:
        others = [other for other in members if other is not member]
        for clip in member.exemplars:
            rest = tuple(exemplar for exemplar in member.exemplars if exemplar is not clip)
            llrs, rate = held_against(clip, others, calibration)
            impostor_rates.append(rate)
            for other, llr in zip(others, llrs, strict=True):
                other_llrs.setdefault((member.name, other.name), []).append(float(llr))
            if rest:
                own = replace(member, exemplars=rest)
                llrs, rate = held_against(clip, [own, *others], calibration)
                own_llrs[member.name].append(float(llrs[0]))
                own_rates.append(rate if llrs.argmax() == 0 else float("inf"))
    overlaps = {
        (speaker, taken_for): float(np.mean(np.subtract.outer(llrs, own_llrs[taken_for]) >= 0))
        for (speaker, taken_for), llrs in other_llrs.items()
        if own_llrs[taken_for]
    }
    return OwnTrials(np.array(impostor_rates), np.array(own_rates), overlaps)


def choose_rate(trials: OwnTrials, far: float) -> float:
    """The largest shipped rate that lets in at most ``far`` by :meth:`OwnTrials.share_let_in`.

    Raises
    ------
    SpkidError
        If two members overlap, or the home's own clips let in more at every measured rate.
    """
    if not RATES[0] <= far <= RATES[-1]:
        raise SpkidError(
            f"false_accept_rate={far:g}",
            expected=f"{RATES[0]:g} to {RATES[-1]:g}, the range that was measured",
            do="choose a rate in it",
        )
    if trials.worst and not trials.worst[1] <= OVERLAP:
        (speaker, taken_for), share = trials.worst
        raise SpkidError(
            f"{speaker} and {taken_for} overlap: {speaker}'s clips fit {taken_for} as well as "
            f"{taken_for}'s own in {100 * share:.0f} % of the comparisons",
            expected=f"at most {100 * OVERLAP:.0f} %",
            do="check whose clips they are, and enroll both again with clearer clips",
            code="overlap",
        )
    rates = np.geomspace(RATES[0], RATES[-1], N_STEPS)
    fitting = [float(rate) for rate in rates if trials.share_let_in(rate) <= far]
    if not fitting:
        n_in = int((trials.impostor_rates <= RATES[0]).sum())
        raise SpkidError(
            f"{n_in} of {len(trials.impostor_rates)} clips pass for another member even at the "
            f"strictest threshold, of {100 * RATES[0]:g} % of strangers",
            expected=f"fewer, for {100 * far:g} %",
            do="choose a larger false_accept_rate=, or enroll again with clearer clips",
            code="overlap",
        )
    return fitting[-1]
