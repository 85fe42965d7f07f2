"""The tables on what training tries: networks, adversaries, fairness, corpora left out."""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.harness.result_files import LISTS, change_cell, drawn, percent, table

NETWORKS = {
    "xvector": "x-vector",
    "ecapa": "ECAPA-TDNN",
    "lstm": "LSTM d-vector (GE2E)",
    "resnet": "ResNet",
}
SPEAKERS = ("known", "new")
FORMS = {"accumulated": "accumulated", "pseudo_label": "pseudo-label", "pairwise": "pairwise"}
CORPORA = {"arabic-commands": "Arabic one-second commands", "speechocean762": "speechocean762"}

METHODS = {
    "before": "before",
    "plain": "plain",
    **{form: f"re-weighting, {words}" for form, words in FORMS.items()},
    "oversampling": "children oversampled",
    "balanced": "balanced batches",
    "ewc": "tuned on children (EWC)",
    "fusion": "fused scores for children",
    "calibration": "calibration by group",
    "membership": "calibration by membership",
    "membership_before": "the same, of the model before",
}
FAIR_SECTIONS = {
    "commonvoice": "Common Voice",
    "left out": "corpora left out",
    "everybody": "all of them",
    "speechocean762, age_group": "speechocean762, age",
    "speechocean762, gender": "speechocean762, sex",
    "commonvoice, gender": "Common Voice, sex",
    "commonvoice, region": "Common Voice, region",
    "left out, gender": "left out, sex",
    "everybody, gender": "all, sex",
    "everybody, cohort": "all, cohorts by voice",
}
ENCODERS = {
    "cam_plus_plus": "CAM++",
    "cam_plus_plus_centred": "CAM++, centred",
    "cam_plus_plus_projected": "CAM++ + LDA",
    "accurate": "ours, accurate",
}
UNHEARD_LISTS = {"verify_sessions_phone": "other days, other telephones"}


def architecture(own: Any) -> str:
    """A row a network: errors, size and time."""
    lists = ("verify_new_speechocean762", "verify_new_commonvoice", "verify_new_arabic-commands")
    rows = []
    for network, system in own["systems"].items():
        mean = system["mean"]
        rows.append(
            [
                NETWORKS.get(network, network),
                *(percent(mean["eer"][name]) for name in lists),
                *(percent(mean["closed_set_error"][who]) for who in SPEAKERS),
                *(percent(mean["fnir"][who]) for who in SPEAKERS),
                f"{mean['n_parameters'] / 1e6:.2f}",
                f"{system['ms_a_clip']:.1f}",
                f"{mean['training_s'] / 60:.1f}",
            ]
        )
    header = ["%, mean of two seeds", "EER speechocean762", "EER Common Voice", "EER Arabic"]
    header += [f"{error}, {who}" for error in ("confused", "missed") for who in SPEAKERS]
    return table([*header, "million parameters", "ms a clip", "minutes of training"], rows)


def architecture_paper(own: Any) -> str:
    """How much lower our errors are than the best baseline's, beside the paper's claim."""
    words = {"closed_set_error": "confused", "fnir": "missed"}
    rows, forms = [], []
    for figure, compared in own["reduction_against_best_baseline"].items():
        for speakers, row in compared.items():
            best, paper = row["best_baseline"], row["paper"]
            forms = [name for name in row if name not in ("best_baseline", "paper")]
            cells = ["–" if row[name] is None else f"{-100 * row[name]:+.0f}" for name in forms]
            claim = f"{-100 * paper:+.0f}" if figure == "closed_set_error" else "–"
            rows.append([f"{words[figure]}, {speakers}", NETWORKS.get(best, best), *cells, claim])
    return table(["change, %", "best baseline", *forms, "the paper's, its data"], rows)


def adversarial(own: Any) -> str:
    """A row a condition, without and with the adversarial term."""
    homes = "households_new_speechocean762"
    shown = {
        "EER": "verify_new_speechocean762",
        "confused": f"{homes}, closed-set error",
        "missed": f"{homes}, misses at 5 %",
    }

    def mean(system: str, condition: str, figure: str) -> str:
        return percent(statistics.mean(run[condition][figure] for run in own["systems"][system]))

    first = own["systems"]["without"][0]
    rows = [
        [condition, *(mean(s, condition, shown[f]) for f in shown for s in ("without", "with"))]
        for condition in first
        if condition != "attacked"
    ]
    for budget in first["attacked"]:
        cells = [mean(system, "attacked", budget) for system in ("without", "with")]
        words = f"PGD, length {budget}" if float(budget) else "the attacked clips, not attacked"
        rows.append([words, "–", "–", *cells, "–", "–"])
    columns = [f"{words} {system}" for words in shown for system in ("without", "with")]
    return table(["%, mean of two seeds", *columns], rows)


def fair_training(own: Any) -> str:
    """A row a method, the change of each list's EER against the plain run."""
    return fair_errors(own, "plain")


def fair_training_before(own: Any) -> str:
    """The same against the model that all began from."""
    return fair_errors(own, "before")


def fair_errors(own: Any, base: str) -> str:
    """Relative changes of EER, one column a list."""
    sections = {name.partition(", ")[0]: name for name in own["sections"]}
    return fair_table(own, sections, "equal_error_rate", base, relative=True)


def fair_training_gaps(own: Any) -> str:
    """A row a method, the change of the gap between the groups' own EER in each section."""
    return fair_gaps(own, "gap")


def fair_training_shared(own: Any) -> str:
    """The same for the gap between the groups' mean errors at one threshold."""
    return fair_gaps(own, "gap_shared")


def fair_gaps(own: Any, figure: str) -> str:
    """Changes of a gap against the plain run, in points, one column a section."""
    sections = {name: name for name in own["sections"]}
    return fair_table(own, sections, figure, "plain", relative=False)


def fair_table(own: Any, shown: dict[str, str], figure: str, base: str, *, relative: bool) -> str:
    """Both bases in percent, then every method's change against one, and what would have shown.

    ``shown`` are the words of each section's column, and the section.
    """
    found = [own["sections"][name]["systems"] for name in shown.values()]
    units = [each[base][figure] if relative else 1.0 for each in found]
    form = "+.0f" if relative else "+.1f"
    rows = [
        [f"{METHODS[name]}, %", *(percent(each[name][figure]) for each in found)]
        for name in ("before", "plain")
    ]
    for name, method in METHODS.items():
        cells = []
        for each, unit in zip(found, units, strict=True):
            change = each[name]["change"].get(base, {}).get(figure)
            if change is None or name == "before":
                break
            cells.append(change_cell(change, unit=unit, form=form))
        if cells:
            rows.append([method, *cells])
    seen = [each["pairwise"]["change"][base][figure]["detectable"] for each in found]
    cells = [f"±{100 * s / unit:{form[1:]}}" for s, unit in zip(seen, units, strict=True)]
    rows.append(["pairwise: found four times in five from", *cells])
    paper = own["paper_relative_change_on_voxceleb"].get(figure)
    if paper is not None and base == "plain":
        parts = [each[base][figure] / unit for each, unit in zip(found, units, strict=True)]
        cells = [f"{100 * paper / 2 * part:+.1f}" for part in parts]
        rows.append([f"half of the paper's {100 * paper:+.1f} %", *cells])
    unit = "%" if relative else "points"
    words = {"equal_error_rate": "EER", "gap": "gap of EER", "gap_shared": "gap at one threshold"}
    header = [f"{words[figure]}, change in {unit}", *(FAIR_SECTIONS.get(n, n) for n in shown)]
    return table(header, rows)


def unseen_corpus(own: Any) -> str:
    """A row a system, a column for each corpus that it never heard."""
    left_out = own["left_out"]
    systems = next(iter(left_out.values()))["eer"]
    header = [
        f"{CORPORA[corpus]}, {each['n_speakers']} speakers" for corpus, each in left_out.items()
    ]
    rows = [
        [system, *(percent(each["eer"][system]) for each in left_out.values())]
        for system in systems
    ]
    return table(["EER on a corpus left out, %", *header], rows)


def unheard_corpora(own: Any) -> str:
    """A row a corpus or a trial list, a column an encoder."""
    systems = {name: own["systems"][name] for name in ENCODERS if name in own["systems"]}
    first = next(iter(systems.values()))
    rows = []
    for part, words in (("held_out", "held-out speakers"), ("left_out", "left out")):
        for corpus in first[part]:
            errors = (percent(each[part][corpus]) for each in systems.values())
            rows.append([f"{words}: {corpus}", *errors])
        means = (percent(each[f"mean_{part}"]) for each in systems.values())
        rows.append([f"{words}, mean", *means])
    for name in first["lists"]:
        errors = (percent(each["lists"][name]) for each in systems.values())
        rows.append([UNHEARD_LISTS.get(name, LISTS.get(name, name)), *errors])
    return table(["EER of raw cosines, %", *(ENCODERS[name] for name in systems)], rows)


def small_sizes(own: Any) -> str:
    """Sizes, time and errors, a row a network, the slowest first."""
    names = {"accurate": "accurate", "small": "**small: thinned, fitted and taught**"}
    networks = own["networks"]
    rows = []
    for name in sorted(networks, key=lambda name: -networks[name]["ms"]):
        each = networks[name]
        means = [percent(statistics.mean(each[part].values())) for part in ("held_out", "left_out")]
        rows.append(
            [
                names.get(name, "thinned and fitted"),
                str(each["n_image_channels"]),
                ", ".join(map(str, each["n_layers"])),
                str(each["n_narrow"]),
                f"{each['n_weights'] / 1e6:.1f}",
                f"{each['ms']:.1f}",
                f"{each['cosine']:.2f}",
                *means,
            ]
        )
    sizes = ["network", "image channels", "layers", "narrow channels", "million weights"]
    errors = ["EER of held-out speakers, %", "of corpora left out, %"]
    return table([*sizes, "ms for 3 s", "cosine to accurate", *errors], rows)


def training_parts(own: Any) -> str:
    """What each part changes in each error, a row a part; bold where it is certain."""
    rows = [["plain: EER, %", *map(percent, own["plain"].values())]]
    rows += [
        [name, *map(change_cell, changes.values())] for name, changes in own["changes"].items()
    ]
    return table(["change in points, 95 %", *own["plain"]], rows)


BLOCKS = {
    "training_parts": drawn(training_parts, "training_parts"),
    "small_sizes": drawn(small_sizes, "small_sizes"),
    "architecture": drawn(architecture, "architecture"),
    "architecture_paper": drawn(architecture_paper, "architecture"),
    "adversarial": drawn(adversarial, "adversarial"),
    "fair_training": drawn(fair_training, "fair_training"),
    "fair_training_before": drawn(fair_training_before, "fair_training"),
    "fair_training_shared": drawn(fair_training_shared, "fair_training"),
    "fair_training_gaps": drawn(fair_training_gaps, "fair_training"),
    "unseen_corpus": drawn(unseen_corpus, "unseen_corpus"),
    "unheard_corpora": drawn(unheard_corpora, "unheard_corpora"),
}
