"""Two models in one home: who answers, and who is asked.

The small one is a stand-in: it hears as the bundled one does, and has its numbers in another order,
so that whoever mixes the vectors of the two names nobody.
"""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from enrollment import Household
from enrollment.live import Answer, EarlyAnswer
from enrollment.profile import SecondVectors
from spkid import Model, SpeakerEncoder, SpkidError
from spkid.audio.reading import load_audio
from spkid.encoder import hearing
from spkid.encoder.base import Encoder
from spkid.errors import ModelMismatch
from spkid.scoring.limits import Limits
from spkid.scoring.model import Quick
from spkid.scoring.posterior import known_log_odds

LOOSE, STRICT = 0.0, 1e6  # nats


class StandIn(Encoder):
    """Hears as ``encoder``, with its numbers moved on by ``shift``; counts what it is asked."""

    runs_code = False

    def __init__(self, encoder: Encoder, fingerprint: str, shift: int) -> None:
        self.path, self.dim, self.fingerprint = encoder.path, encoder.dim, fingerprint
        self._encoder, self._shift, self.n_asked = encoder, shift, 0

    def _run(self, batch):
        self.n_asked += 1
        vectors, weights = self._encoder._run(batch)
        return np.roll(vectors, self._shift, axis=1), weights


def stand_in(model: Model, fingerprint: str, shift: int) -> Model:
    landmarks = tuple(map(tuple, np.roll(model.calibration.landmarks, shift, axis=1).tolist()))
    own = dataclasses.replace(model.calibration, model=fingerprint, landmarks=landmarks)
    return Model(StandIn(model.encoder, fingerprint, shift), own)


def pair(model: Model, limit: float) -> Model:
    """Both models, the small one's answer standing within ``limit``."""
    small, accurate = stand_in(model, "small", 1), stand_in(model, "accurate", 0)
    limits = Limits(limit, limit, limit, "small", "accurate", "nobody")
    return dataclasses.replace(accurate, quick=Quick(small, limits))


def asked(model: Model) -> tuple[bool, bool]:
    """Whether the small and the accurate one embedded anything since."""
    encoders = (model.quick.model.encoder, model.encoder)
    found = tuple(encoder.n_asked > 0 for encoder in encoders)
    for encoder in encoders:
        encoder.n_asked = 0
    return found


def home_of(store, model: Model, cast, *names: str) -> Household:
    home = Household(store, "home", model=model)
    for name in names:
        home.enroll(name, cast[name]["enroll"], consent=True)
    if model.quick:
        asked(model)
    return home


@pytest.fixture
def loose(model):
    return pair(model, LOOSE)


@pytest.fixture
def strict(model):
    return pair(model, STRICT)


def test_a_sure_answer_of_the_small_one_stands(store, loose, cast, model):
    home = home_of(store, loose, cast, "Ana", "Ben")
    alone = dataclasses.replace(home_of(store, loose, cast).model, quick=None)
    for name, clip in (("Ana", cast["Ana"]["heard"][0]), (None, cast["a visitor"]["heard"][0])):
        decision = home.identify(clip)
        assert (decision.member, decision.model) == (name, "small")
        assert (decision.hints, asked(loose)) == ((), (True, False))
        same = Household(store, "home", model=alone).identify(clip)
        assert decision.p_member == pytest.approx(same.p_member, abs=1e-6)
        asked(loose)


def test_the_accurate_one_is_asked_where_the_small_one_is_not_sure(store, strict, cast):
    home = home_of(store, strict, cast, "Ana", "Ben")
    decision = home.identify(cast["Ana"]["heard"][0])
    assert (decision.member, decision.model, asked(strict)) == ("Ana", "accurate", (True, True))


def test_by_telephone_the_small_one_is_held_to_the_threshold_of_telephones(
    store, model, cast, monkeypatch
):
    both, clip = pair(model, 1.0), cast["Ana"]["heard"][0]
    decision = home_of(store, both, cast, "Ana", "Ben").identify(clip)
    small = both.quick.model.calibration
    llrs = [candidate.llr for candidate in decision.candidates]
    threshold = small.household_threshold(0.05, speech_s=decision.speech_s)
    over = known_log_odds(llrs, guest_prior=small.guest_prior) - threshold
    strict = dataclasses.replace(small, narrowband_margin=float(over))  # neither known nor unknown
    quick = dataclasses.replace(both.quick, model=Model(both.quick.model.encoder, strict))
    home = Household(store, "home", model=dataclasses.replace(both, quick=quick))
    assert home.identify(clip).model == "small"
    monkeypatch.setattr("spkid.audio.speech.is_narrowband", lambda waveform, is_said: True)
    assert home.identify(clip).model == "small"  # they enrolled in full bandwidth
    home.forget("Ana")
    home.enroll("Ana", cast["Ana"]["enroll"], consent=True)
    assert home.identify(clip).model == "accurate"


def test_the_accurate_one_is_asked_of_whispers_and_of_company(store, loose, cast, monkeypatch):
    home = home_of(store, loose, cast, "Ana")
    clip = cast["Ana"]["heard"][0]
    with monkeypatch.context() as patch:
        patch.setattr("enrollment.both_models.doubt_of", lambda share: 0.1)
        assert (home.identify(clip).model, asked(loose)) == ("accurate", (False, True))
    ana, ben = load_audio(clip), load_audio(cast["Ben"]["heard"][0])
    decision = home.identify(np.concatenate([ana, ben, ana]))
    assert (bool(decision.other_voices), decision.model) == (True, "accurate")


def test_a_clip_with_nothing_to_hear_asks_nobody(store, loose, cast):
    home = home_of(store, loose, cast, "Ana")
    assert home.identify(np.zeros(16_000, dtype=np.float32)).status == "no_speech"
    assert asked(loose) == (False, False)


def test_what_was_heard_already_and_several_clips_are_the_accurate_ones(store, loose, cast):
    home = home_of(store, loose, cast, "Ana")
    clip = cast["Ana"]["heard"][0]
    heard = hearing.hear(clip, loose.encoder)
    assert home.identify(heard).model == "accurate"
    assert home.identify_together([clip, cast["Ana"]["heard"][1]]).model == "accurate"
    assert home.verify("Ana", clip).model == "accurate"
    assert home.timeline(clip)[0].who == "Ana"
    assert not asked(loose)[0]


def test_a_live_stream_is_answered_by_the_small_one_where_it_is_sure(store, loose, cast):
    home = home_of(store, loose, cast, "Ana")
    hush = (np.random.default_rng(0).normal(size=32_000) * 1e-4).astype(np.float32)
    listener = home.listen()
    sound = np.concatenate([hush, load_audio(cast["Ana"]["heard"][0]), hush])
    events = [*listener.feed(sound), *listener.finish()]
    told = [event for event in events if isinstance(event, EarlyAnswer | Answer)]
    assert [type(event) for event in told] == [EarlyAnswer, Answer]
    assert {(each.decision.member, each.decision.model) for each in told} == {("Ana", "small")}
    assert not asked(loose)[1]


def test_a_home_of_the_accurate_one_alone_goes_on_and_says_the_way_out(store, loose, cast):
    home_of(store, dataclasses.replace(loose, quick=None), cast, "Ana", "Ben")
    home = Household(store, "home", model=loose)
    clip = cast["Ana"]["heard"][0]
    decision = home.identify(clip)
    assert (decision.member, decision.model) == ("Ana", "accurate")
    (hint,) = decision.hints
    assert "the small one knows no clip of Ana and Ben: enroll new clips with both" in hint
    home.enroll("Ana", [cast["Ana"]["heard"][1]], consent=True)
    decision = home.identify(clip)
    assert ("no clip of Ben:" in decision.hints[0], decision.model) == (True, "accurate")
    home.enroll("Ben", [cast["Ben"]["heard"][1]], consent=True)
    asked(loose)
    decision = home.identify(clip)
    assert (decision.hints, asked(loose)[0]) == ((), True)


def test_a_home_of_the_small_one_alone_goes_on_and_says_the_way_out(store, loose, cast):
    small = loose.quick.model
    home_of(store, small, cast, "Ana")
    home = Household(store, "home", model=loose)
    assert home.model is small
    home.enroll("Ben", cast["Ben"]["enroll"], consent=True)
    decision = home.identify(cast["Ben"]["heard"][0])
    assert (decision.member, decision.model) == ("Ben", "small")
    assert decision.hints == (
        "These profiles are of the small model, which answers alone: run 'spkid reembed --model "
        "both' where clips were kept, or forget the members and enroll them again with both "
        "models.",
    )
    assert home.verify("Ben", cast["Ben"]["heard"][0]).same
    home.forget()
    home.enroll("Ben", cast["Ben"]["enroll"], consent=True)
    assert home.members()[0].model == "accurate"


def test_a_home_of_both_opens_with_either(store, loose, cast):
    home_of(store, loose, cast, "Ana")
    accurate = dataclasses.replace(loose, quick=None)
    clip = cast["Ana"]["heard"][0]
    assert Household(store, "home", model=accurate).identify(clip).member == "Ana"
    with pytest.raises(ModelMismatch, match="a profile of 'Ana' made with model accurate"):
        Household(store, "home", model=loose.quick.model).identify(clip)


def test_a_small_model_of_another_fingerprint_answers_nothing(store, loose, cast):
    home = home_of(store, loose, cast, "Ana")
    (ana,) = home.members()
    vectors = {clip.digest: clip.vector for clip in ana.exemplars}
    store.set_seconds(ana, SecondVectors("an earlier one", vectors))
    decision = home.identify(cast["Ana"]["heard"][0])  # the home that was open already, too
    assert (decision.model, asked(loose)[0]) == ("accurate", False)
    assert "knows no clip of Ana" in decision.hints[0]


def test_short_clips_that_are_heard_as_one_and_reviewed_ones_have_both_vectors(store, loose, cast):
    home = Household(store, "home", model=loose)
    words = [load_audio(clip)[8_000:30_000] for clip in cast["Ana"]["enroll"]]
    session = home.session("Ana", consent=True)
    for word in words:
        session.add(word)
    loud = np.clip(30 * load_audio(cast["Ana"]["heard"][0]), -1, 1)
    assert session.add(loud).reason == "clipped"
    session.accept(len(words))
    assert len(session.save().member.exemplars) == 2
    members = home.members()
    assert {clip.id for who in members for clip in who.exemplars} == set(
        store.second_vectors("home")
    )


def test_the_inbox_holds_vectors_of_the_accurate_one(store, loose, cast):
    home = home_of(store, loose, cast, "Ana")
    home.inbox.switch_on("Ana", consent=True)
    decision = home.identify(cast["Ben"]["heard"][0])
    assert (decision.status, decision.model, asked(loose)) == ("unknown", "accurate", (True, True))
    assert home.identify(cast["Ana"]["heard"][0]).model == "small"
    (ben,) = home.inbox.speakers()
    assert {voice.model for voice in ben.voices} == {"accurate"}
    home.inbox.name(ben.number, "Ben", consent=True)
    assert "knows no clip of Ben" in home.identify(cast["Ben"]["heard"][1]).hints[0]


def test_limits_belong_to_two_models(loose):
    for own in ({"small": "another"}, {"accurate": "another"}):
        limits = dataclasses.replace(loose.quick.limits, **own)
        with pytest.raises(ModelMismatch, match="limits of models"):
            dataclasses.replace(loose, quick=Quick(loose.quick.model, limits))


def test_both_are_no_encoder_and_take_no_calibration(tmp_path):
    with pytest.raises(SpkidError, match="both models where one encoder is used"):
        SpeakerEncoder.load("both")
    with pytest.raises(SpkidError, match="a calibration for both models"):
        Model.load("both", calibration=tmp_path / "own.json")


def test_the_bundled_pair_hears_a_home(store, cast):
    both = Model.load("both")
    home = Household(store, "home", model=both)
    for name in ("Ana", "Ben"):
        home.enroll(name, cast[name]["enroll"], consent=True)
    own = {both.fingerprint, both.quick.model.fingerprint}
    for name in ("Ana", "Ben"):
        for clip in cast[name]["heard"]:
            decision = home.identify(clip)
            assert (decision.member, decision.hints) == (name, ())
            assert decision.model in own
    assert home.identify(cast["a visitor"]["heard"][0]).member is None
