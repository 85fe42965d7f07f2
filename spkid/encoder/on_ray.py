"""Embed clips on the machines of a Ray cluster (extra ``ray``)."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from spkid.encoder.base import Encoder
from spkid.encoder.batch import Embedded, EmbedFiles, attempt, hear_file
from spkid.errors import SpkidError

TASK_CLIPS = 16  # that a process is given at a time
LOCAL = "local"


class Embedder:
    """What a process on the cluster does; it opens the model's file once."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, Any]:
        """``found``: what was heard of each ``place`` of a batch, or the error."""
        found = np.empty(len(batch["place"]), dtype=object)
        for row, place in enumerate(batch["place"]):
            found[row] = attempt(partial(hear_file, encoder=self.encoder), Path(place))
        return {"found": found}


def on_ray(encoder: Encoder, address: str, jobs: int | None = None) -> EmbedFiles:
    """Embeds files in ``jobs`` processes of a Ray cluster, one for each core unless given.

    The model's file and the clips are read on each machine at the same paths, so all need the
    same folders; a machine with another model there refuses. The vectors come back over the
    cluster's own connections, which Ray does not encrypt by itself: use a network you trust.

    Parameters
    ----------
    address : str
        Of the cluster, as Ray writes it; ``"auto"`` for the one that this machine belongs to,
        ``"local"`` for one of this machine alone, which lasts as long as the run.

    Raises
    ------
    SpkidError
        If the extra is not installed; while embedding, if the cluster does not answer or a
        process on it ends.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    os.environ.setdefault("RAY_DATA_LOG_LEVEL", "ERROR")  # it tells of its progress otherwise
    try:
        import ray
    except ImportError as error:
        raise SpkidError(
            "Ray, which is not installed",
            expected="the ray extra",
            do="run: pip install 'spkid[ray]'",
            code="no_ray",
        ) from error
    from ray.exceptions import RayError

    def embed_files(places: Sequence[Path]) -> Embedded:
        if not places:
            return
        own: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
        if address == LOCAL:
            own |= {"include_dashboard": False, "num_cpus": jobs}
        try:
            ray.init(address, **own)
            for row in _rows(places, encoder, jobs).iter_rows():
                yield row["found"]
        except (RayError, OSError) as error:
            raise SpkidError(
                f"Ray at {address}: {str(error).splitlines()[-1]}",
                expected="a cluster with spkid, the model and the clips on each machine",
                do="look at its logs and run this again; what is saved is kept",
                code="ray",
            ) from error
        finally:
            ray.shutdown()

    return embed_files


def _rows(places: Sequence[Path], encoder: Encoder, jobs: int | None) -> Any:
    """A lazy dataset with a vector or an error for each place, in their order."""
    import ray

    context = ray.data.DataContext.get_current()
    context.execution_options.preserve_order = True
    context.enable_progress_bars = False
    n_processes = jobs or int(ray.cluster_resources()["CPU"])
    items = [{"place": str(place.absolute())} for place in places]
    return ray.data.from_items(items, override_num_blocks=-(-len(items) // TASK_CLIPS)).map_batches(
        Embedder,
        fn_constructor_args=(encoder,),
        batch_size=None,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=n_processes),
    )
