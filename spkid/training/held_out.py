"""Error rates on the speakers that training leaves out."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from spkid.scoring.metrics import equal_error_rate
from spkid.scoring.trials import all_pairs
from spkid.training.data.corpus import Corpus
from spkid.training.networks.base import SpeakerNetwork

CLIPS_PER_SPEAKER = 8


def embed_clips(encoder: SpeakerNetwork, corpus: Corpus, indices: list[int]) -> NDArray[np.float32]:
    """Unit vectors ``[clips, dim]`` of whole clips, one at a time, at most ten seconds each."""
    encoder.eval()
    device = next(encoder.parameters()).device
    vectors = []
    with torch.inference_mode():
        for index in indices:
            samples = torch.from_numpy(corpus.clip(index)[:160_000].astype(np.float32) / 32768.0)
            vectors.append(encoder(samples[None].to(device))[0][0].cpu().numpy())
    return np.stack(vectors)


def judged_clips(corpus: Corpus) -> list[int]:
    """The first ``CLIPS_PER_SPEAKER`` clips of each speaker, speaker by speaker."""
    taken: dict[str, list[int]] = {}
    for index, speaker in enumerate(corpus.speakers):
        own = taken.setdefault(speaker, [])
        if len(own) < CLIPS_PER_SPEAKER:
            own.append(index)
    return [index for own in taken.values() for index in own]


def held_out_errors(encoder: SpeakerNetwork, corpus: Corpus) -> dict[str, float]:
    """EER for each corpus over all pairs of held-out clips; none where nobody is held out."""
    indices = judged_clips(corpus)
    if not indices:
        return {}
    return errors_by_corpus(
        embed_clips(encoder, corpus, indices),
        np.array([corpus.speakers[index] for index in indices]),
        np.array([corpus.corpora[index] for index in indices]),
    )


def errors_by_corpus(
    vectors: NDArray[np.float32], speakers: NDArray[np.str_], corpora: NDArray[np.str_]
) -> dict[str, float]:
    """EER over all pairs of the unit ``vectors`` ``[clips, dim]`` of each corpus.

    One without pairs of both kinds is left out.
    """
    errors = {}
    for name in sorted(set(corpora)):
        rows = corpora == name
        target, impostor = all_pairs(vectors[rows], speakers[rows])
        if len(target) and len(impostor):
            errors[str(name)] = equal_error_rate(target, impostor)
    return errors
