"""A NaN in a stored vector or in a model's weights named a member for anybody.

Vectors are checked wherever they enter, and a decision on a number that is not finite is refused.
"""

from __future__ import annotations

import copy
import dataclasses
import math
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from enrollment import Household
from enrollment.home_rate import HomeRate, OwnTrials, choose_rate, shipped_rate
from enrollment.index.profile_index import ProfileIndex, nearest_household
from enrollment.matching import decide, member_llrs, reaches, unlike_others
from enrollment.profile import Exemplar, ExemplarBatch, Member
from enrollment.timeline import Judge
from enrollment.verification import judge_pair, verify_clips
from spkid import Calibration, Model, SpeakerEncoder
from spkid.encoder.base import Encoder
from spkid.encoder.batch import embed_manifest
from spkid.encoder.encoder import BUNDLED_MODEL
from spkid.encoder.hearing import hear
from spkid.encoder.unit import are_unit
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import BadTable, ModelMismatch, SpkidError, StoreError

UNIT = np.eye(192, dtype=np.float32)[0]
NO_VECTORS = {
    "NaN": np.where(np.arange(192) == 7, np.nan, UNIT),
    "infinite": np.full(192, np.inf),
    "zeros": np.zeros(192),
    "too long": 2 * UNIT,
    "too large to square": np.full(192, 1e200),
}
NOT_FINITE = (math.nan, math.inf, -math.inf)


@pytest.fixture
def family(store, model, cast):
    home = Household(store, "home", model=model)
    for name in ("Ana", "Ben"):
        home.enroll(name, cast[name]["enroll"], consent=True)
    return home


def damaged(calibration: Calibration, **values: object) -> Calibration:
    """With ``values`` that no constructor lets in."""
    changed = copy.copy(calibration)
    for name, value in values.items():
        object.__setattr__(changed, name, value)
    return changed


# where vectors enter


@pytest.mark.parametrize("vector", NO_VECTORS.values(), ids=NO_VECTORS)
def test_no_such_vector_enters_anywhere(vector, calibration):
    ana = Member("home", "Ana", "m1", "", (Exemplar(UNIT, "d", 4.0, 30.0),))
    for enters in (
        lambda: Exemplar(vector, "d", 4.0, 30.0),
        lambda: ExemplarBatch(np.array([1]), np.array([1]), vector[None]),
        lambda: EmbeddingTable({"a": 0}, vector[None], "m1"),
        lambda: decide(vector, [ana], calibration, false_accept_rate=0.05, speech_s=4.0),
        lambda: member_llrs(UNIT, [vector], [1], calibration, 4.0),
        lambda: unlike_others([vector, UNIT], [], calibration, speech_s=[4.0, 4.0]),
        lambda: Judge([ana], calibration, 0.05).gains(
            vector[None], np.array([4.0]), np.array([False])
        ),
    ):
        with pytest.raises(SpkidError, match="unit length"):
            enters()


def test_what_a_unit_vector_is():
    assert are_unit(UNIT)
    assert are_unit([UNIT, -UNIT], dim=192)
    assert not are_unit(UNIT, dim=191)
    for other in (1.0, [], [[]], [UNIT, UNIT[:3]], ["a", "b"], None, [None]):
        assert not are_unit(other)


class Broken(Encoder):
    """Gives ``made`` for every row of a batch."""

    path, fingerprint, dim = Path("broken.onnx"), "m1", 192

    def __init__(self, made) -> None:
        self.made = made

    def _run(self, batch):
        return np.asarray([self.made] * len(batch)), np.full((len(batch), 5), np.nan)


@pytest.mark.parametrize(
    "made", [*NO_VECTORS.values(), UNIT[:3], [UNIT], 1.0], ids=[*NO_VECTORS, "short", "deep", "one"]
)
def test_an_encoder_that_gives_anything_else_is_refused(made, clips):
    encoder, clip = Broken(made), next(iter(clips.values()))
    samples = np.random.default_rng(0).normal(size=(2, 16_000)).astype(np.float32)
    for embed in (
        lambda: encoder.embed(samples[0]),
        lambda: encoder.embed(samples),
        lambda: encoder.embed(np.tile(samples, 11)),
        lambda: encoder.embed_file(clip),
        lambda: encoder.frame_weights(samples[0]),
        lambda: hear(clip, encoder),
    ):
        with pytest.raises(SpkidError, match=r"broken\.onnx: a model that gives") as caught:
            embed()
        assert caught.value.code == "model"


def test_a_model_with_nan_in_its_weights_names_nobody(family, cast, tmp_path, spkid):
    content = bytearray(BUNDLED_MODEL.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 64] = b"\xff" * 64  # NaN in half and in single precision
    path = tmp_path / "damaged.onnx"
    path.write_bytes(content)
    encoder = SpeakerEncoder.load(path)
    with pytest.raises(SpkidError) as caught:
        encoder.embed_file(cast["Ana"]["heard"][0])
    assert caught.value.code == "model"
    encoder.fingerprint = family.model.fingerprint  # as if it were the one that enrolled
    home = Household(family.store, "home", model=Model(encoder, family.model.calibration))
    for clip in (cast["Ana"]["heard"][0], cast["Ben"]["heard"][0]):
        with pytest.raises(SpkidError) as caught:
            home.identify(clip)
        assert caught.value.code == "model"


@pytest.mark.parametrize(
    "vector", [*NO_VECTORS.values(), UNIT[:3]], ids=[*NO_VECTORS, "another dimension"]
)
def test_a_stored_vector_names_nobody(family, vector, cast, spkid):
    heard = hear(cast["Ana"]["heard"][0], family.model.encoder)
    with closing(sqlite3.connect(family.store.place)) as connection, np.errstate(over="ignore"):
        kept = vector.astype("<f4").tobytes()
        connection.execute("UPDATE exemplar SET vector = ?", (kept,))
        connection.commit()
    home = Household(family.store, "home", model=family.model)
    for decides in (
        lambda: home.identify(heard),
        lambda: home.verify("Ana", cast["Ana"]["heard"][0]),
        lambda: home.timeline(cast["Ana"]["heard"][0]),
        lambda: home.calibrate(0.05),
        lambda: home.session("Ana", consent=True).add(cast["Ana"]["heard"][0]),
        lambda: nearest_household(
            home.store, ProfileIndex(home.store, model=home.model.fingerprint), heard
        ),
    ):
        with pytest.raises(SpkidError) as caught:
            decides()
        assert caught.value.code in ("damaged_store", "not_unit")
    for words in (("--household", "home"), ()):
        code, out, error = spkid("identify", cast["Ana"]["heard"][0], *words)
        assert (code, out) == (2, "")
        assert "Traceback" not in error
    assert home.store.forget("home").members == ("Ana", "Ben")


def test_a_table_with_such_vectors_is_refused(tmp_path):
    path = tmp_path / "vectors.npz"
    paths = np.array(["a"])
    for vectors in (
        *(vector[None] for name, vector in NO_VECTORS.items() if not name.startswith("too")),
        *(np.array([["a"] * 192]), UNIT, np.empty((1, 0)), UNIT[None].astype(complex)),
    ):
        np.savez(path, paths=paths, embeddings=vectors, model=np.array("m1"))
        with pytest.raises(BadTable, match="finite 'embeddings'"):
            EmbeddingTable.load(path)
    np.savez(path, paths=np.array([1]), embeddings=UNIT[None])
    with pytest.raises(BadTable):
        EmbeddingTable.load(path)


def test_vectors_of_another_dimension_are_of_another_model(tmp_path, calibration):
    path, short = tmp_path / "vectors.npz", UNIT[None, :5]
    np.savez(path, paths=np.array(["a"]), embeddings=short, model=np.array("m1"))
    for uses in (
        lambda: embed_manifest(["a", "b"], tmp_path, path, Broken(UNIT)),
        lambda: calibration.crowding(short),
    ):
        with pytest.raises(ModelMismatch, match="5 dimensions"):
            uses()


def test_a_query_that_is_no_vector_finds_nobody(family):
    index = ProfileIndex(family.store, model=family.model.fingerprint)
    for query in (*NO_VECTORS.values(), UNIT[:3], UNIT[None]):
        with pytest.raises(SpkidError) as caught:
            index.search(query)
        assert caught.value.code == "not_unit"


# decisions


@pytest.mark.parametrize("number", NOT_FINITE)
def test_no_comparison_with_a_number_that_is_not_finite(number):
    for score, threshold in ((number, 0.0), (0.0, number), (number, number)):
        with pytest.raises(SpkidError) as caught:
            reaches(score, threshold)
        assert caught.value.code == "not_finite"


@pytest.mark.parametrize("number", NOT_FINITE)
@pytest.mark.parametrize(
    "field", ["scale", "offset", "household_thresholds", "pair_thresholds", "duration_scale"]
)
def test_a_calibration_that_is_not_finite_decides_nothing(family, cast, field, number):
    shape = np.shape(getattr(family.model.calibration, field))
    values = np.full(shape, number).tolist()
    with pytest.raises(SpkidError, match="finite numbers"):
        dataclasses.replace(family.model.calibration, **{field: values})
    bad = damaged(family.model.calibration, **{field: values})
    clip, other = cast["Ana"]["heard"][0], cast["Ben"]["heard"][0]
    home = Household(family.store, "home", model=Model(family.model.encoder, bad))
    decides = {
        "household_thresholds": [lambda: home.identify(clip), lambda: home.calibrate(0.05)],
        "pair_thresholds": [
            lambda: home.verify("Ana", clip),
            lambda: verify_clips(clip, other, model=home.model),
        ],
    }
    both = [*decides["household_thresholds"], *decides["pair_thresholds"]]
    with np.errstate(invalid="ignore"):
        for decide_so in decides.get(field, both):
            with pytest.raises(SpkidError) as caught:
                decide_so()
            assert caught.value.code == "not_finite"


@pytest.mark.parametrize("number", NOT_FINITE)
def test_a_rate_or_a_score_that_is_not_finite_sets_and_passes_no_threshold(
    family, calibration, cast, number
):
    clip = cast["Ana"]["heard"][0]
    for decides in (
        lambda: family.identify(clip, false_accept_rate=number),
        lambda: family.verify("Ana", clip, false_accept_rate=number),
        lambda: family.timeline(clip, false_accept_rate=number),
        lambda: family.calibrate(number),
        lambda: shipped_rate(number, 4.0, calibration),
        lambda: judge_pair(number, 0.5, 1, calibration, speech_s=4.0, false_accept_rate=0.05),
    ):
        with pytest.raises(SpkidError):
            decides()


def test_clips_whose_rate_is_nan_count_as_let_in():
    trials = OwnTrials(np.array([math.nan] * 50), np.array([]), {})
    assert trials.share_let_in(0.005) > 50 / 250
    with pytest.raises(SpkidError, match="pass for another member"):
        choose_rate(trials, 0.05)
    overlapping = OwnTrials(np.array([0.1]), np.array([]), {("Ana", "Ben"): math.nan})
    with pytest.raises(SpkidError, match="overlap"):
        choose_rate(overlapping, 0.05)


def test_a_home_rate_of_nan_is_refused(family):
    family.calibrate(0.05)
    kept = HomeRate.from_json(family.store.calibration("home"))
    spoilt = dataclasses.replace(kept, rate=math.nan).to_json()
    family.store.set_calibration("home", spoilt)
    with pytest.raises(StoreError, match="spkid calibrate"):
        family.own_rate(family.members())


def test_clips_that_cancel_each_other_out_are_no_profile(calibration):
    both = (Exemplar(UNIT, "d", 4.0, 30.0), Exemplar(-UNIT, "e", 4.0, 30.0))
    nobody = Member("home", "Ana", "m1", "", both)
    with pytest.raises(SpkidError, match="unit length"):
        decide(UNIT, [nobody], calibration, false_accept_rate=0.05, speech_s=4.0)


def test_a_score_far_below_is_a_probability_all_the_same(calibration):
    found = judge_pair(-1e4, 0.0, 1, calibration, speech_s=4.0, false_accept_rate=0.05)
    assert (found.same, found.p_same) == (False, 0.0)
