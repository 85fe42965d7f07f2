"""Recordings made on the fly whose truth is known: people, rooms, noises, telephones, levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import fft

from benchmarks.harness.noises import at_speed
from benchmarks.model.ears.truth import SILENT, SPOKEN, Activity, activity, is_clean
from spkid.audio.ears import FRAME_SAMPLES
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform
from spkid.training.data.augment import REVERB_SAMPLES, channel_gains, room_responses
from spkid.training.data.codecs import through_carriers
from spkid.training.data.corpus import Corpus

NOT_COUNTED = -1
FRAMES_A_SECOND = SAMPLE_RATE_HZ // FRAME_SAMPLES
CHANGE_FRAMES = 4  # to each side of a new voice's first frame are its change
NEAR_FRAMES = 12  # and these, up to 0.25 s away, neither change nor none
FADE_SAMPLES = 160
N_BABBLERS = 6
QUIETEST_POWER = 1e-8


@dataclass(frozen=True)
class MixtureConfig:
    """Chances are per mixture; ranges are drawn uniformly.

    All mixtures of a batch have one of ``durations_s``. ``people`` are the chances of nobody, one,
    two and three people; where nobody speaks a noise has a chance of
    its own, and there is no babble. Of the noises ``crying_share`` are babies that cry, who sound
    most like a voice. How often the
    next turn begins before the last one ends is drawn, for each mixture, from ``overlap_chance``;
    how long the pauses are on average, from ``pause_s`` on a scale of logarithms.
    """

    durations_s: tuple[float, ...] = (0.6, 1.5, 3.0, 5.0, 8.0)
    people: tuple[float, ...] = (0.14, 0.27, 0.40, 0.19)
    overlap_chance: tuple[float, ...] = (0.0, 1.0)
    pause_s: tuple[float, ...] = (0.1, 3.0)
    level_spread_db: float = 5.0
    room_chance: float = 0.4
    reverb_time_s: tuple[float, ...] = (0.1, 0.7)
    direct_to_reverb_db: tuple[float, ...] = (-2.0, 12.0)
    noise_chance: float = 0.55
    lone_noise_chance: float = 1.0
    noise_snr_db: tuple[float, ...] = (-5.0, 25.0)
    noise_speed: tuple[float, ...] = (0.5, 1.6)
    second_noise_chance: float = 0.25
    crying_share: float = 0.25
    babble_chance: float = 0.12
    babble_snr_db: tuple[float, ...] = (5.0, 20.0)
    music_chance: float = 0.12
    bursts_chance: float = 0.12
    hiss_chance: float = 0.85
    hiss_db: tuple[float, ...] = (-70.0, -30.0)
    band_chance: float = 0.3
    lowest_hz: tuple[float, ...] = (20.0, 400.0)
    highest_hz: tuple[float, ...] = (2600.0, 7800.0)
    tilt_db: float = 8.0
    carrier_chance: float = 0.05
    level_dbfs: tuple[float, ...] = (-60.0, 3.0)
    offset_chance: float = 0.15
    largest_offset: float = 0.1


@dataclass(frozen=True)
class Piece:
    """Who speaks from which frame on, and the samples."""

    person: int
    first: int
    samples: Waveform
    activity: Activity


@dataclass(frozen=True)
class Mixture:
    """``waveform`` ``[samples]``; ``spoken`` is the activity of each person ``[people, frames]``.

    ``onsets`` are the frames at which another voice than the last one begins.
    """

    waveform: Waveform
    spoken: Activity
    onsets: tuple[int, ...]

    def n_voices(self) -> NDArray[np.int64]:
        """0, 1 or 2 (several) for each frame, NOT_COUNTED where that is unsure."""
        least = np.minimum((self.spoken == SPOKEN).sum(axis=0), 2)
        most = np.minimum((self.spoken > SILENT).sum(axis=0), 2)
        return np.where(least == most, least, NOT_COUNTED)

    def changes(self) -> NDArray[np.int64]:
        """1 at a new voice's beginning, NOT_COUNTED around it, else 0."""
        found = np.zeros(self.spoken.shape[1], dtype=np.int64)
        for reach, value in ((NEAR_FRAMES, NOT_COUNTED), (CHANGE_FRAMES, 1)):
            for onset in self.onsets:
                found[max(0, onset - reach) : onset + reach + 1] = value
        return found


class Voices:
    """Clips by speaker, with what is spoken in them; clips that are not clean are left out."""

    def __init__(self, corpus: Corpus) -> None:
        self.corpus = corpus
        self.activities: dict[int, Activity] = {}
        self.loudness: dict[int, float] = {}  # of what is spoken, RMS
        clips_of: dict[str, list[int]] = {}
        for index, speaker in enumerate(corpus.speakers):
            samples = self.samples(index)
            if len(samples) < FRAMES_A_SECOND * FRAME_SAMPLES // 3 or not is_clean(samples):
                continue
            spoken = activity(samples)
            self.activities[index] = spoken
            is_loud = np.repeat(spoken == SPOKEN, FRAME_SAMPLES)
            self.loudness[index] = float(np.sqrt(power(samples[: len(is_loud)][is_loud])))
            clips_of.setdefault(speaker or f"clip {index}", []).append(index)
        self.clips_of = list(clips_of.values())
        chance = np.sqrt([len(clips) for clips in self.clips_of])
        self.chance = chance / chance.sum()

    def samples(self, index: int, part: slice = slice(None)) -> Waveform:
        """One clip, or a part of it."""
        return self.corpus.clip(index)[part].astype(np.float32) / np.float32(32_768)

    def people(self, n_people: int, rng: np.random.Generator) -> list[list[int]]:
        """The clips of that many speakers."""
        drawn = rng.choice(len(self.clips_of), n_people, replace=False, p=self.chance)
        return [self.clips_of[int(speaker)] for speaker in drawn]


def uniform(low_high: Sequence[float], rng: np.random.Generator) -> float:
    """A number between the two."""
    low, high = low_high
    return float(rng.uniform(low, high))


def power(samples: NDArray[np.float32]) -> float:
    """The mean square, never zero."""
    return float(np.square(samples).mean()) + 1e-12


def draw_pieces(
    voices: Voices, config: MixtureConfig, rng: np.random.Generator, n_frames: int
) -> list[Piece]:
    """The turns of the mixture's people, with pauses between them or over each other."""
    n_people = int(rng.choice(len(config.people), p=config.people))
    if not n_people:
        return []
    people = voices.people(n_people, rng)
    gains = 10 ** (rng.uniform(-1, 1, n_people) * config.level_spread_db / 20)
    overlap_chance = uniform(config.overlap_chance, rng)
    pause = FRAMES_A_SECOND * np.exp(uniform(np.log(config.pause_s).tolist(), rng))
    pieces: list[Piece] = []
    person = int(rng.integers(n_people))
    first = int(rng.integers(-n_frames // 3, n_frames // 5) + rng.exponential(pause))
    while first < n_frames:
        clip = int(rng.choice(people[person]))
        spoken = voices.activities[clip]
        loud = np.flatnonzero(spoken == SPOKEN)
        begin, end = max(0, int(loud[0]) - 5), min(len(spoken), int(loud[-1]) + 6)
        length = min(end - begin, int(rng.integers(20, 200)))
        begin += int(rng.integers(end - begin - length + 1))
        own = spoken[begin : begin + length]
        if (own == SPOKEN).any():
            end = begin + length
            cut = voices.samples(clip, slice(begin * FRAME_SAMPLES, end * FRAME_SAMPLES))
            fade = np.linspace(0, 1, FADE_SAMPLES, dtype=np.float32)
            cut[:FADE_SAMPLES] *= fade
            cut[-FADE_SAMPLES:] *= fade[::-1]
            gain = 0.1 * gains[person] / voices.loudness[clip]
            pieces.append(Piece(person, first, (gain * cut).astype(np.float32), own))
        others = [other for other in range(n_people) if other != person]
        following = int(rng.choice(others)) if others and rng.random() < 0.75 else person
        if following != person and rng.random() < overlap_chance:
            first += int(length * 0.8 * rng.random())
        else:
            first += length + int(rng.exponential(pause))
        person = following
    return pieces


def onsets_of(pieces: Sequence[Piece], spoken: Activity) -> tuple[int, ...]:
    """Where a piece begins and the last voice before it was another's."""
    found = []
    for piece in pieces:
        first = piece.first + int((piece.activity == SPOKEN).argmax())
        if not 0 < first < spoken.shape[1]:
            continue
        before = spoken[:, :first] == SPOKEN
        last = np.where(before.any(axis=1), first - 1 - before[:, ::-1].argmax(axis=1), -1)
        if last.max() >= 0 and last[piece.person] < last.max():
            found.append(first)
    return tuple(found)


def in_rooms(
    stems: NDArray[np.float32], config: MixtureConfig, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Each person at a place of their own in one room, ``[people, samples]``."""
    generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
    n_people, n_samples = stems.shape
    time_s = torch.full((n_people,), uniform(config.reverb_time_s, rng))
    places = [uniform(config.direct_to_reverb_db, rng) for _ in range(n_people)]
    responses = room_responses(time_s, torch.tensor(places), generator).numpy()
    n_fft = fft.next_fast_len(n_samples + REVERB_SAMPLES, real=True)
    spectrum = fft.rfft(stems, n_fft) * fft.rfft(responses, n_fft)
    heard: NDArray[np.float32] = fft.irfft(spectrum, n_fft)[:, :n_samples].astype(np.float32)
    return heard


def music(n_samples: int, rng: np.random.Generator) -> Waveform:
    """Notes of two to four parts with overtones and an attack; some of them long tones."""
    time_s = (np.arange(n_samples) / SAMPLE_RATE_HZ).astype(np.float32)
    total = np.zeros(n_samples, dtype=np.float32)
    slow = 2 ** rng.uniform(-3, 1)
    for _ in range(int(rng.integers(2, 5))):
        overtones = int(rng.integers(1, 9))
        steepness, decay_s, root_hz = (
            rng.uniform(0.5, 2),
            2 ** rng.uniform(-4, 2),
            2 ** (rng.uniform(6, 10)),
        )
        start_s = 0.0
        while start_s < time_s[-1]:
            length_s = slow * rng.choice((0.5, 1, 1, 2))
            pitch_hz = root_hz * 2 ** (rng.choice((0, 2, 4, 5, 7, 9, 12)) / 12)
            where = slice(*np.searchsorted(time_s, (start_s, start_s + length_s)))
            own_s = time_s[where] - np.float32(start_s)
            envelope = np.minimum(own_s * np.float32(100), 1) * np.exp(-own_s / np.float32(decay_s))
            for overtone in range(1, overtones + 1):
                if overtone * pitch_hz < SAMPLE_RATE_HZ / 2:
                    tone = np.sin(np.float32(2 * np.pi * overtone * pitch_hz) * own_s)
                    total[where] += np.float32(overtone**-steepness) * envelope * tone
            start_s += length_s
    return total


def bursts(n_samples: int, rng: np.random.Generator) -> Waveform:
    """Knocks, barks or chirps of one thing: overtones that glide, and hiss, soon gone."""
    decay_s = 2 ** rng.uniform(-6, -1.5)
    time_s = np.arange(int(5 * decay_s * SAMPLE_RATE_HZ), dtype=np.float32) / SAMPLE_RATE_HZ
    glide = np.float32(rng.uniform(-1, 1)) * time_s / time_s[-1]
    pitch_hz = np.float32(2 ** rng.uniform(6.5, 11.5)) * 2**glide
    phase = np.cumsum(np.float32(2 * np.pi / SAMPLE_RATE_HZ) * pitch_hz)
    steepness = rng.uniform(0.3, 2)
    burst = np.float32(rng.uniform(0, 1)) * rng.standard_normal(len(time_s), dtype=np.float32)
    for overtone in range(1, int(rng.integers(2, 14))):
        is_audible = overtone * pitch_hz < SAMPLE_RATE_HZ / 2
        burst += np.float32(overtone**-steepness) * is_audible * np.sin(overtone * phase)
    burst *= np.minimum(time_s * np.float32(200), 1) * np.exp(-time_s / np.float32(decay_s))
    total = np.zeros(n_samples, dtype=np.float32)
    most = 3 + 4 * n_samples // SAMPLE_RATE_HZ
    for first in rng.integers(0, n_samples, int(rng.integers(1, most))):
        at = np.arange(0, len(burst) - 1, rng.uniform(0.85, 1.18))
        heard = np.interp(at, np.arange(len(burst)), burst)[: n_samples - first]
        total[first : first + len(heard)] += rng.uniform(0.3, 1) * heard.astype(np.float32)
    return total


def noise_of_things(
    noises: Corpus, config: MixtureConfig, rng: np.random.Generator, n_samples: int
) -> Waveform:
    """A noise, slower or faster than it was, perhaps in a room or with another one over it."""
    total = np.zeros(n_samples, dtype=np.float32)
    crying = [index for index, path in enumerate(noises.paths) if "baby-cry" in path]
    for _ in range(1 + (rng.random() < config.second_noise_chance)):
        is_crying = crying and rng.random() < config.crying_share
        clip = noises.clip(int(rng.choice(crying if is_crying else len(noises)))).astype(np.float32)
        clip = at_speed(clip, uniform(config.noise_speed, rng))
        noise = np.resize(np.roll(clip, int(rng.integers(len(clip)))), n_samples)
        if rng.random() < config.room_chance:
            (noise,) = in_rooms(noise[None], config, rng)
        total += noise / np.sqrt(power(noise))
    return total


def background(
    voices: Voices,
    noises: Corpus,
    config: MixtureConfig,
    rng: np.random.Generator,
    n_samples: int,
    *,
    somebody: bool,
) -> list[tuple[Waveform, float]]:
    """What else is heard, and how far the speech is above it in dB."""
    found: list[tuple[Waveform, float]] = []
    noise_chance = config.noise_chance if somebody else config.lone_noise_chance
    if len(noises) and rng.random() < noise_chance:
        noise = noise_of_things(noises, config, rng, n_samples)
        found.append((noise, uniform(config.noise_snr_db, rng)))
    if rng.random() < config.bursts_chance:
        found.append((bursts(n_samples, rng), uniform(config.noise_snr_db, rng)))
    if somebody and rng.random() < config.babble_chance:
        babble = np.zeros(n_samples, dtype=np.float32)
        for clips in voices.people(min(N_BABBLERS, len(voices.clips_of)), rng):
            samples = voices.samples(int(rng.choice(clips)))
            samples = np.resize(np.roll(samples, int(rng.integers(len(samples)))), n_samples)
            babble += samples / np.sqrt(power(samples))
        found.append((babble, uniform(config.babble_snr_db, rng)))
    if rng.random() < config.music_chance:
        found.append((music(n_samples, rng), uniform(config.noise_snr_db, rng)))
    if rng.random() < config.hiss_chance:  # else silence may be digital, as programs send it
        hiss = rng.standard_normal(n_samples, dtype=np.float32)
        found.append((hiss, -uniform(config.hiss_db, rng)))
    return found


def recorded(waveform: Waveform, config: MixtureConfig, rng: np.random.Generator) -> Waveform:
    """Through a microphone, perhaps a telephone or a codec, at some level, as 16 bits."""
    if rng.random() < config.band_chance:
        low, high = (
            torch.tensor([uniform(hz, rng)]) for hz in (config.lowest_hz, config.highest_hz)
        )
        tilt = torch.tensor([config.tilt_db * float(rng.uniform(-1, 1))])
        spectrum = fft.rfft(waveform)
        gains = channel_gains(low, high, tilt, len(spectrum))[0].numpy()
        waveform = fft.irfft(spectrum * gains, len(waveform)).astype(np.float32)
    if rng.random() < config.carrier_chance:
        generator = torch.Generator().manual_seed(int(rng.integers(2**62)))
        waveform = through_carriers(torch.from_numpy(waveform)[None], 1.0, generator)[0].numpy()
    peak = max(float(np.abs(waveform).max()), 1e-9)
    scaled = waveform * (10 ** (uniform(config.level_dbfs, rng) / 20) / peak)
    if rng.random() < config.offset_chance:
        scaled = scaled + config.largest_offset * rng.uniform(-1, 1)
    quantised: Waveform = (np.clip(np.round(scaled * 32_768), -32_768, 32_767) / 32_768).astype(
        np.float32
    )
    return quantised


def draw_mixture(
    voices: Voices,
    noises: Corpus,
    config: MixtureConfig,
    rng: np.random.Generator,
    *,
    duration_s: float,
) -> Mixture:
    """One recording and its truth; the same for the same state of ``rng``."""
    n_frames = int(duration_s * FRAMES_A_SECOND)
    n_samples = n_frames * FRAME_SAMPLES
    pieces = draw_pieces(voices, config, rng, n_frames)
    n_people = 1 + max((piece.person for piece in pieces), default=0)
    stems = np.zeros((n_people, n_samples), dtype=np.float32)
    spoken = np.zeros((n_people, n_frames), dtype=np.int8)
    for piece in pieces:
        skipped = max(0, -piece.first)
        first = piece.first + skipped
        own = piece.activity[skipped : skipped + n_frames - first]
        heard = piece.samples[skipped * FRAME_SAMPLES :][: len(own) * FRAME_SAMPLES]
        stems[piece.person, first * FRAME_SAMPLES :][: len(heard)] += heard
        row = spoken[piece.person, first : first + len(own)]
        np.maximum(row, own, out=row)
    onsets = onsets_of(pieces, spoken)
    if pieces and rng.random() < config.room_chance:
        stems = in_rooms(stems, config, rng)
    total: Waveform = stems.sum(axis=0)
    is_voiced = np.repeat((spoken == SPOKEN).any(axis=0), FRAME_SAMPLES)
    speech_power = power(total[is_voiced]) if is_voiced.any() else 1e-3
    for added, snr_db in background(voices, noises, config, rng, n_samples, somebody=bool(pieces)):
        if power(added) > QUIETEST_POWER:
            gain = np.sqrt(speech_power / power(added) * 10 ** (-snr_db / 10))
            total = total + np.float32(gain) * added
    return Mixture(recorded(total, config, rng), spoken, onsets)
