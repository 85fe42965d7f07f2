"""Tables of unit speaker vectors: kept in a file, averaged by speaker, gathered in clusters."""

from __future__ import annotations

import math
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from spkid.encoder.base import Vector
from spkid.encoder.faiss_threads import faiss_threads
from spkid.encoder.unit import are_unit
from spkid.errors import BadTable, ModelMismatch, NotFound
from spkid.files import LARGEST_TABLE, MEGABYTE, open_regular, whole_file, why_unreadable

Floats = NDArray[np.float64]
# what numpy and zipfile raise for a file that is no table: cut short, encrypted, of other types
UNREADABLE = (
    *(OSError, ValueError, KeyError, EOFError, TypeError, RuntimeError, MemoryError),
    AttributeError,  # an .npy is an array, not an archive
    *(zipfile.BadZipFile, zlib.error),
)
MOST_UNPACKED = 100  # times as large as the file; vectors hardly shrink when they are packed


@dataclass(frozen=True)
class EmbeddingTable:
    """Unit vectors ``[clips, dim]``, and the row of each path.

    ``model`` is the fingerprint of what made them, empty if unknown. ``speech_s`` ``[clips]`` are
    the seconds of speech in each clip, NaN where they are not known; ``is_narrowband`` ``[clips]``
    says which came by telephone. None: it is not known of any clip.

    Raises
    ------
    BadTable
        If the vectors are no such array, or one is not of unit length; if there is not a number
        of seconds, zero or more, for each.
    """

    row_of: dict[str, int]
    vectors: NDArray[np.float32] = field(repr=False)
    model: str
    speech_s: Floats | None = field(default=None, repr=False)
    is_narrowband: NDArray[np.bool_] | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        n_clips, seconds, flags = len(self.vectors), self.speech_s, self.is_narrowband
        if (seconds is not None and not _are_lengths(seconds, n_clips)) or (
            flags is not None and not _are_flags(flags, n_clips)
        ):
            raise BadTable(
                "seconds of speech or bandwidths that are not one for each clip, or no lengths",
                expected="what spkid embed writes: seconds, NaN where they are not known, and bool",
                do="embed the clips again",
            )
        is_table = self.vectors.ndim == 2 and np.issubdtype(self.vectors.dtype, np.floating)
        if not is_table or (len(self.vectors) and not are_unit(self.vectors)):
            raise BadTable(
                "vectors that are not finite and of unit length",
                expected="float vectors [clips, dim] as Encoder.embed gives them",
                do="embed the clips again",
            )

    def check_model(
        self,
        model: str,
        *,
        name: str = "vectors",
        expected: str = "the model of the calibration",
        do: str = "embed the clips with the same model",
    ) -> None:
        """Refuse to use these vectors with what is of another model; the rest is for the error.

        Raises
        ------
        ModelMismatch
            If ``model`` is not the fingerprint of what made the vectors.
        """
        if model != self.model:
            raise ModelMismatch(
                f"{name} of model {self.model or '(unknown)'}",
                expected=f"{expected}, {model or '(unknown)'}",
                do=do,
                code="other_model",
            )

    def seconds(self, rows: NDArray[np.intp] | slice, *, unknown: float) -> Floats:
        """Seconds of speech in the clips of these ``rows``; ``unknown`` where none are told."""
        if self.speech_s is None:
            return np.full(len(self.vectors), unknown)[rows]
        own = self.speech_s[rows]
        return np.where(np.isnan(own), unknown, own)

    def by_telephone(self, rows: NDArray[np.intp] | slice) -> NDArray[np.bool_]:
        """Which clips of these ``rows`` came by telephone, as far as is known."""
        if self.is_narrowband is None:
            return np.zeros(len(self.vectors), dtype=bool)[rows]
        return self.is_narrowband[rows]

    @classmethod
    def load(cls, path: str | Path) -> EmbeddingTable:
        """Read an ``.npz`` with ``paths`` and ``embeddings``, as ``spkid embed`` writes it.

        A file may lack ``speech_s`` and ``is_narrowband``, as those of other programs do.

        Raises
        ------
        NotFound
            If there is no such file.
        BadTable
            If it is no such file or a vector is zero or not finite.
        """
        try:
            # numpy would leave its own handle open where the file is cut short
            with open_regular(path) as raw, np.load(raw, allow_pickle=False) as file:
                check_sizes(file.zip, raw)
                names, given = file["paths"], file["embeddings"]
                model = str(file["model"]) if "model" in file else ""
                speech_s, is_narrowband = file.get("speech_s"), file.get("is_narrowband")
            if names.dtype.kind != "U" or given.dtype.kind not in "fiu" or given.ndim != 2:
                raise ValueError("no names, or no numbers")
            paths, vectors = names.tolist(), given.astype(np.float64)
            with np.errstate(over="ignore", invalid="ignore"):
                unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
            if len(paths) != len(unit) or (len(unit) and not are_unit(unit)):
                raise ValueError("vectors that are zero, not finite or without a path")
            if len(set(paths)) != len(paths):
                raise ValueError("a path twice")
            row_of = {name: row for row, name in enumerate(paths)}
            return cls(row_of, unit.astype(np.float32), model, speech_s, is_narrowband)
        except FileNotFoundError as error:
            raise NotFound(
                f"{path}: no such file",
                expected="a table of embeddings (.npz)",
                do="check the path, or make one with 'spkid embed'",
            ) from error
        except (*UNREADABLE, BadTable) as error:
            why = error.got if isinstance(error, BadTable) else why_unreadable(error)
            raise BadTable(
                f"{path}: not a usable table of embeddings ({why})",
                expected="an .npz with 'paths' and finite 'embeddings'",
                do="make it with 'spkid embed'",
            ) from error

    def rows(self, paths: pd.Series) -> NDArray[np.intp]:
        """Row numbers for ``paths``.

        Raises
        ------
        BadTable
            If a path has no vector.
        """
        rows = paths.map(self.row_of)
        if rows.isna().any():
            missing = paths[rows.isna()]
            raise BadTable(
                f"no vector for {missing.iloc[0]} ({missing.nunique()} clips have none)",
                expected="a vector for each clip of the list",
                do="run 'spkid embed' on a manifest that names them all",
            )
        return np.asarray(rows, dtype=np.intp)


def _are_lengths(speech_s: NDArray[Any], n_clips: int) -> bool:
    """Whether there are seconds for each clip, 0 or more; NaN is unknown."""
    if speech_s.shape != (n_clips,) or speech_s.dtype.kind != "f":
        return False
    return bool((np.isnan(speech_s) | (speech_s >= 0) & (speech_s < np.inf)).all())


def _are_flags(values: NDArray[Any], n_clips: int) -> bool:
    return values.shape == (n_clips,) and values.dtype == bool


def check_sizes(archive: zipfile.ZipFile, file: BinaryIO) -> None:
    """Refuse arrays that would fill memory, by what they say of themselves, before any is unpacked.

    Raises
    ------
    ValueError
        If they are larger than a table may be, or than their own bytes.
    """
    n_packed = file.seek(0, 2)
    members = archive.infolist()
    n_unpacked = sum(member.file_size for member in members)
    if n_unpacked > min(LARGEST_TABLE, MOST_UNPACKED * n_packed):
        raise ValueError(f"{n_unpacked // MEGABYTE} MB in a file of {n_packed} bytes")
    for member in members:
        with archive.open(member) as array:
            read_header = {
                (1, 0): np.lib.format.read_array_header_1_0,
                (2, 0): np.lib.format.read_array_header_2_0,
            }[np.lib.format.read_magic(array)]
            shape, _, dtype = read_header(array)
            if math.prod(shape) * dtype.itemsize > member.file_size:
                raise ValueError(f"{member.filename} says it is larger than it is")


def save_embeddings(
    path: Path,
    vectors: dict[str, Vector],
    *,
    model: str,
    dim: int,
    speech_s: Sequence[float] | None = None,
    is_narrowband: Sequence[bool] | None = None,
) -> None:
    """Write what an :class:`EmbeddingTable` holds as ``.npz``."""
    stacked = np.stack(list(vectors.values())) if vectors else np.empty((0, dim), np.float32)
    seconds = np.full(len(vectors), np.nan) if speech_s is None else np.array(speech_s, float)
    flags = np.zeros(len(vectors), bool) if is_narrowband is None else np.array(is_narrowband, bool)
    with whole_file(path) as file:
        np.savez(
            file,
            paths=np.array(list(vectors), dtype=str),
            embeddings=stacked.astype(np.float32),
            model=np.array(model),
            speech_s=seconds,
            is_narrowband=flags,
        )


def mean_vectors(
    clips: pd.DataFrame, vectors: NDArray[np.floating[Any]]
) -> tuple[list[str], Floats]:
    """Each speaker's unit mean; ``clips`` has a column ``speaker`` for the rows of ``vectors``."""
    codes, names = pd.factorize(clips["speaker"], sort=True)
    sums = np.zeros((len(names), vectors.shape[1]))
    np.add.at(sums, codes, vectors)
    return list(names), sums / np.linalg.norm(sums, axis=1, keepdims=True)


def spherical_k_means(vectors: Floats, n_cohorts: int, *, seed: int) -> Floats:
    """Unit centroids ``[n_cohorts, dim]`` of unit ``vectors`` ``[speakers, dim]``."""
    import faiss

    k_means = faiss.Kmeans(
        vectors.shape[1],
        n_cohorts,
        spherical=True,
        nredo=5,
        seed=seed,
        min_points_per_centroid=1,
    )
    with faiss_threads(many=True):
        k_means.train(vectors.astype(np.float32))
    assert k_means.centroids is not None  # it was trained
    return np.asarray(k_means.centroids, dtype=np.float64)


def nearest(vectors: Floats, centroids: Floats) -> NDArray[np.intp]:
    """The number of the nearest centroid to each vector, ``[vectors]``."""
    return np.asarray(np.argmax(vectors @ centroids.T, axis=1), dtype=np.intp)
