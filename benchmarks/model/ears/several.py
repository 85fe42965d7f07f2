"""Choose what counts as several voices, on held-out training speakers and noises.

    python -m benchmarks.model.ears.several --data DIR

For mixtures as in training, prints what is found at several probabilities; `spkid/audio/ears.py`
has those that were chosen: the best F1, and about as many changes found as are right of those said.
Then, for clips of one person, two of one person in turn, two people summed and in turn, how many
are beyond limits on the seconds of overlap and on the log-likelihood ratio between two parts;
`spkid/encoder/company.py` and `enrollment/company.py` have the limits that were chosen: those that
find most with at most about one clip of one person in a hundred. Minutes on one core.
"""

from __future__ import annotations

import math

import numpy as np
from rich.progress import track

from benchmarks.harness.benchmark import Data, Seed, run_command
from benchmarks.harness.result_files import table
from benchmarks.harness.unheard import clips_in_company, unheard_clips, unheard_noises
from benchmarks.model.ears.mixtures import MixtureConfig, Voices, draw_mixture
from benchmarks.model.ears.scoring import change_scores, several_scores
from enrollment.company import likeness
from spkid.audio.ears import listen
from spkid.audio.reading import Waveform
from spkid.encoder.company import company_in
from spkid.scoring.model import Model
from spkid.training.data.corpus import Corpus

PROBABILITIES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
MIXTURE_S = 8.0
OVERLAPS_S = (0.2, 0.3, 0.4, 0.5, 0.7, 1.0)
RATIOS = (1.0, 0.0, -0.5, -1.0, -1.5, -2.0, -3.0)


def overlap_and_likeness(waveform: Waveform, model: Model) -> tuple[float, float]:
    """Seconds in which several speak, and how unlike the longest part the most unlike one is."""
    company, calibration = company_in(waveform, listen(waveform), model.encoder), model.to_decide()
    overlap_s = sum(span.end_s - span.start_s for span in company.overlaps)
    longest_first = sorted(company.parts, key=lambda part: -part.speech_s)
    found = [likeness(part, longest_first[0], calibration) for part in longest_first[1:]]
    return overlap_s, min(found, default=math.inf)


def print_probabilities(corpus: Corpus, noises: Corpus, n_mixtures: int, seed: int) -> None:
    """Several at once and changes of voice, by the probability that says so."""
    voices = Voices(corpus)
    mixtures = [
        draw_mixture(
            voices, noises, MixtureConfig(), np.random.default_rng([seed, n]), duration_s=MIXTURE_S
        )
        for n in range(n_mixtures)
    ]
    heard = [listen(mixture.waveform) for mixture in mixtures]
    rows = []
    for probability in PROBABILITIES:
        several = several_scores(mixtures, [frames.voices for frames in heard], probability)
        changes = change_scores(mixtures, heard, probability)
        figures = [*several.values(), changes["found"], changes["right_of_those_said"]]
        rows.append([f"{probability:g}", *(f"{figure:.3f}" for figure in figures)])
    header = ["probability", "several: F1", "precision", "recall", "changes found", "right"]
    print(table(header, rows))


def main(data: Data, clips: int = 300, seed: Seed = 0) -> None:
    """Print both tables."""
    model, rng = Model.load(), np.random.default_rng(seed)
    corpus = unheard_clips(data, "held-out")
    print_probabilities(corpus, unheard_noises(data, "held-out"), clips, seed)
    made = clips_in_company(corpus, clips, rng)
    heard = {
        name: np.array([overlap_and_likeness(clip, model) for clip in track(own, name)])
        for name, own in made.items()
    }
    print(table(["clip", "clips"], [[name, str(len(own))] for name, own in heard.items()]))
    for words, limits, column, sign in (
        ("overlap of at least, s", OVERLAPS_S, 0, 1),
        ("log-likelihood ratio below", RATIOS, 1, -1),
    ):
        rows = [
            [name, *(f"{100 * (sign * own[:, column] >= sign * x).mean():.1f}" for x in limits)]
            for name, own in heard.items()
        ]
        print(f"\n{table([f'{words}: %', *map(str, limits)], rows)}")


if __name__ == "__main__":
    run_command(main, words=__doc__)
