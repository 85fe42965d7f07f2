"""Error rates on the speakers that training leaves out."""

from __future__ import annotations

import numpy as np
import torch

from spkid.metrics import equal_error_rate
from spkid.training.corpus import Corpus
from spkid.training.encoder import SelfAttentiveEncoder

CLIPS_PER_SPEAKER = 8


def embed_clips(encoder: SelfAttentiveEncoder, corpus: Corpus, indices: list[int]) -> np.ndarray:
    """Unit vectors ``[clips, dim]`` of whole clips, one at a time, at most ten seconds each."""
    encoder.eval()
    vectors = []
    with torch.inference_mode():
        for index in indices:
            samples = torch.from_numpy(corpus.clip(index)[:160_000].astype(np.float32) / 32768.0)
            vectors.append(encoder(samples[None])[0][0].numpy())
    return np.stack(vectors)


def held_out_errors(encoder: SelfAttentiveEncoder, corpus: Corpus) -> dict[str, float]:
    """EER for each corpus (the first folder of the path) over all pairs of held-out clips."""
    taken: dict[str, list[int]] = {}
    for index, speaker in enumerate(corpus.speakers):
        own = taken.setdefault(speaker, [])
        if len(own) < CLIPS_PER_SPEAKER:
            own.append(index)
    indices = [index for own in taken.values() for index in own]
    vectors = embed_clips(encoder, corpus, indices)
    speakers = np.array([corpus.speakers[index] for index in indices])
    folders = np.array([corpus.paths[index].split("/")[0] for index in indices])
    errors = {}
    for folder in sorted(set(folders)):
        rows = folders == folder
        scores = vectors[rows] @ vectors[rows].T
        same = speakers[rows][:, None] == speakers[rows]
        upper = np.triu(np.ones_like(same), k=1)
        if (same & upper).any() and (~same & upper).any():
            errors[folder] = equal_error_rate(scores[same & upper], scores[~same & upper])
    return errors
