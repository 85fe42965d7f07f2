"""Short clips are less sure, and honestly so: real clips cut to 0.7, 1, 2 and 4 s of speech."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from spkid.audio.ears import FRAME_S
from spkid.audio.reading import load_audio
from spkid.audio.speech import assess, cut_to_speech
from spkid.data.manifest import read_manifest
from spkid.scoring.metrics import log_likelihood_ratio_cost, min_log_likelihood_ratio_cost
from spkid.scoring.posterior import profile_llrs, profile_vector
from spkid.scoring.scale import UNKNOWN_SPEECH_S, USUAL_SPEECH_S

LENGTHS_S = (0.7, 1.0, 2.0, 4.0)
DATA = Path(os.environ.get("SPKID_DATA", "")) / "speech"


def cut_vectors(encoder, path):
    """The whole clip's vector and those of its cuts by length; shorter clips have fewer."""
    waveform = load_audio(path)
    cuts = {speech_s: cut_to_speech(waveform, speech_s) for speech_s in LENGTHS_S}
    vectors = {s: encoder.embed(cut) for s, cut in cuts.items() if cut is not None}
    return encoder.embed(waveform), vectors


def all_cuts(encoder, people):
    return {name: [cut_vectors(encoder, path) for path in paths] for name, paths in people.items()}


def ratios_by_length(heard, calibration, *, taken_for_s=None):
    """Target and impostor ratios by length: profiles of three whole clips, other clips cut.

    With ``taken_for_s``, every cut is scored as if it had that length.
    """
    ratios = {speech_s: ([], []) for speech_s in LENGTHS_S}
    for name, clips in heard.items():
        profile = profile_vector([whole for whole, _ in clips[:3]])
        for other, probes in heard.items():
            for _, cuts in probes[3:]:
                for speech_s, vector in cuts.items():
                    length_s = taken_for_s or speech_s
                    ratio, _ = profile_llrs(vector, profile[None], [3], calibration, length_s)
                    ratios[speech_s][other != name].append(float(ratio[0]))
    return ratios


def test_a_cut_holds_the_speech_that_was_asked_for(clips):
    waveform = load_audio(clips["096160001"])
    lengths = []
    for speech_s in LENGTHS_S:
        cut = cut_to_speech(waveform, speech_s)
        assert assess(cut).speech_s == pytest.approx(speech_s, abs=9 * FRAME_S)
        lengths.append(len(cut))
    assert lengths == sorted(lengths)
    assert cut_to_speech(waveform, 60.0) is None
    assert cut_to_speech(np.zeros(32_000, np.float32), 0.7) is None


def test_certainty_grows_with_the_speech_heard(encoder, calibration, cast):
    family = {name: own["enroll"] + own["heard"] for name, own in cast.items() if own["enroll"]}
    ratios = ratios_by_length(all_cuts(encoder, family), calibration)
    targets = [np.mean(ratios[speech_s][0]) for speech_s in LENGTHS_S]
    assert (np.diff(targets) > 0).all()


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the whole data in $SPKID_DATA")
def test_ratios_hold_at_every_length(encoder, calibration):
    """On speakers that neither the model nor the calibration has heard."""
    table = read_manifest(DATA / "manifest.csv")
    table = table[(table["corpus"] == "speechocean762") & (table["split"] == "test")]
    table["duration_s"] = table["duration_s"].astype(float)
    longest = table.sort_values("duration_s", ascending=False).groupby("speaker").head(6)
    some = sorted(longest["speaker"].unique())[::2]
    people = {
        name: [DATA / path for path in longest["path"][longest["speaker"] == name]] for name in some
    }
    heard = all_cuts(encoder, people)
    ratios = ratios_by_length(heard, calibration)
    for target, impostor in ratios.values():
        lost = log_likelihood_ratio_cost(target, impostor)
        assert lost - min_log_likelihood_ratio_cost(target, impostor) < 0.2
    members, guests = np.transpose([shares_wrong(ratios[speech_s]) for speech_s in (0.7, 2.0)])
    assert members[0] > members[1]
    assert guests[0] > guests[1]
    # taken for whole sentences, or for usual clips, the shortest cost more, and members are lost
    own_cost, own_lost = shortest(ratios)
    for length_s in (UNKNOWN_SPEECH_S, USUAL_SPEECH_S):
        cost, lost = shortest(ratios_by_length(heard, calibration, taken_for_s=length_s))
        assert cost > 1.05 * own_cost
        assert lost > 2 * own_lost  # some of 72


def shares_wrong(sides):
    """Of members' and of guests' cuts: how many are likelier the other's."""
    target, impostor = map(np.array, sides)
    return np.mean(target < 0), np.mean(impostor > 0)


def shortest(ratios):
    """Cost of the shortest cuts in bits, and the share of members that are taken for guests."""
    target, impostor = ratios[LENGTHS_S[0]]
    return log_likelihood_ratio_cost(target, impostor), np.mean(np.array(target) < 0)
