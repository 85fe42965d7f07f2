"""The table of eight homes in better and worse sound."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.result_files import drawn, table

MODELS = ("accurate", "small")
REFUSED = ("too_short", "no_speech", "poor_audio", "several_voices")


def conditions(*each: Any) -> str:
    """Members' clips answered rightly, and strangers' clips given a name, by condition."""
    rows = []
    for name in each[0]["counts"]:
        row = [name]
        for own in each:
            counts = own["counts"][name]
            refused = sum(counts.get(f"member {reason}", 0) for reason in REFUSED)
            row.append(f"{counts.get('member right', 0)} of {own['n_members']}")
            row.append(str(refused))
            row.append(f"{counts.get('stranger known', 0)} of {own['n_strangers']}")
        rows.append(row)
    models = MODELS if len(each) == len(MODELS) else ("members",)
    header = ["clips"]
    for model in models:
        header += [f"{model}: right", "refused", "strangers named"]
    return table(header, rows)


BLOCKS = {"conditions": drawn(conditions, *(f"conditions_{model}" for model in MODELS))}
