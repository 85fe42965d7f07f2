"""How much too low minCllr is for having been fitted: every level counts once."""

from __future__ import annotations

from fractions import Fraction
from math import log

import numpy as np
import pytest

from spkid.audit.statistics.figures import Curve


def levels_by_hand(target, impostor):
    """Pool adjacent violators in whole numbers: the levels strictly between 0 and 1."""
    blocks = []
    for score in sorted({*target, *impostor}):
        blocks.append([sum(target == score), sum(impostor == score)])

        def level(block):
            own, others = (
                Fraction(int(block[0]), len(target)),
                Fraction(int(block[1]), len(impostor)),
            )
            return own / (own + others)

        while len(blocks) > 1 and level(blocks[-2]) >= level(blocks[-1]):
            last = blocks.pop()
            blocks[-1] = [one + other for one, other in zip(blocks[-1], last, strict=True)]
    return [float(value) for value in map(level, blocks) if 0 < value < 1]


@pytest.mark.parametrize("seed", range(8))
def test_levels_that_differ_by_rounding_alone_count_once(seed):
    rng = np.random.default_rng(seed)
    target, impostor = rng.normal(1.5, 1, 300).round(2), rng.normal(0, 1, 1100).round(2)
    _, _, optimism = Curve(target, impostor).posteriors()
    levels = np.array(levels_by_hand(target, impostor))
    by_hand = ((1 - levels) / (2 * 300) + levels / (2 * 1100)).sum() / 2 / log(2)
    assert optimism == pytest.approx(by_hand, rel=1e-6)
