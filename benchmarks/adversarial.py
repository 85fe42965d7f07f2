"""Adversarial training, with and without: clean, in noise, and under attack.

    python -m benchmarks.adversarial --data DIR

Small networks (see `small_runs.py`), two seeds each. The weight and the length of the
disturbance are chosen by the error on held-out training speakers, clean and in noise. Reported
on new speakers: EER of every list and closed-set identification error in simulated homes, clean
and with household noise at 20, 10 and 0 dB on what is heard (enrollment stays clean); and the
identification error under projected gradient (ten steps) at three budgets. Writes
`benchmarks/results/adversarial.json`. Seven runs; a stopped benchmark goes on where it was.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.protocols import Protocols, heard_as, list_error
from benchmarks.harness.small_runs import N_STEPS, SmallStudy, run_embeddings, run_facts
from benchmarks.pages.training_tables import adversarial
from spkid.encoder.vectors import EmbeddingTable
from spkid.scoring.posterior import profile_vector
from spkid.scoring.scale import raw_cosines
from spkid.scoring.simulated_homes import home_figures, score_homes
from spkid.scoring.trials import score_trials
from spkid.training.checkpoint import load_encoder
from spkid.training.data.augment import add_at_snr
from spkid.training.data.corpus import Corpus
from spkid.training.held_out import held_out_errors
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.objectives.adversarial import projected_gradient

SEEDS = (1, 2)
CANDIDATES = ((0.3, 2.0), (0.3, 8.0), (0.5, 8.0))  # weight, Euclidean length on the log-mel
SNRS_DB = (20.0, 10.0, 0.0)
BUDGETS = (1.0, 3.0, 10.0)
ATTACK_STEPS = 10
N_ATTACKED = 240  # clips of members, drawn from all homes
ATTACKED_SAMPLES = 32_000  # the first two seconds, so that one budget is one length of speech
HOMES = "households_new_speechocean762"


def noised(corpus: Corpus, noise: Corpus, snr_db: float, *, seed: int) -> Corpus:
    """Every clip with a random cut of noise at ``snr_db``, scaled down where it would clip."""
    rng = np.random.default_rng(seed)
    samples = np.empty_like(corpus.samples)
    for index in range(len(corpus)):
        start, end = corpus.starts[index], corpus.starts[index + 1]
        cut = noise.clip(int(rng.integers(len(noise))))
        cut = np.tile(cut, -(-(end - start) // len(cut)))[: end - start]
        both = add_at_snr(
            torch.from_numpy(corpus.samples[start:end].astype(np.float32))[None],
            torch.from_numpy(cut.astype(np.float32))[None],
            torch.tensor([snr_db]),
        )[0].numpy()
        both *= min(1.0, 32_000 / max(1.0, np.abs(both).max()))
        samples[start:end] = np.round(both).astype(np.int16)
    return replace(corpus, samples=samples)


def list_figures(
    protocols: Protocols, clean: EmbeddingTable, heard: EmbeddingTable
) -> dict[str, float]:
    """EER of each list and closed-set error of each set of homes; enrollment is clean."""
    table = heard_as(clean, heard)
    figures = {}
    for name, trials in protocols.verify.items():
        moved = trials.assign(test="heard:" + trials["test"])
        figures[name] = list_error(trials, score_trials(moved, table))
    calibration = raw_cosines(clean.model)
    for name, homes in protocols.households.items():
        enrolled = homes["role"] == "enroll"
        moved = homes.assign(path=homes["path"].where(enrolled, "heard:" + homes["path"]))
        found = home_figures(score_homes(moved, table, calibration), calibration)
        figures[f"{name}, closed-set error"] = found.closed_set_error
        figures[f"{name}, misses at 5 %"] = found.fnir
    return figures


def attacked_error(
    encoder: SpeakerNetwork, homes: pd.DataFrame, clean: EmbeddingTable, corpus: Corpus
) -> dict[str, float]:
    """Share of members' clips taken for another member, by budget; ``"0"`` is without attack.

    The attack raises the cosine to the nearest other member above that to the speaker's own.
    """
    members = homes[homes["role"] == "member"]
    members = members.sample(min(N_ATTACKED, len(members)), random_state=0)
    number_of = {path: index for index, path in enumerate(corpus.paths)}
    wrong = dict.fromkeys((0.0, *BUDGETS), 0)
    encoder.eval().requires_grad_(False)
    for _, probe in members.iterrows():
        home = homes[(homes["household"] == probe["household"]) & (homes["role"] == "enroll")]
        profiles = home.groupby("speaker")["path"].apply(
            lambda paths: profile_vector(clean.vectors[clean.rows(paths)])
        )
        own = torch.from_numpy((profiles.index == probe["speaker"]).copy())
        targets = torch.from_numpy(np.stack(list(profiles))).float()
        clip = corpus.clip(number_of[probe["path"]])[:ATTACKED_SAMPLES]
        with torch.no_grad():
            log_mel = encoder.log_mel(torch.from_numpy(clip.astype(np.float32) / 32_768)[None])

        def confusion(
            features: torch.Tensor, own: torch.Tensor = own, targets: torch.Tensor = targets
        ) -> torch.Tensor:
            cosines: torch.Tensor = encoder.encode(features)[0] @ targets.T
            return cosines[:, ~own].amax(dim=1) - cosines[:, own].amax(dim=1)

        for budget in wrong:
            heard = log_mel
            if budget:
                heard = projected_gradient(
                    log_mel,
                    confusion,
                    epsilon=budget,
                    n_steps=ATTACK_STEPS,
                    generator=torch.Generator().manual_seed(0),
                )
            with torch.no_grad():
                wrong[budget] += int(confusion(heard).item() > 0)
    return {f"{budget:g}": count / len(members) for budget, count in wrong.items()}


def system_figures(study: SmallStudy, folder: Path) -> Figures:
    """Figures of one run, clean, in noise and under attack."""
    clean = study.vectors(folder)
    figures: Figures = {"clean": list_figures(study.protocols, clean, clean)}
    for snr_db in SNRS_DB:
        noisy = noised(study.heard, study.clips.noise, snr_db, seed=0)
        heard = run_embeddings(folder, noisy, name=f"noise-{snr_db:g}")
        figures[f"{snr_db:g} dB"] = list_figures(study.protocols, clean, heard)
    encoder = load_encoder(folder / "encoder.safetensors")
    homes = study.protocols.households[HOMES]
    figures["attacked"] = attacked_error(encoder, homes, clean, study.heard)
    return figures


def measure(data: Data, steps: int = N_STEPS) -> Figures:
    """Figures of both systems, and how weight and length were chosen."""
    study = SmallStudy(data, steps)

    def run(seed: int, weight: float = 0.0, epsilon: float = 0.0) -> Path:
        if not weight:
            return study.run("plain", seed=seed)
        disturbed = {"adversarial_weight": weight, "adversarial_epsilon": epsilon}
        return study.run(f"adversarial-{weight:g}-{epsilon:g}", seed=seed, **disturbed)

    in_noise = noised(study.clips.held_out, study.clips.noise, 10.0, seed=0)
    choice = {}
    for candidate in CANDIDATES:
        encoder = load_encoder(run(SEEDS[0], *candidate) / "encoder.safetensors")
        errors = [held_out_errors(encoder, own) for own in (study.clips.held_out, in_noise)]
        choice[candidate] = float(np.mean([list(error.values()) for error in errors]))
    weight, epsilon = min(choice, key=lambda candidate: choice[candidate])
    folders = {
        "without": [run(seed) for seed in SEEDS],
        "with": [run(seed, weight, epsilon) for seed in SEEDS],
    }
    return {
        **study.size(folders["without"][0]),
        "training_s": {
            system: [run_facts(folder)["training_s"] for folder in own]
            for system, own in folders.items()
        },
        "weight": weight,
        "epsilon": epsilon,
        "held_out_error_by_candidate": {f"{a:g}, {e:g}": v for (a, e), v in choice.items()},
        "n_attacked": N_ATTACKED,
        "attack_steps": ATTACK_STEPS,
        "seeds": SEEDS,
        "systems": {
            system: [system_figures(study, folder) for folder in own]
            for system, own in folders.items()
        },
    }


BENCHMARK = Benchmark("adversarial", measure, (adversarial,), seed=SEEDS[0])

if __name__ == "__main__":
    BENCHMARK.main()
