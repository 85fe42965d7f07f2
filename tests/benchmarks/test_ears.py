"""The ears' training: truth from clean clips, mixtures from the truth, a run that goes on."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import onnxruntime  # noqa: E402

from benchmarks.ears import PLAIN  # noqa: E402
from benchmarks.model.ears import train as training  # noqa: E402
from benchmarks.model.ears.mixtures import (  # noqa: E402
    NOT_COUNTED,
    Mixture,
    MixtureConfig,
    Piece,
    Voices,
    bursts,
    draw_mixture,
    onsets_of,
)
from benchmarks.model.ears.network import (  # noqa: E402
    ChannelConvolution,
    EarsConfig,
    EarsNetwork,
    begin_from,
    export_ears,
)
from benchmarks.model.ears.scoring import change_scores, several_scores  # noqa: E402
from benchmarks.model.ears.train import EarsTraining, learning_rate, train  # noqa: E402
from benchmarks.model.ears.truth import SILENT, SPOKEN, UNSURE, activity  # noqa: E402
from spkid.audio.ears import FRAME_SAMPLES, Frames  # noqa: E402
from spkid.training.data.corpora import Corpora  # noqa: E402
from spkid.training.data.corpus import Corpus  # noqa: E402

TINY = EarsConfig(n_mels=16, n_maps=(2, 2), n_channels=8, n_rounds=1)


def frames_of(levels_db):
    """Noise with these levels, a frame each."""
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((len(levels_db), FRAME_SAMPLES))
    rows *= 10 ** (np.asarray(levels_db)[:, None] / 20) / rows.std(axis=1, keepdims=True)
    return rows.ravel().astype(np.float32)


@pytest.fixture(scope="module")
def corpus(clips):
    paths = [str(path) for path in clips.values()]
    return Corpus.load(Path(), paths, [path.split("/")[-1][:6] for path in paths])


def test_what_is_loud_is_speech_and_what_is_far_below_is_none():
    levels = [-60] * 10 + [-20] * 20 + [-40] * 5 + [-20] * 20 + [-60] * 10
    found = activity(frames_of(levels))
    expected = [SILENT] * 10 + [SPOKEN] * 20 + [UNSURE] * 5 + [SPOKEN] * 20 + [SILENT] * 10
    assert found.tolist() == expected


def test_a_stop_within_a_word_and_a_click_are_not_counted():
    levels = [-60] * 10 + [-20] * 20 + [-60] * 3 + [-20] * 20 + [-60] * 10 + [-20] + [-60] * 10
    found = activity(frames_of(levels))
    assert found[30:33].tolist() == [UNSURE] * 3
    assert found[63] == UNSURE
    assert found[10] == found[52] == SPOKEN


def test_an_offset_is_no_speech():
    levels = [-60] * 10 + [-20] * 20 + [-60] * 10
    np.testing.assert_array_equal(activity(frames_of(levels) + 0.1), activity(frames_of(levels)))


def test_voices_are_counted_and_unsure_frames_are_not():
    spoken = np.array(
        [[2, 2, 2, 0, 1, 1, 2], [0, 2, 1, 0, 0, 2, 2], [0, 0, 0, 0, 0, 2, 1]], np.int8
    )
    found = Mixture(np.zeros(7 * FRAME_SAMPLES, np.float32), spoken, ()).n_voices()
    assert found.tolist() == [1, 2, NOT_COUNTED, 0, NOT_COUNTED, 2, 2]


def test_a_change_is_where_another_begins_than_spoke_last():
    def piece(person, first, length):
        return Piece(person, first, np.zeros(0, np.float32), np.full(length, SPOKEN, np.int8))

    pieces = [
        piece(0, 0, 20),
        piece(0, 30, 20),
        piece(1, 60, 20),
        piece(0, 70, 30),
        piece(1, 105, 5),
    ]
    spoken = np.zeros((2, 120), np.int8)
    for own in pieces:
        spoken[own.person, own.first : own.first + len(own.activity)] = SPOKEN
    assert onsets_of(pieces, spoken) == (60, 70, 105)
    changes = Mixture(np.zeros(0, np.float32), spoken, (60,)).changes()
    assert (changes == 1).sum() == 9
    assert changes[47] == 0
    assert changes[48] == changes[72] == NOT_COUNTED


def test_scores_count_frames_and_changes():
    spoken = np.array([[2] * 10 + [2] * 10 + [0] * 180, [0] * 10 + [2] * 10 + [1] * 180], np.int8)
    mixture = Mixture(np.zeros(0, np.float32), spoken, (10, 100))
    voices = np.zeros((200, 3), np.float32)
    voices[5:15, 2] = 0.7  # five of them true; frames that are not counted do not count
    voices[50:, 2] = 0.7
    found = several_scores([mixture], [voices], 0.6)
    assert found == {"f1": 0.5, "precision": 0.5, "recall": 0.5}
    assert several_scores([mixture], [voices], 0.8)["f1"] == 0
    new_voice = np.zeros(200, np.float32)
    new_voice[[20, 60, 130]] = 0.9
    scores = change_scores([mixture], [Frames(voices, new_voice)], 0.5)
    assert scores == {"changes": 2, "found": 0.5, "right_of_those_said": 0.3333}


def test_the_sound_of_a_plain_mixture_is_where_its_truth_says(corpus):
    voices = Voices(corpus)
    for number in range(10):
        rng = np.random.default_rng(number)
        mixture = draw_mixture(
            voices, corpus.subset([False] * len(corpus)), PLAIN, rng, duration_s=5
        )
        assert mixture.waveform.shape == (80_000,)
        levels = mixture.waveform.reshape(-1, FRAME_SAMPLES).std(axis=1)
        n_voices = mixture.n_voices()
        if (n_voices > 0).any() and (n_voices == 0).any():
            assert np.median(levels[n_voices > 0]) > 5 * np.median(levels[n_voices == 0])
        for onset in mixture.onsets:
            assert (mixture.spoken[:, onset] == SPOKEN).any()


def test_a_mixture_is_the_same_for_the_same_seed_and_levels_differ(corpus):
    voices, config = Voices(corpus), replace(MixtureConfig(), carrier_chance=1.0)
    draws = [
        draw_mixture(voices, corpus, config, np.random.default_rng(seed), duration_s=3)
        for seed in (3, 3, 4, 5, 6)
    ]
    np.testing.assert_array_equal(draws[0].waveform, draws[1].waveform)
    peaks = [np.abs(own.waveform).max() for own in draws[1:]]
    assert max(peaks) > 3 * min(peaks)


@pytest.mark.filterwarnings(
    "ignore:You are using the legacy TorchScript-based ONNX export:DeprecationWarning"
)
@pytest.mark.filterwarnings(
    "ignore:The feature will be removed. Please remove usage:DeprecationWarning"
)
@pytest.mark.filterwarnings("ignore:Constant folding:UserWarning")  # of the padding's order
def test_the_graph_says_what_the_network_says(tmp_path):
    torch.manual_seed(0)
    network = EarsNetwork(TINY).eval()
    export_ears(network, tmp_path / "ears.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "ears.onnx"))
    for n_samples in (320, 5_000, 48_000):
        waveform = np.random.default_rng(0).standard_normal((1, n_samples)).astype(np.float32)
        with torch.inference_mode():
            expected = network(torch.from_numpy(waveform))
        found = session.run(None, {"waveform": waveform})
        assert found[0].shape == (1, n_samples // FRAME_SAMPLES, 3)
        for own, other in zip(expected, found, strict=True):
            np.testing.assert_allclose(own.numpy(), other, atol=2e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore:Constant folding:UserWarning")  # of the padding's order
def test_training_goes_on_from_a_graph_as_it_was(tmp_path):
    torch.manual_seed(0)
    network, waveforms = EarsNetwork(TINY), torch.randn(4, 32_000)
    network.head.weight.data *= 30  # so that what it says differs from frame to frame
    with torch.no_grad():
        network.train()(3 * waveforms)  # so that the statistics are not those of the beginning
    export_ears(network, tmp_path / "ears.onnx")
    other = EarsNetwork(TINY)
    begin_from(other, tmp_path / "ears.onnx", waveforms)
    with torch.inference_mode():
        expected, _ = network.eval()(waveforms)
        assert expected.std(dim=1).max() > 0.05
        for found, _ in (other.eval()(waveforms), other.train()(waveforms)):
            np.testing.assert_allclose(found.numpy(), expected.numpy(), atol=0.02)


def test_in_training_channels_are_convolved_as_elsewhere():
    torch.manual_seed(0)
    layer, frames = ChannelConvolution(5, 4), torch.randn(2, 5, 30)
    torch.testing.assert_close(layer.train()(frames), layer.eval()(frames))


def test_bursts_are_heard_and_pass():
    for seed in range(20):
        found = bursts(32_000, np.random.default_rng(seed))
        assert found.shape == (32_000,)
        assert np.isfinite(found).all()
        levels = found.reshape(-1, FRAME_SAMPLES).std(axis=1)
        assert levels.max() > 3 * np.quantile(levels, 0.1)


def test_where_nobody_speaks_is_noise(corpus):
    config = replace(MixtureConfig(), people=(1.0,), hiss_db=(-80.0, -79.0), bursts_chance=0.0)
    config = replace(config, music_chance=0.0, noise_snr_db=(0.0, 1.0), offset_chance=0.0)
    for lone_noise_chance, sounds in ((1.0, True), (0.0, False)):
        own = replace(config, lone_noise_chance=lone_noise_chance, level_dbfs=(-3.0, -2.0))
        mixture = draw_mixture(Voices(corpus), corpus, own, np.random.default_rng(1), duration_s=3)
        assert not mixture.spoken.any()
        levels = mixture.waveform.reshape(-1, FRAME_SAMPLES).std(axis=1)
        assert (levels.std() > 0.2 * levels.mean()) == sounds  # hiss is even


def test_the_rate_rises_stays_and_falls_to_zero():
    config = EarsTraining(learning_rate=1.0, warm_up=10)
    rates = [learning_rate(step, 100, config) for step in range(101)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[20] == rates[50] == 1
    assert rates[100] == 0


def test_a_stopped_run_goes_on_as_if_it_had_not_stopped(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "N_JUDGED", 2)
    corpora = Corpora(corpus, corpus, corpus.subset([False] * len(corpus)))
    mixture = replace(MixtureConfig(), durations_s=(1.5,))
    config = EarsTraining(batch=2, evaluate_every=2)

    def run(folder, n_steps):
        return train(corpora, tmp_path / folder, TINY, mixture, config, n_steps=n_steps)

    whole = run("whole", 4)
    monkeypatch.setattr(training, "learning_rate", lambda *_: learning_rate(_[0], 4, config))
    run("parts", 2)
    parts = run("parts", 4)
    for own, other in zip(whole.state_dict().values(), parts.state_dict().values(), strict=True):
        torch.testing.assert_close(own, other)
    lines = (tmp_path / "parts" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [2, 4]
