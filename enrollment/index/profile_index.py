"""All profiles of a store, searched at once: which household, which member, when nobody says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike

from enrollment.index import saved as saved_index
from enrollment.index.config import IndexConfig
from enrollment.index.recall import Batch, thinned
from enrollment.index.saved import Generation
from enrollment.index.vector_index import VectorIndex
from enrollment.profile import Change, check_unit
from enrollment.store.index_files import remove_indexes
from enrollment.store.store import Store
from spkid.encoder.hearing import Clip, Refused
from spkid.errors import NotFound, SpkidError

N_PARTS, N_TRIED = 5, 4  # of a saved index, clips are looked up in so many places, so many each
SAME_COSINE = 1 - 1e-3
# what faiss, numpy and our own checks make of an index that is none
NO_INDEX = (RuntimeError, ValueError, TypeError, AttributeError, AssertionError, SpkidError)


@dataclass(frozen=True)
class Hit:
    """An enrolled clip; ``cosine`` is raw, in -1..1, with its vector as the store has it."""

    household: str
    member: str
    exemplar_id: int
    cosine: float


class ProfileIndex:
    """The enrolled clips of one model in a store; every search first catches up with the store.

    A saved index is taken up where there is one. It is made anew where it is damaged, of another
    model, not of this store's past, or sealed with a key that a deletion has thrown away, and
    where it does not bring some of the store's own clips back. What is found is looked up in the
    store and compared with the vector there, so that nobody who was forgotten is ever named.

    Parameters
    ----------
    store : Store
        Holds the profiles; its ``index_folder`` the saved index.
    model : str
        Fingerprint of the model; profiles of others are not searched.

    Attributes
    ----------
    model : str
        As given.
    vectors : VectorIndex or None
        The index with its measured recall; None while nobody is enrolled.
    """

    def __init__(self, store: Store, *, model: str, config: IndexConfig | None = None) -> None:
        self._store = store
        self._config = config if config is not None else IndexConfig()
        self.model = model
        self._nothing = Generation(model, sequence=0, mark="", last_id=0)
        self._key: bytes | None = store.index_key()
        self.vectors: VectorIndex | None = None
        self._generation = self._nothing
        if not self._take_up_saved():
            self.vectors, self._generation, self._n_saved = None, self._nothing, 0
            self.catch_up()

    def __len__(self) -> int:
        return 0 if self.vectors is None else len(self.vectors)

    def search(self, vector: ArrayLike, *, n_hits: int = 5) -> list[Hit]:
        """The enrolled clips nearest to a unit vector ``[dim]``, best first.

        Raises
        ------
        SpkidError
            If the vector has another dimension, is not finite or not of unit length.
        """
        self.catch_up()
        return [] if self.vectors is None else self._nearest(self.vectors, vector, n_hits)

    def _nearest(self, vectors: VectorIndex, vector: ArrayLike, n_hits: int) -> list[Hit]:
        ids = vectors.search(vector, max(n_hits, self._config.n_rescored))
        query = np.asarray(vector, dtype=np.float32)
        hits = [
            Hit(household, member, exemplar_id, float(query @ own))
            for exemplar_id, (household, member, own) in self._store.found(ids).items()
        ]
        return sorted(hits, key=lambda hit: (-hit.cosine, hit.exemplar_id))[:n_hits]

    def _take_up_saved(self) -> bool:
        """Whether there is a saved index that brings the store's own clips back."""
        found = saved_index.load(self._store.index_folder, self._key)
        if found is None or found[1].model != self.model:
            return False
        self.vectors, self._generation = found
        self._n_saved = len(self)
        try:
            self.catch_up()
            return self.vectors is None or self._brings_back(self.vectors)
        except NO_INDEX:
            return False

    def _brings_back(self, vectors: VectorIndex) -> bool:
        """Whether searches for some enrolled clips find them, or ones that are just like them."""
        for part in range(N_PARTS):
            first = part * self._generation.last_id // N_PARTS
            batches = self._store.exemplars(self.model, after_id=first, batch_size=N_TRIED)
            for vector in next((batch.vectors for batch in batches), ()):
                hits = self._nearest(vectors, vector, 1)
                if not hits or not hits[0].cosine >= SAME_COSINE:
                    return False
        return True

    def catch_up(self) -> None:
        """Take in what the store's log says since; save the index where much is new."""
        self._key = self._store.index_key()  # before the log: what is deleted later kills the key
        known = self._generation
        lines = self._store.changes(max(0, known.sequence - 1))
        if known.sequence and (not lines or _mark(lines[0]) != known.mark):
            self._build()  # the store is another one, or was put back from a backup
            return
        new = [line for line in lines if line.sequence > known.sequence]
        if self.vectors is None:
            if new or known.sequence == 0:
                self._build()
            return
        if not new:
            return
        self.vectors.add_all(self._batches(known.last_id))
        n_removed = self.vectors.remove(
            line.exemplar_id
            for line in new
            if line.kind == "clip_removed" and line.exemplar_id is not None
        )
        self._stand_at(new[-1])
        if self._is_outgrown(self.vectors):
            self._build()
        elif n_removed or len(self) > (1 + self._config.saved_growth) * self._n_saved:
            self._save()

    def _is_outgrown(self, vectors: VectorIndex) -> bool:
        n_built, limit = vectors.n_built, self._config.exact_below
        return not len(vectors) or len(vectors) >= (limit if n_built < limit else 2 * n_built)

    def _build(self) -> None:
        self._key = self._store.index_key()
        sequence = self._store.last_sequence()
        self._generation = self._nothing
        self.vectors = None
        sample, n_vectors = thinned(self._batches(0), self._config.n_training)
        if n_vectors:
            self.vectors = VectorIndex.build(self._batches(0), sample, n_vectors, self._config)
        # what is deleted while this goes on comes after the line, and is taken out next time
        for line in self._store.changes(sequence - 1)[:1] if sequence else []:
            self._stand_at(line)
        self._save()

    def _batches(self, after_id: int) -> Iterator[Batch]:
        """Ids are never given twice and grow in the order of commits: none comes twice."""
        for batch in self._store.exemplars(self.model, after_id=after_id):
            self._generation = replace(self._generation, last_id=int(batch.ids[-1]))
            yield batch.ids, batch.vectors

    def _stand_at(self, line: Change) -> None:
        self._generation = replace(self._generation, sequence=line.sequence, mark=_mark(line))

    def _save(self) -> None:
        """Save, unless it is small or the disk will not have it: it works from memory then."""
        folder = self._store.index_folder
        self._n_saved = len(self)
        with contextlib.suppress(OSError):
            if self.vectors is None or len(self) < self._config.saved_from:
                remove_indexes(folder, sealed_too=True)
            elif self._key is not None:
                saved_index.save(folder, self.vectors, self._generation, self._key)


def _mark(line: Change) -> str:
    return f"{line.sequence} {line.at} {line.kind} {line.member_id} {line.exemplar_id}"


N_NEAREST = 10  # enrolled clips whose households are compared exactly


def nearest_household(store: Store, index: ProfileIndex, clip: Clip) -> str:
    """The household of the profile nearest to ``clip``; of the first, where nothing is heard.

    The ``index`` names the households of the nearest clips; the members there are compared
    exactly. The stated share of strangers accepted holds for one household: the more
    households a store has, the more often one of them is near a stranger.

    Raises
    ------
    SpkidError
        If nobody is enrolled with the model of the index.
    """
    nobody = NotFound(
        "nobody enrolled with this model",
        expected="a store with members",
        do="enroll somebody first, or move the store with 'spkid reembed'",
        code="unknown_household",
    )
    if isinstance(clip, Refused):
        for household in store.households():
            return household
        raise nobody
    names = {hit.household for hit in index.search(clip.vector, n_hits=N_NEAREST)}
    near = [who for name in names for who in store.members(name) if who.model == index.model]
    if not near:
        raise nobody
    check_unit([who.vector for who in near], dim=len(clip.vector))
    nearest = max(near, key=lambda who: (float(who.vector @ clip.vector), who.household))
    return nearest.household
