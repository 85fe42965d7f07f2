"""Two people at once, summed or one on each channel, were "Ana 99 %"; now they are two people."""

from __future__ import annotations

import json

import numpy as np
import pytest
import soundfile

from enrollment import Household
from spkid.audio.reading import load_audio


def levelled(path):
    waveform = load_audio(path)
    return 0.05 * waveform / waveform.std()


@pytest.fixture
def both(cast):
    """Two people's clips of the same length, equally loud."""
    one, two = (levelled(person["heard"][0]) for person in list(cast.values())[:2])
    length = min(len(one), len(two))
    return one[:length], two[:length]


@pytest.fixture
def home(store, cast, model):
    household = Household(store, "home", model=model)
    for name, person in list(cast.items())[:2]:
        household.enroll(name, person["enroll"], consent=True)
    return household


@pytest.fixture(params=["summed", "stereo"])
def recording(request, both, tmp_path):
    path = tmp_path / f"{request.param}.wav"
    samples = sum(both) if request.param == "summed" else np.stack(both, axis=1)
    soundfile.write(path, samples, 16_000)
    return path


def test_identify_says_that_somebody_else_speaks_too(home, recording, both):
    answer = home.identify(recording)
    assert answer.other_voices
    assert all(
        0 <= span.start_s < span.end_s <= len(both[0]) / 16_000 for span in answer.other_voices
    )
    covered_s = sum(span.end_s - span.start_s for span in answer.other_voices)
    assert covered_s > 0.5


def test_verify_does_not_say_that_it_is_one_of_them(home, recording):
    for member in home.members():
        answer = home.verify(member.name, recording)
        assert answer.same is None
        assert answer.reason == "several_voices"


def test_the_command_line_says_so(spkid, cast, recording):
    name, person = next(iter(cast.items()))
    words = ("enroll", "--household", "home", "--member", name, "--consent")
    assert spkid(*words, *person["enroll"])[0] == 0
    code, out, _ = spkid("identify", "--household", "home", recording)
    assert code == 0
    assert "somebody else too, at " in " ".join(out.split())
    _, out, _ = spkid("identify", "--json", "--household", "home", recording)
    assert json.loads(out)[0]["other_voices"]
    code, out, _ = spkid("verify", "--household", "home", "--member", name, recording)
    assert code == 3
    assert "somebody else speaks too" in out


def test_one_person_speaks_alone(home, cast):
    for person in cast.values():
        for clip in person["heard"]:
            assert home.identify(clip).other_voices == ()
