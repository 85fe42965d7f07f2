"""Error gaps between groups of people, with one bundled model and with another.

    python -m benchmarks.group_gaps --data DIR [--first small] [--second accurate]

Children and adults, women and men of the new speakers of speechocean762, women and men and regions
of languages of Common Voice, each model as shipped, with its calibration. Gaps are differences of
the groups' own EER, and of their mean errors at one threshold for all; changes have intervals
from the same resamples of speakers on both sides. Ten minutes on one core.
"""

from __future__ import annotations

import numpy as np

from benchmarks.harness.benchmark import Benchmark, Data, Figures
from benchmarks.harness.gaps import (
    FIGURES,
    N_RESAMPLES,
    REGION_OF,
    change_of,
    mark_certain,
    section_figures,
    section_of,
)
from benchmarks.harness.kept import bundled_embeddings
from benchmarks.harness.protocols import Protocols
from benchmarks.pages.audit_tables import group_gaps
from spkid.scoring.calibration import Calibration
from spkid.scoring.model import calibration_beside
from spkid.scoring.trials import calibrated_trials

SECTIONS = (
    ("speechocean762", "age_group"),
    ("speechocean762", "gender"),
    ("commonvoice", "gender"),
    ("commonvoice", "region"),
)
SIDES = ("enroll", "test")


def measure(data: Data, first: str = "small", second: str = "accurate") -> Figures:
    """Both models' figures by section, and the changes from the first to the second."""
    protocols = Protocols.read(data / "speech")
    manifest = protocols.manifest
    people = manifest.assign(region=manifest["language"].map(REGION_OF).fillna(""))
    people = people.drop_duplicates("speaker").set_index("speaker")
    lists = {name: protocols.verify[f"verify_new_{name}"] for name, _ in SECTIONS}
    paths = sorted({path for own in lists.values() for side in SIDES for path in own[side]})
    vectors = {
        model: bundled_embeddings(data / "speech", paths, model=model) for model in (first, second)
    }
    sections, changes = {}, []
    for name, column in SECTIONS:
        sides = {f"{side}_speaker": lists[name][side].map(manifest["speaker"]) for side in SIDES}
        trials = lists[name].assign(**sides)
        section = section_of(trials, np.arange(len(trials)), people[column].to_dict())
        found = {}
        for model, table in vectors.items():
            calibration = Calibration.load(calibration_beside(model))
            found[model] = section_figures(section, calibrated_trials(trials, table, calibration))
        change = {
            figure: change_of(found[second][figure], found[first][figure]) for figure in FIGURES
        }
        changes += list(change.values())
        sections[f"{name}, {column}"] = {
            "n_speakers": section.n_speakers,
            "systems": {
                model: {figure: float(values[0]) for figure, values in own.items()}
                for model, own in found.items()
            },
            "change": change,
        }
    mark_certain(changes)
    return {
        "models": {model: table.model for model, table in vectors.items()},
        "n_resamples": N_RESAMPLES,
        "sections": sections,
    }


BENCHMARK = Benchmark("group_gaps", measure, (group_gaps,))

if __name__ == "__main__":
    BENCHMARK.main()
