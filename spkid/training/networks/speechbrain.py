"""speechbrain's encoders behind the face of ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from spkid.audio.reading import SAMPLE_RATE_HZ
from spkid.config import fingerprint
from spkid.encoder.base import Encoder, Vector
from spkid.encoder.encoder import HUB
from spkid.errors import SpkidError


class SpeechBrainEncoder(Encoder):
    """A speaker encoder of speechbrain: a folder with ``hyperparams.yaml``, or ``hub:OWNER/NAME``.

    speechbrain's own loader reads it. **That file is code**: it may name any Python function
    and speechbrain calls it, so load only what you trust. The weights go through ``torch.load``,
    which since torch 2.6 reads tensors alone and refuses pickled objects.
    """

    def __init__(self, source: str | Path) -> None:
        from speechbrain.inference.classifiers import EncoderClassifier
        from speechbrain.utils.fetching import LocalStrategy

        is_at_hub = str(source).startswith(HUB)
        # a full path is never the name of a model at the hub
        place = str(source).removeprefix(HUB) if is_at_hub else str(Path(source).resolve())
        try:
            self._network = EncoderClassifier.from_hparams(
                source=place, local_strategy=LocalStrategy.NO_LINK
            )
        except Exception as error:  # yaml, hub, torch and network each raise their own
            reason = str(error).strip().splitlines()
            raise SpkidError(
                f"{source}: not loaded by speechbrain ({type(error).__name__}"
                f"{': ' + reason[0] if reason else ''})",
                expected="a folder with hyperparams.yaml and its weights, or the name of a model "
                "on the hub and a network to fetch it",
                do="check the name, or fetch the folder where there is a network",
                code="model",
            ) from error
        self.path = Path(source)
        self.config = {"speechbrain": str(source)}
        self.dim = self._run(np.ones((1, SAMPLE_RATE_HZ), dtype=np.float32))[0].shape[1]
        self.fingerprint = self._name_weights()

    def _name_weights(self) -> str:
        state = self._network.mods.state_dict()
        kept = [key for key in sorted(state) if not key.startswith("classifier.")]
        parts = [key.encode() + state[key].float().cpu().numpy().tobytes() for key in kept]
        return fingerprint(b"speechbrain", *parts)

    def _run(self, batch: NDArray[np.float32]) -> tuple[Vector, NDArray[np.float32]]:
        with torch.inference_mode():
            vectors = self._network.encode_batch(torch.from_numpy(batch)).squeeze(1)
        vectors = torch.nn.functional.normalize(vectors, dim=1).cpu().numpy()
        return vectors, np.empty((len(batch), 0), dtype=np.float32)
