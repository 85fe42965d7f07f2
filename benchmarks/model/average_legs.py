"""Average the weights of networks that began from the same ones, and keep the result.

    python -m benchmarks.model.average_legs --name accurate --part FILE=0.5 --part FILE=0.5

Fine-tuned networks and what they began from lie in one basin: the mean of their weights is better
on speech that none was trained on than either (Wortsman et al., WiSE-FT, CVPR 2022, and Model
soups, ICML 2022). Writes `benchmarks/model/checkpoints/NAME.safetensors` in half precision, and to
`NAME.json` which parts it is made of. The shares are chosen on held-out speakers and corpora.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from benchmarks.harness.benchmark import run_command
from benchmarks.model.keep_leg import CHECKPOINTS, halved, save_halved
from spkid.errors import SpkidError
from spkid.files import write_text
from spkid.training.checkpoint import load_encoder, weights_fingerprint

Name = Annotated[str, typer.Option(help="of the result")]
Parts = Annotated[
    list[str], typer.Option(help="FILE=SHARE, of a checkpoint that load_encoder reads")
]


def main(part: Parts, name: Name) -> None:
    """Write the mean, weighted by the shares."""
    shares = [float(words.rpartition("=")[2]) for words in part]
    if abs(sum(shares) - 1) > 1e-6:
        raise SpkidError(f"shares of {sum(shares):g} in all", expected="1", do="correct them")
    networks = [load_encoder(Path(words.rpartition("=")[0])) for words in part]
    record: dict[str, Any] = {
        "average_of": [
            {"share": share, "fingerprint": weights_fingerprint(network)}
            for share, network in zip(shares, networks, strict=True)
        ]
    }
    states = [network.state_dict() for network in networks]
    mean = {
        key: halved(sum(share * state[key] for share, state in zip(shares, states, strict=True)))
        if value.is_floating_point()
        else value
        for key, value in states[0].items()
    }
    networks[0].load_state_dict(mean)
    path = CHECKPOINTS / f"{name}.safetensors"
    save_halved(path, networks[0])
    record["fingerprint"] = weights_fingerprint(networks[0])
    write_text(path.with_suffix(".json"), json.dumps(record, indent=2) + "\n")
    print(f"{path}: {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    run_command(main, words=__doc__)
