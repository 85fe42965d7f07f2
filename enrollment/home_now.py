"""What a household is by now: who lives there, which model hears them, and who answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from enrollment.both_models import SMALL_ALONE, accurate_alone, by_quick, quick_answer
from enrollment.company import decide_clip
from enrollment.home_rate import HomeRate
from enrollment.matching import Decision
from enrollment.profile import Member, check_unit
from enrollment.refusals import no_household, other_model
from enrollment.store.store import Store
from spkid.encoder.hearing import Clip, Listened
from spkid.scoring.model import Model


@dataclass(frozen=True)
class HomeNow:
    """A household as of a log ``sequence``, with the ``model`` that its profiles are of.

    ``own`` is the home's own calibration, while it fits the members; ``keeps_log`` and
    ``keeps_voices`` say whether answers are written down and strangers' voices kept. Of two models,
    ``quick_members`` are those of whom the small one knows a clip, and ``hint`` says why one of the
    two answers alone, where it does.
    """

    sequence: int
    model: Model
    members: list[Member] = field(repr=False)
    own: HomeRate | None
    keeps_log: bool
    keeps_voices: bool
    quick_members: list[Member] = field(repr=False)
    hint: str | None


def read_home(store: Store, name: str, given: Model, *, sequence: int) -> HomeNow:
    """The household of that name, heard by the ``given`` model.

    Raises
    ------
    SpkidError
        If the household is unknown or a profile comes from another model.
    """
    members = store.members(name)
    if not members:
        raise no_household(name, store.households())
    model = given.behind(member.model for member in members)
    for member in members:
        if member.model != model.fingerprint:
            raise other_model(member.name, member.model, model.fingerprint)
        check_unit(member.vector, dim=model.dim)
    text = store.calibration(name)
    own = None if text is None else HomeRate.from_json(text)
    if own is not None and not own.fits(members):
        own = None
    known: list[Member] = []
    hint = SMALL_ALONE if model is not given else None
    if model.quick is not None:
        known = by_quick(members, store.second_vectors(name), model.quick.model)
        hint = accurate_alone(members, known)
    return HomeNow(
        sequence,
        model,
        members,
        own,
        keeps_log=store.decisions.terms(name) is not None,
        keeps_voices=store.voices.terms(name) is not None,
        quick_members=known,
        hint=hint,
    )


def decided(home: HomeNow, clip: Listened, *, false_accept_rate: float) -> tuple[Decision, Clip]:
    """Who speaks, and the clip as the model that answers heard it.

    Of two models, the small one answers where it is sure. A stranger whom an inbox may keep is
    always heard by the other, whose vectors the inbox holds.
    """
    quick, rate = home.model.quick, false_accept_rate
    if quick and not home.hint:
        found = quick_answer(clip, home.quick_members, quick, false_accept_rate=rate)
        if found and (found[0].is_known or not home.keeps_voices):
            return found
    heard, calibration = clip.by(home.model.encoder), home.model.to_decide()
    return decide_clip(heard, home.members, calibration, false_accept_rate=rate), heard
