"""Keep a leg of training in the repository: its weights in half precision, and its record.

    python -m benchmarks.model.keep_leg --run runs/accurate/first_leg --name accurate

Reads the running average of the run's last checkpoint, finished or not. Writes
`benchmarks/model/checkpoints/NAME.safetensors`, which `--start` of the next leg and `spkid export`
read, and `NAME.json` beside it: what the run was told, how far it came and its log. Seconds.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from torch import Tensor

from spkid.files import write_text
from spkid.training.checkpoint import load_tensors, save_tensors, weights_fingerprint
from spkid.training.export import SMALLEST_HALVED
from spkid.training.networks.base import SpeakerNetwork
from spkid.training.networks.registry import build_network, network_config, network_settings

CHECKPOINTS = Path(__file__).with_name("checkpoints")
AVERAGE = "average/module."


def halved(tensor: Tensor) -> Tensor:
    """In half precision where it is large, as an exported graph has it."""
    large = tensor.is_floating_point() and tensor.numel() >= SMALLEST_HALVED
    return tensor.to(torch.float16) if large else tensor


def averaged(checkpoint: Path) -> tuple[SpeakerNetwork, dict[str, object]]:
    """The running average of a run, its large weights rounded, and what the run was told."""
    tensors, metadata = load_tensors(checkpoint)
    own = {key.removeprefix(AVERAGE): tensors[key] for key in tensors if key.startswith(AVERAGE)}
    network = build_network(network_config(metadata["settings"]["encoder"]))
    network.load_state_dict({key: halved(value) for key, value in own.items()}, strict=True)
    return network.eval(), metadata


def save_halved(path: Path, network: SpeakerNetwork) -> None:
    """A checkpoint that ``load_encoder`` reads, of half the size."""
    tensors = {key: halved(value) for key, value in network.state_dict().items()}
    settings, name = network_settings(network.config), weights_fingerprint(network)
    save_tensors(path, tensors, {"encoder": settings, "fingerprint": name})


def main() -> None:
    """Write the checkpoint and the record."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--name", required=True)
    arguments = parser.parse_args()
    network, metadata = averaged(arguments.run / "checkpoint.safetensors")
    path = CHECKPOINTS / f"{arguments.name}.safetensors"
    save_halved(path, network)
    log = (arguments.run / "log.jsonl").read_text(encoding="utf-8").splitlines()
    record = {**metadata, "log": [json.loads(line) for line in log]}
    record["fingerprint"] = weights_fingerprint(network)
    write_text(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    print(f"{path}: step {metadata['step']}, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
