"""The corpus in memory and the batches drawn from it, told apart by the pitch of each clip."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from spkid.errors import SpkidError
from spkid.training.data.corpus import Corpus, is_held_out
from spkid.training.data.sampler import Sampler, crop
from spkid.training.data.speeds import SPEEDS, resample

RATE_HZ = 16_000
# clip i is a tone of 200 * 1.6**i Hz: no speed makes one clip sound like another
SPEAKERS = ["cyd", "ann", "bob", "ann", "bob", "bob", "", ""]
TONES_HZ = 200.0 * 1.6 ** np.arange(len(SPEAKERS))


def corpus_of(clips: list[np.ndarray], speakers: list[str]) -> Corpus:
    starts = np.concatenate([[0], np.cumsum([len(clip) for clip in clips])])
    paths = [f"folder/{index}.wav" for index in range(len(clips))]
    return Corpus(np.concatenate(clips).astype(np.int16), starts, paths, speakers)


@pytest.fixture(scope="module")
def tones() -> Corpus:
    time_s = np.arange(RATE_HZ) / RATE_HZ
    clips = [10_000 * np.sin(2 * np.pi * hz * time_s) for hz in TONES_HZ]
    return corpus_of(clips, SPEAKERS)


@pytest.fixture(scope="module")
def hum() -> Corpus:
    """Noise clips of constant value, one of them shorter than a crop."""
    return corpus_of([np.full(20_000, 1_000), np.full(700, 2_000)], ["", ""])


@pytest.fixture(scope="module")
def teacher() -> np.ndarray:
    shape = (len(SPEAKERS), len(SPEEDS), 8)
    vectors = np.random.default_rng(1).standard_normal(shape).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=2, keepdims=True)


@pytest.fixture
def sampler(tones, hum, teacher) -> Sampler:
    return Sampler(tones, hum, teacher, seed=7, speed_chance=0.6)


def draw(sampler: Sampler, step: int, n_speakers: int = 2, n_unlabelled: int = 1):
    return sampler.batch(step, n_speakers=n_speakers, n_unlabelled=n_unlabelled, crop_s=0.5)


def heard(row: torch.Tensor) -> tuple[int, float]:
    """Clip number and speed of a crop, from its pitch."""
    spectrum = np.abs(np.fft.rfft(row.numpy() * np.hanning(len(row))))
    pitch_hz = spectrum.argmax() * RATE_HZ / len(row)
    ways = [(clip, speed) for clip in range(len(TONES_HZ)) for speed in SPEEDS]
    clip, speed = min(ways, key=lambda way: abs(TONES_HZ[way[0]] * way[1] - pitch_hz))
    assert abs(TONES_HZ[clip] * speed - pitch_hz) < 3
    return clip, speed


def test_batch_is_a_function_of_seed_and_step(sampler, tones, hum, teacher):
    forwards = [draw(sampler, step) for step in range(4)]
    again = Sampler(tones, hum, teacher, seed=7, speed_chance=0.6)
    for step in (2, 0, 3):
        batch = draw(again, step)
        for name in ("waveforms", "noises", "classes", "targets"):
            assert torch.equal(getattr(batch, name), getattr(forwards[step], name))
    assert not torch.equal(forwards[0].waveforms, forwards[1].waveforms)
    other = Sampler(tones, hum, teacher, seed=8, speed_chance=0.6)
    assert not torch.equal(draw(other, 0).waveforms, forwards[0].waveforms)


def test_shapes_and_types(sampler):
    batch = draw(sampler, 0, n_speakers=3, n_unlabelled=2)
    assert batch.n_speakers == 3
    assert batch.waveforms.shape == batch.noises.shape == (8, 8_000)
    assert batch.waveforms.dtype == batch.noises.dtype == batch.targets.dtype == torch.float32
    assert batch.classes.dtype == torch.int64
    assert batch.targets.shape == (8, 8)


def test_pairs_share_speaker_and_speed_and_rows_fit_what_is_heard(sampler, teacher):
    """One pass over many batches: clips, classes and teacher rows all say the same."""
    with_class = ["ann", "bob"]
    classes_seen, speeds_seen, unlabelled_speeds = {}, set(), set()
    for step in range(40):
        batch = draw(sampler, step, n_speakers=2, n_unlabelled=1)
        rows = [heard(row) for row in batch.waveforms]
        speakers = [SPEAKERS[clip] for clip, _ in rows]
        assert speakers[0] == speakers[1] != speakers[2] == speakers[3]
        assert rows[0][1] == rows[1][1]
        assert rows[2][1] == rows[3][1]
        assert speakers[4] == ""
        unlabelled_speeds.add(rows[4][1])
        for position, (clip, speed) in enumerate(rows):
            speaker, number = SPEAKERS[clip], int(batch.classes[position])
            assert (number >= 0) == (speaker in with_class)
            if number >= 0:
                classes_seen.setdefault((speaker, speed), set()).add(number)
                speeds_seen.add(speed)
            target = teacher[clip, SPEEDS.index(speed)]
            np.testing.assert_array_equal(batch.targets[position], target)
        for first in (0, 2):
            if speakers[first] in with_class:
                assert rows[first][0] != rows[first + 1][0]
    assert speeds_seen == unlabelled_speeds == set(SPEEDS)
    assert all(len(numbers) == 1 for numbers in classes_seen.values())
    assert sorted(n for numbers in classes_seen.values() for n in numbers) == list(range(10))
    for number, speed in enumerate(SPEEDS):
        assert {classes_seen[name, speed].copy().pop() for name in with_class} == {
            2 * number,
            2 * number + 1,
        }
    assert sampler.n_classes == 10


def test_class_targets_are_the_means_of_what_the_class_is_taught(sampler, teacher):
    targets = sampler.class_targets()
    assert targets.shape == (10, 8)
    for step in range(20):
        batch = draw(sampler, step)
        for row, number in zip(batch.waveforms, batch.classes.tolist(), strict=True):
            clip, speed = heard(row)
            if number >= 0:
                own = [i for i, name in enumerate(SPEAKERS) if name == SPEAKERS[clip]]
                mean = teacher[own, SPEEDS.index(speed)].mean(axis=0)
                np.testing.assert_allclose(targets[number], mean, atol=1e-6)


def test_unlabelled_clips_play_at_the_speeds_that_the_teacher_heard(tones, hum, teacher):
    at_two = teacher * np.isin(SPEEDS, (1.0, 1.2))[:, None]
    untaught = np.zeros_like(teacher)
    for vectors, expected in ((at_two, {1.0, 1.2}), (untaught, {1.0})):
        sampler = Sampler(tones, hum, vectors, seed=7, speed_chance=0.6)
        batches = [draw(sampler, step, n_unlabelled=2) for step in range(20)]
        assert {heard(row)[1] for batch in batches for row in batch.waveforms[4:]} == expected


def test_teacher_is_not_written_to(sampler, teacher):
    before = teacher.copy()
    for step in range(5):
        draw(sampler, step)
    np.testing.assert_array_equal(teacher, before)


def test_chance_of_a_speaker_is_the_root_of_its_clips(sampler):
    weights = {"ann": np.sqrt(2), "bob": np.sqrt(3), "cyd": 0.4}
    total = sum(weights.values())
    names = [SPEAKERS[clips[0]] for clips in sampler.clips_of]
    np.testing.assert_allclose(sampler.chance, [weights[name] / total for name in names])


def test_order_of_the_manifest_does_not_renumber_classes(tones, hum, teacher):
    order = [5, 2, 7, 3, 0, 6, 4, 1]
    shuffled = corpus_of([tones.clip(index) for index in order], [SPEAKERS[i] for i in order])
    shuffled.paths[:] = [tones.paths[index] for index in order]
    by_name = Sampler(shuffled, hum, teacher, seed=7)
    names = [shuffled.speakers[clips[0]] for clips in by_name.clips_of]
    first_paths = [shuffled.paths[clips[0]] for clips in by_name.clips_of]
    assert sorted(names) == ["ann", "bob", "cyd"]
    assert first_paths == sorted(first_paths)


def test_without_speed_change_everyone_plays_at_one(tones, hum, teacher):
    still = Sampler(tones, hum, teacher, seed=7, speed_chance=0.0)
    for step in range(5):
        batch = draw(still, step)
        assert {heard(row)[1] for row in batch.waveforms} == {1.0}
        assert (batch.targets.norm(dim=1) > 0.99).all()


def test_noises_come_from_the_noise_corpus(sampler):
    values = {float(v) for step in range(8) for v in draw(sampler, step).noises.unique()}
    assert values == {1_000 / 32_768, 2_000 / 32_768}


def test_no_unlabelled_rows_where_every_clip_has_a_speaker(tones, hum, teacher):
    labelled = corpus_of([tones.clip(index) for index in range(6)], SPEAKERS[:6])
    batch = draw(Sampler(labelled, hum, teacher[:6], seed=1), 0, n_unlabelled=5)
    assert len(batch.waveforms) == len(batch.classes) == len(batch.targets) == 4


def test_batch_of_more_speakers_than_there_are_has_them_all(sampler):
    batch = draw(sampler, 0, n_speakers=40, n_unlabelled=0)
    assert batch.n_speakers == 3
    assert {SPEAKERS[heard(row)[0]] for row in batch.waveforms} == {"ann", "bob", "cyd"}


def test_without_noise_clips_the_noise_is_zero(tones, teacher):
    silence = Corpus(np.empty(0, np.int16), np.zeros(1, np.int64), [], [])
    quiet = Sampler(tones, silence, teacher, seed=7)
    assert not draw(quiet, 0).noises.any()


def test_corpus_in_which_nobody_is_known_is_refused(tones, hum, teacher):
    nameless = corpus_of([tones.clip(index) for index in range(8)], [""] * 8)
    with pytest.raises(SpkidError, match="no clip has a speaker"):
        Sampler(nameless, hum, teacher, seed=7)


@pytest.mark.parametrize("speed", SPEEDS)
@pytest.mark.parametrize("n_samples", [8_000, 8_001, 11_199])
def test_resample_moves_pitch_and_keeps_the_level(speed, n_samples):
    length = round(n_samples * speed)
    tone = torch.sin(2 * torch.pi * 1_000 * torch.arange(length) / RATE_HZ)[None]
    played = resample(tone, speed, n_samples)
    assert played.shape == (1, n_samples)
    spectrum = np.abs(np.fft.rfft(played[0].numpy() * np.hanning(n_samples)))
    pitch_hz = spectrum.argmax() * RATE_HZ / n_samples
    assert pitch_hz == pytest.approx(1_000 * speed, abs=2)
    assert played[0, 500:-500].square().mean().item() == pytest.approx(0.5, abs=0.01)


@given(n_samples=st.integers(1, 60), length=st.integers(1, 150), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_crop_is_a_run_of_the_repeated_clip(n_samples, length, seed):
    clip = np.arange(1, n_samples + 1, dtype=np.int16) * 500
    taken = crop(torch.from_numpy(clip), length, np.random.default_rng(seed)).numpy()
    assert taken.shape == (length,)
    assert taken.dtype == np.float32
    first = round(float(taken[0]) * 32_768 / 500) - 1
    expected = [clip[(first + offset) % n_samples] / 32_768 for offset in range(length)]
    np.testing.assert_array_equal(taken, np.array(expected, dtype=np.float32))
    if length <= n_samples:
        assert first + length <= n_samples  # a clip that is long enough is not wrapped


def test_crop_reaches_both_ends_of_a_clip():
    clip, rng = torch.arange(10, dtype=torch.int16), np.random.default_rng(1)
    firsts = {round(float(crop(clip, 8, rng)[0]) * 32_768) for _ in range(100)}
    assert firsts == {0, 1, 2}
    repeated = {round(float(crop(clip, 20, rng)[0]) * 32_768) for _ in range(200)}
    assert repeated == set(range(10))


def test_held_out_rule_is_stable():
    """The names are part of what the shipped model was trained on: this must never change."""
    held_out = [name for name in (f"speaker-{n:03d}" for n in range(40)) if is_held_out(name)]
    assert held_out == [f"speaker-{n:03d}" for n in (10, 12, 15, 17, 27, 37, 39)]
    share = np.mean([is_held_out(f"id{number:05d}") for number in range(5_000)])
    assert share == pytest.approx(0.1, abs=0.02)


def test_load_keeps_the_order_and_the_samples(tmp_path, speech):
    voices = [speech(0.1 + 0.05 * n, pitch_hz=100 + 20 * n, seed=n) for n in range(6)]
    paths = [f"{n}.wav" for n in range(6)]
    for path, voice in zip(paths, voices, strict=True):
        soundfile.write(tmp_path / path, voice, RATE_HZ, subtype="FLOAT")
    read = []
    corpus = Corpus.load(tmp_path, paths, list("aabbcc"), advance=lambda: read.append(1))
    assert len(corpus) == len(read) == 6
    assert corpus.samples.dtype == np.int16
    assert corpus.paths == paths
    assert corpus.speakers == list("aabbcc")
    for index, voice in enumerate(voices):
        np.testing.assert_allclose(corpus.clip(index) / 32_768, voice, atol=1.5 / 32_768)


def test_load_clips_what_is_too_loud(tmp_path):
    soundfile.write(tmp_path / "loud.wav", np.array([2.0, -2.0] * 50), RATE_HZ, subtype="FLOAT")
    corpus = Corpus.load(tmp_path, ["loud.wav"], ["a"])
    assert set(corpus.samples.tolist()) == {32_767, -32_768}


def test_load_refuses_a_missing_and_a_broken_file(tmp_path, speech):
    soundfile.write(tmp_path / "good.wav", speech(0.2, pitch_hz=100, seed=1), RATE_HZ)
    (tmp_path / "broken.wav").write_bytes(b"not audio at all")
    for path in ("missing.wav", "broken.wav"):
        with pytest.raises(SpkidError, match=path):
            Corpus.load(tmp_path, ["good.wav", path], ["a", "b"])


def test_load_cuts_spans(tmp_path, speech):
    voice = speech(0.5, pitch_hz=120, seed=1)
    soundfile.write(tmp_path / "a.wav", voice, RATE_HZ, subtype="FLOAT")
    spans = [(1_000, 3_000), None, (7_000, 9_000)]
    corpus = Corpus.load(tmp_path, ["a.wav"] * 3, list("abc"), spans=spans)
    whole = corpus.clip(1)
    np.testing.assert_array_equal(corpus.clip(0), whole[1_000:3_000])
    np.testing.assert_array_equal(corpus.clip(2), whole[7_000:])  # no further than the file
    with pytest.raises(SpkidError, match="no samples from 8000 on"):
        Corpus.load(tmp_path, ["a.wav"], ["a"], spans=[(8_000, 9_000)])


def test_nothing_to_load_is_an_empty_corpus(tmp_path):
    corpus = Corpus.load(tmp_path, [], [])
    assert len(corpus) == len(corpus.samples) == 0


def test_fingerprint_is_of_paths_speakers_groups_and_lengths(tones):
    other = corpus_of([tones.clip(index) for index in range(8)], list(SPEAKERS))
    assert other.fingerprint() == tones.fingerprint()
    other.speakers[0] = "dan"
    shorter = corpus_of([tones.clip(index)[:-1] for index in range(8)], SPEAKERS)
    grouped = replace(tones, groups=["women", *["men"] * (len(tones) - 1)])
    ungrouped = replace(tones, groups=[""] * len(tones))
    assert ungrouped.fingerprint() == tones.fingerprint()
    found = {own.fingerprint() for own in (tones, other, shorter, grouped)}
    assert len(found) == 4


def test_moved_formants_are_a_voice_without_a_class(tones, hum, teacher):
    def drawn(chance: float):
        return draw(
            Sampler(tones, hum, teacher, seed=7, speed_chance=0.0, formant_chance=chance), 3, 3
        )

    plain, moved = drawn(0.0), drawn(1.0)
    assert (plain.classes[:4] >= 0).any()
    assert (moved.classes == -1).all()
    assert plain.targets.any()
    assert not moved.targets.any()  # no teacher has heard that voice


def test_formants_of_a_speakers_two_crops_move_alike(hum, teacher):
    """Noise has an envelope to move: what lies above its upper edge moves with it."""
    rng = np.random.default_rng(1)
    spectrum = np.fft.rfft(rng.standard_normal(RATE_HZ))
    spectrum[3_000:] *= 0.01  # one second: a bin is a hertz
    clip = 3_000 * np.fft.irfft(spectrum)
    corpus = corpus_of([clip] * 4, ["ann", "ann", "bob", "bob"])
    silent = np.zeros((4, len(SPEEDS), 8), np.float32)
    sampler = Sampler(corpus, hum, silent, seed=1, speed_chance=0.0, formant_chance=1.0)

    def edge_hz(row: torch.Tensor) -> float:
        power = np.abs(np.fft.rfft(row.numpy())) ** 2
        return float(np.searchsorted(np.cumsum(power) / power.sum(), 0.95)) / 0.5

    edges = [edge_hz(row) for row in draw(sampler, 2, 2, 0).waveforms]
    assert edges[0] == pytest.approx(edges[1], rel=0.03)
    assert edges[2] == pytest.approx(edges[3], rel=0.03)
    assert abs(edges[0] - edges[2]) > 150


def test_rare_groups_are_drawn_by_the_root_of_their_share(hum):
    speakers = [f"{number:02}" for number in range(20) for _ in range(2)]
    clips = [np.full(100, 1_000)] * 40
    nothing = np.zeros((40, len(SPEEDS), 8), np.float32)

    def chance(groups: list[str]) -> float:
        corpus = replace(corpus_of(clips, speakers), groups=groups)
        sampler = Sampler(corpus, hum, nothing, seed=1)
        drawn = zip(sampler.chance, sampler.clips_of, strict=True)
        return float(sum(own for own, clips in drawn if clips[0] < 8))

    assert chance([]) == pytest.approx(0.2)
    assert chance(["f"] * 8 + ["m"] * 32) == pytest.approx(1 / 3)  # roots of 4 and 16
