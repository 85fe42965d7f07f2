"""Two processes on one batch: the same losses and gradients as one process, in float64."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from spkid.errors import SpkidError
from spkid.training.data.sampler import CPU
from spkid.training.processes import SharedBatchNorm, Team, share_batch_norm

WORKER = """
import json, os, sys
from pathlib import Path
import torch
torch.set_num_threads(1)
from spkid.training import train as training
from spkid.training.recipe import read_recipe

# double precision throughout, so that only mistakes make a difference
torch.set_default_dtype(torch.float64)
torch.Tensor.float = torch.Tensor.double
autocast, from_numpy = torch.autocast, torch.from_numpy
torch.autocast = lambda kind, dtype, enabled: autocast(kind, enabled=False)

def in_double(array):
    tensor = from_numpy(array)
    return tensor.double() if tensor.is_floating_point() else tensor

torch.from_numpy = in_double
original, taken = training.train_step, []

def noted(*arguments):
    parts = original(*arguments)
    taken.append({name: value.item() for name, value in parts.items()})
    return parts

training.train_step = noted
folder = Path(sys.argv[2])
training.train(read_recipe(Path(sys.argv[1])), out=folder)
rank = os.environ.get("RANK", "0")
(folder / f"taken-{rank}.json").write_text(json.dumps(taken))
"""


LEAVING = """
import sys, time
from pathlib import Path
from spkid.training.processes import joined

left = Path(sys.argv[1])
with joined() as team:
    if team.rank == 0:
        time.sleep(1)  # as if it were saving
        left.touch()
assert left.exists()
"""


def run_script(script: Path, *arguments: Path, n_processes: int) -> None:
    """Run it, under torchrun where it has several processes."""
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={n_processes}"]
    result = subprocess.run(
        [sys.executable, *(launcher if n_processes > 1 else []), script, *arguments],
        env={**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]


def launched(tmp_path: Path, recipe: Path, *, n_processes: int) -> Path:
    """The folder of a run."""
    (tmp_path / "worker.py").write_text(WORKER)
    folder = tmp_path / f"by-{n_processes}"
    run_script(tmp_path / "worker.py", recipe, folder, n_processes=n_processes)
    return folder


def test_no_process_leaves_before_the_others(tmp_path):
    (tmp_path / "leaving.py").write_text(LEAVING)
    run_script(tmp_path / "leaving.py", tmp_path / "left", n_processes=2)


def test_two_processes_make_the_steps_of_one(tmp_path, speech_root, noise_root):
    recipe = tmp_path / "run.toml"
    recipe.write_text(f"""
        data.speech = "{speech_root}"
        data.noise = "{noise_root}"
        [train]
        n_steps = 3
        n_speakers = 4
        n_unlabelled = 2
        crop_s = [0.4]
        evaluate_every = 2
        patience = 9
        [encoder]
        n_stem_channels = 4
        n_channels = 16
        n_heads = 2
        n_conv_blocks = 1
        n_attention_blocks = 1
        embedding_dim = 8
    """)
    alone, both = (launched(tmp_path, recipe, n_processes=n) for n in (1, 2))
    expected = json.loads((alone / "taken-0.json").read_text())
    assert len(expected) == 3
    assert {"loss", "aam", "prototypical"} <= set(expected[0])
    for rank in (0, 1):
        taken = json.loads((both / f"taken-{rank}.json").read_text())
        for one, other in zip(expected, taken, strict=True):
            assert one.keys() == other.keys()
            for name, value in one.items():
                assert other[name] == pytest.approx(value, rel=1e-9)
    from spkid.training.checkpoint import load_tensors

    weights, shared = (load_tensors(f / "checkpoint.safetensors")[0] for f in (alone, both))
    assert weights.keys() == shared.keys()
    for key, value in weights.items():
        torch.testing.assert_close(shared[key], value, rtol=1e-6, atol=1e-8, msg=key)
    lines = [(f / "log.jsonl").read_text().splitlines() for f in (alone, both)]
    assert [json.loads(line)["step"] for line in lines[1]] == [2, 3]
    for one, other in zip(*lines, strict=True):
        assert json.loads(one)["held_out_eer"] == json.loads(other)["held_out_eer"]


@pytest.mark.parametrize(("n_rows", "size"), [(6, 1), (6, 2), (6, 3), (0, 2)])
def test_shares_are_the_batch_in_order(n_rows, size):
    rows = list(range(n_rows))
    shares = [rows[Team(rank, size, CPU).share(n_rows)] for rank in range(size)]
    assert [row for share in shares for row in share] == rows
    assert len({len(share) for share in shares}) == 1


def test_batch_that_cannot_be_shared_is_refused():
    with pytest.raises(SpkidError, match="7 clips for 2 processes"):
        Team(0, 2, CPU).share(7)


def test_alone_nothing_is_exchanged():
    """Without torchrun there is no group of processes to ask."""
    alone, rows = Team(0, 1, CPU), torch.ones(2, requires_grad=True)
    assert alone.gather(rows) is rows
    assert alone.agree({"a": 1}) == {"a": 1}
    rows.grad = torch.tensor([1.0, 2.0])
    alone.average_gradients([rows])
    assert rows.grad.tolist() == [1.0, 2.0]


@pytest.fixture
def lonely_group(tmp_path):
    """A group of one process: collective calls work and change nothing."""
    import torch.distributed as dist

    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/g", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize(
    ("plain", "shape"),
    [
        (nn.BatchNorm1d(5), (6, 5)),
        (nn.BatchNorm1d(5), (6, 5, 7)),
        (nn.BatchNorm2d(5), (3, 5, 4, 2)),
    ],
)
def test_shared_normalisation_is_torchs(lonely_group, plain, shape):
    """Values, gradients and running statistics, then evaluation."""
    nn.init.uniform_(plain.weight)
    nn.init.normal_(plain.bias)
    network = nn.Sequential(nn.Sequential(plain)).double()
    shared = nn.Sequential(nn.Sequential(plain)).double()
    share_batch_norm(shared)
    assert type(shared[0][0]) is SharedBatchNorm
    assert list(shared.state_dict()) == list(network.state_dict())
    rng = np.random.default_rng(4)
    for _ in range(3):
        values = torch.from_numpy(3 + 2 * rng.standard_normal(shape))
        inputs = [values.clone().requires_grad_() for _ in range(2)]
        wanted = torch.from_numpy(rng.standard_normal(shape))
        outputs = [net(value) for net, value in zip((network, shared), inputs, strict=True)]
        torch.testing.assert_close(outputs[1], outputs[0])
        for output in outputs:
            (output * wanted).sum().backward()
        torch.testing.assert_close(inputs[1].grad, inputs[0].grad)
        torch.testing.assert_close(shared[0][0].weight.grad, network[0][0].weight.grad)
    for key, value in network.state_dict().items():
        torch.testing.assert_close(shared.state_dict()[key], value)
    torch.testing.assert_close(shared.eval()(values), network.eval()(values))
