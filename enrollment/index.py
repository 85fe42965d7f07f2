"""A faiss index over all profiles: which household, which member, when nobody says."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from enrollment.profile import Member
from spkid.errors import SpkidError


@dataclass(frozen=True)
class Hit:
    """A profile found; ``cosine`` is raw, in -1..1."""

    household: str
    member: str
    cosine: float


class ProfileIndex:
    """Exact inner-product search over the members' profile vectors.

    Parameters
    ----------
    members : sequence of Member
        As the store gives them; all of one model.

    Raises
    ------
    SpkidError
        If the members' vectors come from different models.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        import faiss

        models = {member.model for member in members}
        if len(models) > 1:
            raise SpkidError(
                f"profiles of {len(models)} models",
                expected="profiles of one model",
                do="enrol the others again",
                code="other_model",
            )
        self._members = list(members)
        self._index = None
        if members:
            vectors = np.stack([member.vector for member in members]).astype(np.float32)
            self._index = faiss.IndexFlatIP(vectors.shape[1])
            self._index.add(vectors)

    def __len__(self) -> int:
        return len(self._members)

    def search(self, vector: ArrayLike, *, n_hits: int = 5) -> list[Hit]:
        """The nearest profiles to a unit vector ``[dim]``, best first.

        Raises
        ------
        SpkidError
            If the vector has another dimension or is not finite.
        """
        if self._index is None:
            return []
        query = np.asarray(vector, dtype=np.float32)
        if query.shape != (self._index.d,) or not np.isfinite(query).all():
            raise SpkidError(
                f"a query of shape {query.shape}",
                expected=f"a finite vector of {self._index.d}",
                do="embed the clip with the model of the profiles",
            )
        cosines, rows = self._index.search(query[None], min(n_hits, len(self)))
        return [
            Hit(self._members[row].household, self._members[row].name, float(cosine))
            for row, cosine in zip(rows[0], cosines[0], strict=True)
        ]
