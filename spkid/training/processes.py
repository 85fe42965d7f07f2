"""One training run in several processes, started by torchrun; one process is the simple case.

Every process draws the same batch, encodes its share of the rows and sees the vectors of all,
so that pairwise losses do not depend on the number of processes. Gradients are averaged once a
step, after the backward pass: torch's DDP wrapper would do it during that pass, but only for
one pass through the network a step, and adversarial training makes two.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor, nn

from spkid.errors import BadConfig

Agreed = TypeVar("Agreed")


@dataclass(frozen=True)
class Team:
    """The place of a process among ``size``: it is number ``rank`` and computes on ``device``."""

    rank: int
    size: int
    device: torch.device

    def share(self, n_rows: int) -> slice:
        """The rows of a batch that this process encodes.

        Raises
        ------
        SpkidError
            If the processes cannot have equal shares.
        """
        if n_rows % self.size:
            raise BadConfig(
                f"a batch of {n_rows} clips for {self.size} processes",
                expected="a batch that they can share equally",
                do="change n_speakers or n_unlabelled",
            )
        own = n_rows // self.size
        return slice(self.rank * own, (self.rank + 1) * own)

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes in the order of the batch, differentiable."""
        if self.size == 1:
            return rows
        gathered: Tensor = _Gather.apply(rows, self)  # type: ignore[no-untyped-call]
        return gathered

    def average_gradients(self, parameters: Iterable[nn.Parameter]) -> None:
        """The mean over processes, in one exchange."""
        if self.size == 1:
            return
        gradients = [p.grad for p in parameters if p.grad is not None]
        flat = torch.cat([gradient.flatten() for gradient in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        for gradient, mean in zip(
            gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True
        ):
            gradient.copy_(mean.view_as(gradient))

    def agree(self, value: Agreed) -> Agreed:
        """What the first process holds; on the others ``value`` does not matter."""
        if self.size == 1:
            return value
        values = [value]
        dist.broadcast_object_list(values, device=self.device)
        return values[0]


class _Gather(torch.autograd.Function):
    """Every process computes the loss of the whole batch, so its own rows' gradient is whole.

    It is multiplied by the number of processes because :meth:`Team.average_gradients` divides.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, team: Team) -> Tensor:
        ctx.team = team
        parts = [torch.empty_like(rows) for _ in range(team.size)]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[ctx.team.share(len(gradient))] * ctx.team.size, None


class _Sum(torch.autograd.Function):
    """The sum over processes, whose gradient is the sum of the gradients."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.clone()
        dist.all_reduce(total)
        return total


class SharedBatchNorm(nn.modules.batchnorm._BatchNorm):
    """Batch normalisation over the rows of all processes, on any device.

    (torch's SyncBatchNorm is for GPUs alone.)
    """

    running_mean: Tensor
    running_var: Tensor
    num_batches_tracked: Tensor
    momentum: float

    def forward(self, values: Tensor) -> Tensor:
        """Normalised ``[batch, channels, ...]``."""
        if not self.training:
            return super().forward(values)
        axes = [axis for axis in range(values.dim()) if axis != 1]
        shape = [1, -1] + [1] * (values.dim() - 2)
        wide = values if values.dtype == torch.float64 else values.float()
        n_values = values.numel() // values.shape[1] * dist.get_world_size()
        total: Tensor = _Sum.apply(wide.sum(dim=axes))  # type: ignore[no-untyped-call]
        mean = total / n_values
        centred = wide - mean.view(shape)
        squares: Tensor = _Sum.apply(centred.square().sum(dim=axes))  # type: ignore[no-untyped-call]
        variance = squares / n_values
        with torch.no_grad():
            self.num_batches_tracked += 1
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * n_values / (n_values - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        return (centred * scale.view(shape) + self.bias.view(shape)).to(values.dtype)

    def _check_input_dim(self, values: Tensor) -> None:
        """Two, three and four dimensions alike."""


def share_batch_norm(network: nn.Module) -> None:
    """Replace every batch normalisation of ``network``, keeping its tensors."""
    for name, child in network.named_children():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            shared = SharedBatchNorm(child.num_features, eps=child.eps, momentum=child.momentum)
            shared.to(child.weight).load_state_dict(child.state_dict())
            setattr(network, name, shared)
        else:
            share_batch_norm(child)


def computes_in_half(device: torch.device) -> bool:
    """Whether bfloat16 is native; a processor that imitates it is several times slower for it."""
    if device.type != "cpu":
        return True
    able = torch.cpu.get_capabilities()
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


@contextmanager
def joined() -> Iterator[Team]:
    """The team that torchrun started, or this process alone; without an error all leave at once."""
    size, rank = int(os.environ.get("WORLD_SIZE", "1")), int(os.environ.get("RANK", "0"))
    device = torch.device("cpu")
    if torch.cuda.is_available():
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    if size == 1:
        yield Team(rank, size, device)
        return
    dist.init_process_group("nccl" if device.type == "cuda" else "gloo")
    try:
        yield Team(rank, size, device)
        # they leave together: one that ends Python while a thread of gloo still lets go of the
        # last exchange is aborted now and then, and takes the others with it
        dist.barrier()
    finally:
        dist.destroy_process_group()
