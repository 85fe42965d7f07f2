"""Clips as a second model describes them, inside a transaction that the caller holds.

A clip has at most one such vector. It goes with its clip, whatever takes that away.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, delete, insert, select

from enrollment.profile import Exemplar, Member, SecondVectors
from enrollment.store.deletion import begin_anew
from enrollment.store.records import VECTOR_TYPE, vectors_of
from enrollment.store.schema import exemplars, members, second_vectors

Seconds = dict[int, tuple[str, NDArray[np.float32]]]  # model and vector by the id of the exemplar


def keep_second(
    connection: Connection, exemplar_id: int, exemplar: Exemplar, seconds: SecondVectors | None
) -> None:
    """Keep the exemplar's vector among the ``seconds``, where it has one; none was kept before."""
    if seconds is None or exemplar.digest not in seconds.by_digest:
        return
    vector = np.asarray(seconds.by_digest[exemplar.digest], dtype=VECTOR_TYPE).tobytes()
    row = insert(second_vectors).values(exemplar_id=exemplar_id, model=seconds.model, vector=vector)
    connection.execute(row)


def replace_seconds(connection: Connection, member: Member, seconds: SecondVectors) -> None:
    """Keep the ``seconds`` of a member's exemplars in the place of whatever was kept."""
    ids = [clip.id for clip in member.exemplars]
    old = delete(second_vectors).where(second_vectors.c.exemplar_id.in_(ids))
    if connection.execute(old).rowcount:
        begin_anew(connection)  # the bytes are to be overwritten
    for clip in member.exemplars:
        keep_second(connection, clip.id, clip, seconds)


def read_seconds(connection: Connection, household_id: int) -> Seconds:
    """What is kept of a household's exemplars."""
    query = select(second_vectors).select_from(second_vectors.join(exemplars).join(members))
    rows = connection.execute(query.where(members.c.household_id == household_id)).all()
    return {
        row.exemplar_id: (row.model, vectors_of([row.exemplar_id], [row.vector])[0]) for row in rows
    }
