"""Households on planted vectors, against one loop over probes and members."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pandas as pd
import pytest

from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import SpkidError
from spkid.scoring.calibration import Calibration
from spkid.scoring.scale import raw_cosines
from spkid.scoring.simulated_homes import (
    PROTOCOL_COLUMNS,
    figures_by_row,
    home_figures,
    score_homes,
)

FALLING = (3.0, 2.5, 2.0, 1.5, 1.0, 0.5)
CALIBRATION = Calibration(
    model="m1",
    guest_prior=0.4,
    scale=(9.0, 10.0, 11.0),
    offset=(-5.0, -5.5, -6.0),
    duration_scale=1.0,
    duration_offset=-0.5,
    landmarks=tuple(map(tuple, np.eye(16)[:5].tolist())),
    usual_crowding=0.1,
    crowding_scale=-3.0,
    pair_thresholds=((FALLING,) * 3,) * 3,
    household_thresholds=(FALLING,) * 3,
    trained_on="nothing",
    narrowband_margin=0.5,
)


@pytest.fixture(scope="module")
def protocol():
    """Twelve homes of one to four members with one to four clips each, their rows shuffled."""
    rng = np.random.default_rng(0)
    rows = []
    for home in range(12):
        size, kind = 1 + home % 4, ("family", "flat")[home % 2]
        people = [f"h{home}p{number}" for number in range(size + 3)]
        for number, speaker in enumerate(people[:size]):
            clips = ["enroll"] * (1 + (home + number) % 4) + ["member"] * 3
            rows += [(home, size, kind, role, speaker) for role in clips]
        rows += [(home, size, kind, "guest", speaker) for speaker in people[size:] * 2]
    paths = [f"clip{number}.wav" for number in range(len(rows))]
    table = [(*row, path) for row, path in zip(rows, paths, strict=True)]
    table = [table[position] for position in rng.permutation(len(table))]
    return pd.DataFrame(table, columns=PROTOCOL_COLUMNS).astype(str)


@pytest.fixture(scope="module")
def embeddings(protocol):
    """Unit vectors about a centre of each speaker, so noisy that every kind of error occurs.

    The speakers of a home are alike, so that some clips fit two members about as well. Every
    fifth clip is of unknown length, a third came by telephone.
    """
    rng = np.random.default_rng(1)
    homes = {name: rng.normal(size=16) for name in sorted(protocol["household"].unique())}
    speakers = protocol.groupby("speaker")["household"].first()
    centres = {name: homes[home] + rng.normal(size=16) for name, home in speakers.items()}
    vectors = np.stack([centres[name] + 1.3 * rng.normal(size=16) for name in protocol["speaker"]])
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    seconds = rng.uniform(0.3, 5.0, size=len(protocol))
    seconds[::5] = np.nan
    row_of = {path: row for row, path in enumerate(protocol["path"])}
    return EmbeddingTable(row_of, vectors, "m1", seconds, rng.random(len(protocol)) < 1 / 3)


def naive_probe(probe, protocol, embeddings, calibration) -> dict:
    """Best member, log odds and margin of one probe, and how far it is by telephone."""

    def is_narrow(path) -> bool:
        return bool(embeddings.is_narrowband[embeddings.row_of[path]])

    vector = embeddings.vectors[embeddings.row_of[probe.path]].astype(float)
    own: dict[str, list] = {}
    narrow: dict[str, list] = {}
    for row in protocol.itertuples():
        if row.household == probe.household and row.role == "enroll":
            clip = embeddings.vectors[embeddings.row_of[row.path]].astype(float)
            own.setdefault(row.speaker, []).append(clip)
            narrow.setdefault(row.speaker, []).append(is_narrow(row.path))
    llrs = {}
    for member, clips in own.items():
        mean = sum(clips) / len(clips)
        cosine = float(vector @ mean) / math.sqrt(float(mean @ mean))
        row = min(len(clips), 3) - 1
        seconds = embeddings.speech_s[embeddings.row_of[probe.path]]
        if math.isnan(seconds):  # as long as the longest measured
            seconds = 2.8
        folds = math.log(min(max(seconds, 0.7), 2.8) / 2.0)
        scale = calibration.scale[row] + folds * calibration.duration_scale
        offset = calibration.offset[row] + folds * calibration.duration_offset
        crowding = calibration.crowding(vector)
        llrs[member] = scale * cosine + offset + calibration.crowding_scale * crowding
    ranked = sorted(llrs, key=llrs.get, reverse=True)
    top, prior = llrs[ranked[0]], calibration.guest_prior
    return {
        "best": ranked[0],
        "narrowband_share": is_narrow(probe.path) * sum(narrow[ranked[0]]) / len(narrow[ranked[0]]),
        "known_log_odds": top + math.log((1 - prior) / prior / len(llrs)),
        "llr_margin": top - llrs[ranked[1]] if len(ranked) > 1 else math.inf,
        "right": probe.role == "member" and ranked[0] == probe.speaker,
    }


@pytest.mark.parametrize("calibration", [CALIBRATION, raw_cosines("m1")], ids=["fitted", "raw"])
def test_every_probe_is_scored_as_a_loop_does(protocol, embeddings, calibration):
    table = score_homes(protocol, embeddings, calibration)
    probes = protocol[protocol["role"] != "enroll"]
    assert sorted(table["path"]) == sorted(probes["path"])
    for row in table.itertuples():
        expected = naive_probe(row, protocol, embeddings, calibration)
        assert row.best == expected["best"]
        assert row.right == expected["right"]
        assert row.narrowband_share == pytest.approx(expected["narrowband_share"])
        assert row.known_log_odds == pytest.approx(expected["known_log_odds"], abs=1e-5)
        assert row.llr_margin == pytest.approx(expected["llr_margin"], abs=1e-5)


def naive_figures(probes, calibration, fpir) -> dict:
    guests = sorted(row.known_log_odds for row in probes.itertuples() if row.role == "guest")
    members = [row for row in probes.itertuples() if row.role == "member"]

    def missed(threshold) -> float:
        return sum(not row.right or row.known_log_odds < threshold for row in members) / len(
            members
        )

    def accepted(threshold) -> float:
        return sum(guest >= threshold for guest in guests) / len(guests)

    # just above the guests that the rate does not let in
    threshold = np.nextafter(guests[len(guests) - 1 - int(fpir * len(guests))], np.inf)
    every = sorted({row.known_log_odds for row in probes.itertuples()})
    closest = min(every, key=lambda value: abs(missed(value) - accepted(value)))

    def shipped(row) -> float:
        share = row.narrowband_share
        return calibration.household_threshold(fpir) + calibration.narrowband_margin * share

    named = [
        row
        for row in probes.itertuples()
        if row.known_log_odds >= shipped(row) and row.llr_margin >= math.log(4)
    ]
    return {
        "n_homes": len(set(probes["household"])),
        "n_member_probes": len(members),
        "n_guest_probes": len(guests),
        "closed_set_error": sum(not row.right for row in members) / len(members),
        "fpir": accepted(threshold),
        "fnir": missed(threshold),
        "open_set_eer": (missed(closest) + accepted(closest)) / 2,
        "shipped_fpir": sum(row.role == "guest" for row in named) / len(guests),
        "shipped_fnir": 1 - sum(row.right for row in named) / len(members),
    }


@pytest.mark.parametrize("fpir", [0.02, 0.05, 0.2])
def test_figures_are_counts(protocol, embeddings, fpir):
    probes = score_homes(protocol, embeddings, CALIBRATION)
    figures = dataclasses.asdict(home_figures(probes, CALIBRATION, fpir=fpir))
    assert figures == pytest.approx(naive_figures(probes, CALIBRATION, fpir))
    # the planted noise is such that none of the figures is trivial
    assert 0 < figures["closed_set_error"] < figures["fnir"] < 1
    assert 0 < figures["fpir"] <= fpir


def test_raw_cosines_have_no_shipped_threshold(protocol, embeddings):
    raw = raw_cosines("m1")
    figures = home_figures(score_homes(protocol, embeddings, raw), raw)
    assert math.isnan(figures.shipped_fpir)
    assert math.isnan(figures.shipped_fnir)
    assert 0 < figures.fnir < 1


def test_figures_by_size_and_kind_are_those_of_the_part(protocol, embeddings):
    probes = score_homes(protocol, embeddings, CALIBRATION)
    by_row = dict(figures_by_row(probes, CALIBRATION, fpir=0.1))
    sizes = [f"{size} members" for size in (1, 2, 3, 4)]
    assert list(by_row) == ["all", *sizes, "family", "flat"]
    assert by_row["all"] == home_figures(probes, CALIBRATION, fpir=0.1)
    assert by_row["all"].n_homes == 12
    assert [by_row[name].n_homes for name in sizes] == [3] * 4
    part = probes[probes["size"] == "3"]
    assert by_row["3 members"] == home_figures(part, CALIBRATION, fpir=0.1)
    assert by_row["flat"] == home_figures(probes[probes["kind"] == "flat"], CALIBRATION, fpir=0.1)
    # with one member nobody is taken for another
    assert by_row["1 members"].closed_set_error == 0


@pytest.mark.parametrize("role", ["member", "guest"])
def test_homes_with_only_one_kind_of_clip_are_refused(protocol, embeddings, role):
    probes = score_homes(protocol, embeddings, CALIBRATION)
    with pytest.raises(SpkidError, match="expected both"):
        home_figures(probes[probes["role"] == role], CALIBRATION)
