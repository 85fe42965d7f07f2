"""Short clips: are good ones refused, and what are single words worth together?

    python -m benchmarks.short_clips --data DIR

- Clean clips of the split `test` (good as a whole, speech at least 15 dB over the background) cut
  to their loudest two seconds and one second, where hardly any pause is left to tell the
  background from: how many are refused, and why.
- One-second words of the Arabic speakers of `test`: how many hold too little speech to be
  identified one by one, and three of one person together; how many of those are no answer since
  the words sound unlike each other; how many of a dozen are enrolled.
- A word of somebody else among two of one person: how often it is mixed in.
- How alike words are, of held-out training speakers, at several limits: words are heard together
  where they are likelier one person's than not, at which about one in twenty is left out.

A minute on one core.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.harness.benchmark import Benchmark, Data, Figures, Seed
from benchmarks.harness.noises import loudest
from benchmarks.pages.live_tables import loudest_cuts, word_likeness, words_together
from enrollment.matching import pair_llrs
from enrollment.profile import Consent
from enrollment.session import EnrollmentSession
from enrollment.store.store import Store
from enrollment.together import Spoken, hear_together, spoken_part
from spkid.audio.reading import SAMPLE_RATE_HZ, Waveform, load_audio
from spkid.audio.speech import assess
from spkid.data.manifest import read_manifest
from spkid.encoder.hearing import hear
from spkid.scoring.model import Model
from spkid.scoring.posterior import profile_vector
from spkid.training.data.corpus import is_held_out

CLEAN = ("speechocean762", "librispeech")
WORDS = "arabic-commands"
CUTS_S = (2.0, 1.0)
LEAST_SNR_DB = 15.0
N_TOGETHER = 3
N_ENROLLED = 12
N_TRIALS = 200  # by speaker, of how alike words are
LLRS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0)

Clips = dict[str, list[Waveform]]  # by speaker


def cut_verdicts(data: Path, n_clips: int, rng: np.random.Generator) -> Figures:
    """How many cuts of clean clips get which verdict, by their length."""
    manifest = read_manifest(data / "speech" / "manifest.csv")
    rows = (manifest["split"] == "test") & manifest["corpus"].isin(CLEAN)
    found: list[Waveform] = []
    for path in rng.permutation(manifest.loc[rows, "path"].to_numpy()):
        waveform = load_audio(data / "speech" / path)
        quality = assess(waveform)
        is_clean = quality.snr_db is not None and quality.snr_db >= LEAST_SNR_DB
        if is_clean and quality.verdict == "ok" and len(waveform) > CUTS_S[0] * SAMPLE_RATE_HZ:
            found.append(waveform)
        if len(found) == n_clips:
            break
    verdicts = {
        f"{seconds:g} s": Counter(assess(loudest(clip, seconds)).verdict for clip in found)
        for seconds in CUTS_S
    }
    return {"clips": len(found), "verdicts": verdicts}


def words_of(
    data: Path, split: str, n_words: int, rng: np.random.Generator, *, held_out: bool = False
) -> Clips:
    """About ``n_words`` words, equally many of each speaker."""
    manifest = read_manifest(data / "speech" / "manifest.csv")
    rows = manifest[(manifest["split"] == split) & (manifest["corpus"] == WORDS)]
    own = [speaker for speaker in rows["speaker"].unique() if is_held_out(speaker) >= held_out]
    found = {}
    for speaker in sorted(own):
        paths = rows.loc[rows["speaker"] == speaker, "path"].to_numpy()
        drawn = rng.permutation(paths)[: -(-n_words // len(own))]
        found[speaker] = [load_audio(data / "speech" / path) for path in drawn]
    return found


def judge_words(words: Clips, model: Model) -> Figures:
    """How many words are too short, one by one and together."""
    alone = Counter(
        hear(word, model.encoder).quality.verdict for own in words.values() for word in own
    )
    too_short = unlike = left_out = n_words = 0
    for own in words.values():
        for start in range(0, len(own) - N_TOGETHER + 1, N_TOGETHER):
            moment = own[start : start + N_TOGETHER]
            n_words += len(moment)
            together = hear_together(moment, model)
            if together.clip is None:
                unlike += len(moment)
            elif together.clip.quality.verdict == "too_short":
                too_short += len(moment)
            else:
                left_out += len(together.left_out)
    return {
        "words": sum(map(len, words.values())),
        "too_short_alone": alone["too_short"],
        "words_together": n_words,
        "too_short_together": too_short,
        "unlike_together": unlike,
        "left_out": left_out,
    }


def judge_mixing(words: Clips, model: Model, rng: np.random.Generator) -> Figures:
    """How often somebody else's word is heard as one with two of one person."""
    speakers, n_mixed, n_moments = list(words), 0, 0
    for number, speaker in enumerate(speakers):
        others = speakers[:number] + speakers[number + 1 :]
        for start in range(0, len(words[speaker]) - 1, 2):
            other = words[others[rng.integers(len(others))]]
            moment = [*words[speaker][start : start + 2], other[rng.integers(len(other))]]
            together = hear_together(moment, model)
            n_moments += 1
            n_mixed += together.clip is not None and not together.left_out
    return {"moments": n_moments, "mixed": n_mixed}


def judge_enrolling(words: Clips, model: Model) -> Figures:
    """How many people are enrolled with a dozen words each, and with how many of them."""
    n_people = n_accepted = 0
    with tempfile.TemporaryDirectory() as folder, Store.open(f"{folder}/store.sqlite3") as store:
        for speaker, own in words.items():
            consent = Consent(given_by=speaker)
            session = EnrollmentSession(store, speaker, "person", model=model, consent=consent)
            for word in own[:N_ENROLLED]:
                session.add(word)
            n_people += session.n_clips > 0
            n_accepted += sum(verdict.accepted for verdict in session.verdicts)
    n_words = sum(len(own[:N_ENROLLED]) for own in words.values())
    return {"people": len(words), "enrolled": n_people, "words": n_words, "accepted": n_accepted}


def judge_likeness(words: Clips, model: Model, rng: np.random.Generator) -> Figures:
    """Words of one person below each limit, and of another at or above it, against two words."""
    spoken = {
        speaker: [part for word in own if (part := spoken_part(word, model.encoder))]
        for speaker, own in words.items()
    }
    same: list[float] = []
    other: list[float] = []
    for number, own in enumerate(spoken.values()):
        others = [*list(spoken)[:number], *list(spoken)[number + 1 :]]
        for _ in range(N_TRIALS):
            one, *two = (own[place] for place in rng.permutation(len(own))[:N_TOGETHER])
            stranger = spoken[others[rng.integers(len(others))]]
            same.append(likeness(one, two, model))
            other.append(likeness(stranger[rng.integers(len(stranger))], two, model))
    return {
        f"{llr:g}": {
            "same_left_out": float((np.array(same) < llr).mean()),
            "other_mixed": float((np.array(other) >= llr).mean()),
        }
        for llr in LLRS
    }


def likeness(one: Spoken, others: Sequence[Spoken], model: Model) -> float:
    """The log-likelihood ratio of one word against others together."""
    profile = profile_vector([each.vector for each in others])
    calibration = model.to_decide()
    llrs, _ = pair_llrs(one.vector, [profile], [len(others)], calibration, one.speech_s)
    return float(llrs[0])


def measure(data: Data, clips: int = 160, words: int = 200, seed: Seed = 0) -> Figures:
    """Cuts of clean clips, and words alone and together."""
    model, rng = Model.load(), np.random.default_rng(seed)
    drawn = words_of(data, "test", words, rng)
    held_out = words_of(data, "train", words, rng, held_out=True)
    return {
        "cuts": cut_verdicts(data, clips, rng),
        "words": judge_words(drawn, model),
        "mixing": judge_mixing(drawn, model, rng),
        "enrolling": judge_enrolling(drawn, model),
        "likeness": judge_likeness(held_out, model, rng),
    }


BENCHMARK = Benchmark("short_clips", measure, (loudest_cuts, words_together, word_likeness))

if __name__ == "__main__":
    BENCHMARK.main()
