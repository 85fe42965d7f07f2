"""Trials, vectors and metadata with a gap that is known, for the tests of discovery."""

from __future__ import annotations

import numpy as np
import pandas as pd

THRESHOLD = 1.6  # accepts about 5 % of the strangers, whose scores are standard normal


def planted_trials(is_bad, *, drop, seed, n_target=6, n_impostor=8):
    """Scores of speakers ``s000``, ...; same-speaker scores of the bad ones lie ``drop`` lower."""
    rng = np.random.default_rng(seed)
    names = np.array([f"s{number:03d}" for number in range(len(is_bad))], dtype=object)
    rows = []
    for name, bad in zip(names, is_bad, strict=True):
        own = 3 - drop * bad + 0.3 * rng.normal()
        rows += [(name, name, own + rng.normal(), True) for _ in range(n_target)]
        others = rng.choice(names[names != name], n_impostor)
        rows += [(name, other, rng.normal(), False) for other in others]
    return pd.DataFrame(rows, columns=["enroll_speaker", "test_speaker", "score", "label"])


def planted_voices(region, *, seed, dim=16, n_clips=2):
    """Clips and unit vectors of speakers whose voices lie around the centre of their region."""
    rng = np.random.default_rng(seed)
    centres = np.linalg.qr(rng.normal(size=(dim, max(region) + 1)))[0].T
    voices = centres[region] + 0.15 * rng.normal(size=(len(region), dim))
    clips, vectors = [], []
    for number, voice in enumerate(voices):
        for clip in range(n_clips):
            vector = voice + 0.05 * rng.normal(size=dim)
            vectors.append(vector / np.linalg.norm(vector))
            clips.append((f"s{number:03d}/{clip}.wav", f"s{number:03d}"))
    return pd.DataFrame(clips, columns=["path", "speaker"]), np.array(vectors, dtype=np.float32)
