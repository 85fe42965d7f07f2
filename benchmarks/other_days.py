"""Homes of people who call on other days and from other telephones.

    python -m benchmarks.other_days --data DIR [--model small]

The homes of `extra/protocols/households_sessions_phone.csv`, which are measured here and nowhere
tuned on: callers of 2001 who say names and sentences by telephone, some of the labels wrong. The
bundled model with its calibration as shipped, and each clip with its seconds of speech. Vectors
are kept in `runs/other_days_MODEL.npz`. Four minutes on one core.
"""

from __future__ import annotations

from dataclasses import asdict

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.kept import bundled_embeddings
from benchmarks.pages.accuracy_tables import other_days
from spkid.data.manifest import read_manifest
from spkid.scoring.calibration import bundled_or_raw
from spkid.scoring.simulated_homes import figures_by_row, score_homes

RATES = (0.05, 0.01)


def measure(data: Data, model: str = "accurate") -> Figures:
    """Figures of all homes and by size, for each stated share of guests."""
    homes = read_manifest(data / "extra" / "protocols" / "households_sessions_phone.csv")
    paths = sorted(set(homes["path"]))
    table = bundled_embeddings(data / "extra", paths, model=model, name="other_days")
    homes = homes[homes["path"].isin(list(table.row_of))]  # some are too short to embed
    calibration = bundled_or_raw(table.model)
    probes = score_homes(homes, table, calibration)
    return {
        "model": table.model,
        "n_clips_left_out": len(paths) - len(table.row_of),
        "rates": {
            f"{rate:g}": {
                row: asdict(value) for row, value in figures_by_row(probes, calibration, fpir=rate)
            }
            for rate in RATES
        },
    }


BENCHMARK = Benchmark("other_days", measure, (other_days,), file="other_days_{model}")

if __name__ == "__main__":
    BENCHMARK.main()
