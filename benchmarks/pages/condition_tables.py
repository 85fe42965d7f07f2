"""Tables of homes in better and worse sound, and by telephone."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.result_files import drawn, percent, table
from benchmarks.pages.accuracy_tables import MODELS

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


def telephones(own: Any) -> str:
    """Guests named and members missed, in brackets with no margin for telephones."""
    kinds = {"mixed": "speechocean762", "languages": "Common Voice"}
    rows = []
    for words, by_kind in own["homes"]["accurate"].items():
        for kind, corpus in kinds.items():
            row = [f"{words}; {corpus}"]
            for model in MODELS:
                for found in own["homes"][model][words][kind].values():
                    shipped = " / ".join(percent(found[key]) for key in ("guests", "missed"))
                    without = " / ".join(
                        percent(found[f"{k}_without"]) for k in ("guests", "missed")
                    )
                    row.append(f"{shipped} ({without})" if shipped != without else shipped)
            rows.append(row)
        rates = [f"{float(rate):.0%}" for rate in by_kind["mixed"]]
    header = ["enrolled, guests / misses in %"]
    return table(header + [f"{model}, {rate}" for model in MODELS for rate in rates], rows)


BLOCKS = {
    "conditions": drawn(conditions, *(f"conditions_{model}" for model in MODELS)),
    "telephones": drawn(telephones, "telephones"),
}
