"""What each part of training is worth: the same short run with it and without it.

    python -m benchmarks.training_parts --data DIR --start runs/small/start.safetensors

Each run begins with the thinned network as it was fitted (`benchmarks.model.thin` writes it, see
`benchmarks/model/README.md`), with the accurate model as a teacher that listens, and with labels.
`configs/parts.toml` is the plain run; the others differ from it by what stands in `PARTS`. Read on
held-out training speakers and on the corpora that were left out, the first three seconds of each
clip: as recorded, through a telephone or a lossy codec, and in a noisy room. Changes are against
the plain run, with 95 % intervals from the same resamples of speakers on both sides; a plain run
with other draws shows how far runs differ by chance. The `test` split is not touched. Eight
minutes a run on one core; a stopped benchmark goes on where it was.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from rich.progress import Progress, track

from benchmarks.harness.benchmark import Benchmark, Data, Figures, File
from benchmarks.harness.gaps import N_RESAMPLES, change_of, mark_certain
from benchmarks.harness.kept import kept_arrays
from benchmarks.harness.resampled_rates import Floats, trial_weights, weighted_equal_error_rates
from benchmarks.harness.small_runs import small_run
from benchmarks.model.keep_leg import CHECKPOINTS
from benchmarks.model.peer_projections import LEFT_OUT, training_data
from benchmarks.pages.training_tables import training_parts
from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.training.checkpoint import load_encoder
from spkid.training.data.augment import AugmentConfig, augment
from spkid.training.data.corpora import Corpora, load_corpora
from spkid.training.data.sampler import crop
from spkid.training.held_out import judged_clips
from spkid.training.recipe import Recipe, read_recipe

CONFIG = Path(__file__).parent / "model" / "configs" / "parts.toml"
TEACHER = CHECKPOINTS / "accurate.safetensors"
PLAIN = "plain"
SEED = 1
BALANCED = ("gender", "language")
PARTS = {
    PLAIN: (),
    "plain, other draws": ("train.seed=2",),
    "telephones and codecs": ("augment.carrier_chance=0.25",),
    "other pitches": ("augment.pitch_chance=0.3",),
    "moved formants": ("train.formant_chance=0.2",),
    "mixed voices": ("train.mixup_chance=0.2",),
    "balanced batches": ('data.balance=["gender", "language"]',),
    "longer crops, larger margin": (
        "train.crop_s=[1.0, 2.0, 4.0]",
        "train.teacher_crop_s=4.0",
        "train.margin=0.35",
    ),
    "adversarial term": ("train.adversarial_weight=0.3",),
    "re-weighted pairs": ("train.reweighting=pairwise",),
    "no rooms, bands and noises": (
        "augment.reverb_chance=0.0",
        "augment.band_limit_chance=0.0",
        "augment.noise_chance=0.0",
        "augment.babble_chance=0.0",
    ),
    "no teacher": ("train.teacher_weight=0.0", "train.similarity_weight=0.0"),
    "no labels": ("train.aam_weight=0.0", "train.prototypical_weight=0.0"),
}
AS_IT_IS = AugmentConfig(reverb_chance=0, band_limit_chance=0, noise_chance=0, babble_chance=0)
SOUNDS = {
    "as recorded": AS_IT_IS,
    "telephone or codec": replace(AS_IT_IS, carrier_chance=1.0),
    "noisy room": replace(AS_IT_IS, reverb_chance=1.0, noise_chance=1.0, noise_snr_db=(5.0, 10.0)),
}
WINDOW_SAMPLES = 3 * SAMPLE_RATE_HZ


class Reading:
    """The clips that are read, in each sound, and the pairs of each set of speakers."""

    def __init__(self, corpora: Corpora) -> None:
        held_out = corpora.held_out
        chosen = set(judged_clips(held_out))
        self.corpus = held_out.subset([row in chosen for row in range(len(held_out))])
        self.noise = corpora.noise
        _, self.speaker = np.unique(self.corpus.speakers, return_inverse=True)
        names = np.array(self.corpus.corpora)
        one, other = np.triu_indices(len(names), k=1)
        left_out = np.isin(names, LEFT_OUT.split(","))[one]
        self.pairs = {}
        for name, inside in (("held out", ~left_out), ("left out", left_out)):
            rows = inside & (names[one] == names[other])
            sides = one[rows], other[rows]
            people = (self.speaker[side] for side in sides)
            self.pairs[name] = *sides, trial_weights(*people, n_resamples=N_RESAMPLES, seed=0)

    def vectors(self, run: Path, sound: str) -> NDArray[np.float32]:
        """Unit vectors ``[clips, dim]`` of the clips in a sound, kept in the run's folder."""

        def arrays() -> dict[str, NDArray[np.float32]]:
            encoder = load_encoder(run / "encoder.safetensors")
            with torch.inference_mode():
                found = [
                    encoder(self.heard(row, sound)[None])[0][0].numpy()
                    for row in track(range(len(self.corpus)), description=f"{run.name}: {sound}")
                ]
            return {"vectors": np.stack(found)}

        return kept_arrays(run / f"{sound.replace(' ', '-')}.npz", arrays)["vectors"]

    def heard(self, row: int, sound: str) -> torch.Tensor:
        """A clip in a sound, ``[samples]``; what is drawn depends on the clip alone."""
        samples = self.corpus.clip(row)[:WINDOW_SAMPLES].astype(np.float32) / 32768
        rng = np.random.default_rng(row)
        clip = torch.from_numpy(self.noise.clip(int(rng.integers(len(self.noise)))))
        noise = crop(clip, len(samples), rng)
        drawn = torch.Generator().manual_seed(row)
        return augment(torch.from_numpy(samples)[None], noise[None], SOUNDS[sound], drawn)[0]

    def errors(self, run: Path) -> dict[str, Floats]:
        """EER of each set of speakers in each sound, as measured and in every resample."""
        found = {}
        for sound in SOUNDS:
            vectors = self.vectors(run, sound).astype(np.float64)
            for name, (one, other, weights) in self.pairs.items():
                scores = np.einsum("ij,ij->i", vectors[one], vectors[other])
                label = self.speaker[one] == self.speaker[other]
                rates = weighted_equal_error_rates(scores, label, weights)
                found[f"{name}, {sound}"] = rates
        return found


def recipe_of_part(name: str) -> Recipe:
    """The plain recipe with one part changed."""
    return read_recipe(CONFIG, (f"train.seed={SEED}", *PARTS[name]))


def ungrouped(corpora: Corpora) -> Corpora:
    """The same clips, whose batches are not balanced."""
    return replace(corpora, training=replace(corpora.training, groups=[]))


def measure(data: Data, start: File) -> Figures:
    """Every run's errors, and their changes from the plain run."""
    plain = recipe_of_part(PLAIN)
    with Progress() as progress:
        balanced = load_corpora(replace(training_data(data), balance=BALANCED), progress)
    corpora, reading = ungrouped(balanced), Reading(balanced)
    found: dict[str, dict[str, Floats]] = {}
    for name in PARTS:
        recipe = recipe_of_part(name)
        run = small_run(
            f"part-{name.replace(',', '').replace(' ', '-')}",
            recipe,
            balanced if recipe.data.balance else corpora,
            teacher=TEACHER if recipe.train.teacher_weight else None,
            start=start,
        )
        found[name] = reading.errors(run)
    errors = found.pop(PLAIN)
    changes = {
        name: {figure: change_of(own[figure], errors[figure]) for figure in own}
        for name, own in found.items()
    }
    mark_certain([change for own in changes.values() for change in own.values()])
    return {
        "n_steps": plain.train.n_steps,
        "n_crops": 2 * plain.train.n_speakers + plain.train.n_unlabelled,
        "n_speakers": len(set(reading.corpus.speakers)),
        "n_resamples": N_RESAMPLES,
        "settings": {name: list(changed) for name, changed in PARTS.items()},
        "plain": {figure: float(rates[0]) for figure, rates in errors.items()},
        "changes": changes,
    }


BENCHMARK = Benchmark("training_parts", measure, (training_parts,), seed=SEED)

if __name__ == "__main__":
    BENCHMARK.main()
