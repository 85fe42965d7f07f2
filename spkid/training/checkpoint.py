"""Strict safetensors files: tensors and JSON metadata, never pickle, written beside and renamed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from spkid.config import canonical_json, fingerprint
from spkid.errors import NotFound, SpkidError
from spkid.files import open_regular, whole_file, why_unreadable
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.networks.registry import build_network, network_config, network_settings


def save_tensors(path: Path, tensors: dict[str, Tensor], metadata: dict[str, Any]) -> None:
    """Write atomically: a crash or a full disk leaves the old file whole.

    Raises
    ------
    SpkidError
        If the file cannot be written.
    """
    contiguous = {key: value.detach().cpu().clone().contiguous() for key, value in tensors.items()}
    with whole_file(path) as file:
        file.write(save(contiguous, metadata={"json": json.dumps(metadata)}))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a file written by :func:`save_tensors`.

    Raises
    ------
    NotFound
        If there is no such file.
    SpkidError
        If it is not such a file, or damaged.
    """
    if not path.exists():
        raise NotFound(
            f"{path}: no such file",
            expected="a safetensors file written by spkid",
            do="check the path",
        )
    try:
        open_regular(path).close()  # safetensors would wait for a pipe
        with safe_open(path, framework="pt") as file:
            metadata = json.loads((file.metadata() or {})["json"])
            return {key: file.get_tensor(key) for key in file.keys()}, metadata  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise SpkidError(
            f"{path}: not a readable checkpoint ({why_unreadable(error)})",
            expected="a safetensors file written by spkid",
            do="restore it or train again",
        ) from error


def weights_fingerprint(encoder: SpeakerNetwork) -> str:
    """Names the network: its configuration and every weight."""
    state = encoder.state_dict()
    parts = [key.encode() + state[key].float().cpu().numpy().tobytes() for key in sorted(state)]
    return fingerprint(canonical_json(network_settings(encoder.config)), *parts)


def save_encoder(path: Path, encoder: SpeakerNetwork) -> None:
    """Weights with configuration and fingerprint."""
    metadata = {
        "encoder": network_settings(encoder.config),
        "fingerprint": weights_fingerprint(encoder),
    }
    save_tensors(path, encoder.state_dict(), metadata)


def load_encoder(path: Path) -> SpeakerNetwork:
    """The encoder in evaluation mode.

    Raises
    ------
    SpkidError
        If the file is not such a checkpoint or its weights do not fit its fingerprint.
    """
    tensors, metadata = load_tensors(path)
    try:
        encoder = build_network(network_config(metadata["encoder"]))
        encoder.load_state_dict(tensors, strict=True)
        stated = metadata["fingerprint"]
    except (KeyError, RuntimeError) as error:
        raise SpkidError(
            f"{path}: not an encoder, or weights that do not fit its configuration",
            expected="an encoder.safetensors that training wrote",
            do="check the path",
        ) from error
    if weights_fingerprint(encoder) != stated:
        raise SpkidError(
            f"{path}: weights that do not fit their fingerprint",
            expected="an unchanged checkpoint",
            do="fetch or train it again",
        )
    return encoder.eval()
