"""Several voices or one: the score decides."""

from __future__ import annotations

import numpy as np
import pytest

from enrollment.company import LEAST_OVERLAP_S, decide_clip, voices_in
from enrollment.household import Household
from spkid.audio.ears import Span
from spkid.audio.reading import load_audio
from spkid.encoder.company import Company, Part
from spkid.encoder.hearing import Heard, hear


@pytest.fixture(scope="module")
def vectors(cast, encoder):
    """Vectors of two clips of each member."""
    return [
        [encoder.embed(load_audio(path)) for path in person["enroll"][:2]]
        for person in cast.values()
        if person["enroll"]
    ]


def part(start_s, end_s, vector):
    return Part(Span(start_s, end_s), end_s - start_s, vector)


def test_a_clip_without_company_is_one_voice(calibration):
    assert voices_in(Company(), calibration).others == ()


def test_two_parts_of_one_person_are_one_voice(vectors, calibration):
    for one, two in vectors:
        found = voices_in(Company((), (part(0, 4, one), part(4, 8, two))), calibration)
        assert found.others == ()
        assert found.main_s == 8
        assert float(found.main @ one) > 0.8


def test_the_part_of_another_person_is_said_with_its_seconds(vectors, calibration):
    (ana, more), (ben, _) = vectors[:2]
    company = Company((), (part(0, 4, ana), part(5, 8, ben), part(8, 10, more)))
    found = voices_in(company, calibration)
    assert found.others == (Span(5, 8),)
    assert found.main_s == 6
    assert float(found.main @ ana) > 0.8


def test_another_who_goes_on_is_one_stretch(vectors, calibration):
    (ana, _), (ben, more) = vectors[:2]
    company = Company((), (part(0, 4, ana), part(5, 7, ben), part(7.5, 9, more)))
    assert voices_in(company, calibration).others == (Span(5, 9),)


def test_overlap_counts_where_there_is_enough_of_it(vectors, calibration):
    short, long = Span(1, 1 + 0.9 * LEAST_OVERLAP_S), Span(1, 1 + 1.1 * LEAST_OVERLAP_S)
    alone = (part(2, 5, vectors[0][0]),)
    assert voices_in(Company((short,), alone), calibration).others == ()
    assert voices_in(Company((long,), alone), calibration).others == (long,)


def test_the_main_voice_answers_and_the_other_is_said(vectors, store, cast, clips, model):
    names = list(cast)
    home = Household(store, "home", model=model)
    for name in names[:2]:
        home.enroll(name, cast[name]["enroll"], consent=True)
    plain = hear(cast[names[1]]["heard"][0], model.encoder)
    company = Company((), (part(0, 4, vectors[0][0]), part(5, 8, vectors[1][0])))
    heard = Heard(plain.name, plain.quality, plain.digest, plain.vector, company)
    answer = decide_clip(heard, home.members(), model.to_decide(), false_accept_rate=0.05)
    assert (answer.member, answer.other_voices) == (names[0], (Span(5, 8),))
    assert answer.speech_s == 4


def test_where_nobody_speaks_alone_nobody_is_named(store, cast, model):
    name, person = next(iter(cast.items()))
    home = Household(store, "home", model=model)
    home.enroll(name, person["enroll"], consent=True)
    plain = hear(person["heard"][0], model.encoder)
    over = Company((Span(0, 3),), ())
    heard = Heard(plain.name, plain.quality, plain.digest, plain.vector, over)
    answer = home.identify(heard)
    assert (answer.status, answer.member, answer.p_member) == ("several_voices", None, None)
    assert answer.other_voices == over.overlaps
    assert np.isfinite(answer.speech_s)
