"""The tables of what the bundled model and its homes do, beside its peers."""

from __future__ import annotations

from benchmarks.harness.result_files import (
    CALIBRATED,
    LISTS,
    MODELS,
    RESULTS,
    command_of,
    figures,
    percent,
    result,
    table,
    with_interval,
)

GROUPED = ("verify_new_speechocean762", "verify_known_speechocean762", "verify_new_commonvoice")
HOMES = {
    "households_new_speechocean762": "new",
    "households_known_speechocean762": "known",
}


MICROPHONES = {
    "as_recorded": "as recorded",
    "test_side": "one side through another microphone",
    "both_sides": "both sides",
}
NORMS = {"calibrated": "as shipped", "raw_cosines": "raw cosine", "normalized": "s-norm"}


def verification() -> str:
    """EER of each list and group, a column a system."""
    systems = {name: figures(f"accuracy_{name}")["verify"] for name in CALIBRATED}
    rows = []
    for name, words in LISTS.items():
        row = [percent(lists[name]["equal_error_rate"]) for lists in systems.values()]
        rows.append([words, *row])
        if name in GROUPED:
            for group in systems["bundled"][name]["group_eer"]:
                own = [percent(lists[name]["group_eer"].get(group)) for lists in systems.values()]
                rows.append([f"– {group}", *own])
    return table(["EER, %", *CALIBRATED.values()], rows)


def detection_costs() -> str:
    """The bundled model's other figures on each list."""
    lists = figures("accuracy_bundled")["verify"]
    rows = [
        [
            words,
            str(lists[name]["n_target"] + lists[name]["n_impostor"]),
            percent(lists[name]["equal_error_rate"]),
            *(f"{lists[name][key]:.3f}" for key in ("min_dcf_001", "min_dcf_005")),
            *(f"{lists[name][key]:.3f}" for key in ("cllr", "min_cllr")),
        ]
        for name, words in LISTS.items()
    ]
    header = ["list", "trials", "EER, %", "minDCF 0.01", "minDCF 0.05", "Cllr", "min. Cllr"]
    return table(header, rows)


def misses() -> str:
    """Members missed at 5 % of guests accepted, a column a system."""
    systems = {name: figures(f"accuracy_{name}")["households"] for name in CALIBRATED}
    rows = []
    for protocol, words in HOMES.items():
        for row in systems["bundled"][protocol]:
            own = [percent(homes[protocol][row]["fnir"]) for homes in systems.values()]
            rows.append([f"{words}, {row}", *own])
    return table(["members missed at 5 % of guests accepted, %", *CALIBRATED.values()], rows)


def homes() -> str:
    """The bundled model's figures over simulated homes."""
    protocols = figures("accuracy_bundled")["households"]
    rows = []
    for protocol, words in HOMES.items():
        for row, own in protocols[protocol].items():
            strict = protocols[f"{protocol} at 1 %"][row]
            keys = ("closed_set_error", "fnir", "open_set_eer", "shipped_fpir", "shipped_fnir")
            cells = [percent(own[key]) for key in keys]
            rows.append([f"{words}, {row}", *cells[:2], percent(strict["fnir"]), *cells[2:]])
    header = [
        "homes, %",
        "closed-set error",
        "misses at 5 % guests",
        "misses at 1 % guests",
        "open-set EER",
        "shipped 5 % threshold: guests",
        "misses",
    ]
    return table(header, rows)


def homes_sizes() -> str:
    """Homes of two to ten members: by size, then by enrolment clips, then by kind."""
    cells = {(own["kind"], own["size"], own["n_clips"]): own for own in figures("homes")["cells"]}
    shown = {f"{size} members": ("mixed", size, 3) for size in (2, 3, 4, 6, 8, 10)}
    shown |= {
        "6 members, 1 clip": ("mixed", 6, 1),
        "6 members, 5 clips": ("mixed", 6, 5),
        "6 members, same gender": ("same-gender", 6, 3),
        "6 members, family": ("family", 6, 3),
        "6 members, many languages": ("languages", 6, 3),
    }
    rows = []
    for words, key in shown.items():
        own = cells[key]
        row = [words, percent(own["closed_set_error"])]
        row += [with_interval(own, "at_rate_0.05_fnir"), percent(own["at_rate_0.01_fnir"])]
        for far in ("0.05", "0.01"):
            for decision in ("shipped", "own"):
                rates = (own[f"{decision}_{far}_{figure}"] for figure in ("fpir", "fnir"))
                row.append(" / ".join(percent(rate) for rate in rates))
        rows.append(row)
    header = ["homes (mixed, 3 clips each), %", "taken for another", "misses at 5 % guests (95 %)"]
    header += ["at 1 %", "shipped 5 %: guests / misses", "own 5 %", "shipped 1 %", "own 1 %"]
    return table(header, rows)


def score_norm() -> str:
    """Error as shipped, of raw cosines and with adaptive s-norm."""
    own = figures("score_norm")
    rows = []
    for name, words in LISTS.items():
        errors = own["verify"][name]["equal_error_rate"]
        rows.append([f"EER, {words}", *(percent(errors[system]) for system in NORMS)])
    for name, words in HOMES.items():
        for key, far in (("fnir_at_0.05", "5 %"), ("fnir_at_0.01", "1 %")):
            systems = (own["households"][name][system] for system in NORMS)
            cells = [percent(system[key]) for system in systems]
            rows.append([f"misses at {far} of guests, homes of {words} speakers", *cells])
    return table(["%", *NORMS.values()], rows)


def microphones() -> str:
    """EER of raw cosines as recorded and through other microphones, by system."""
    own = figures("microphones")
    systems = list(next(iter(own.values())))
    rows = [
        [words, *(percent(own[name][system][key]) for system in systems for key in MICROPHONES)]
        for name, words in LISTS.items()
    ]
    header = [f"{system}, {words}" for system in systems for words in MICROPHONES.values()]
    return table(["EER of raw cosines, %", *header], rows)


def speed() -> str:
    """Milliseconds, seconds and megabytes."""
    own = figures("speed")
    clip = own["three_second_clip_one_core"]
    cold, hour = own["identify_cold_shell_3_s"], own["identify_hour_long_file"]
    names = {
        "spkid": "3 s clip, model loaded, one core: spkid",
        "resemblyzer": "the same, Resemblyzer",
        "ecapa_tdnn_1024": "the same, ECAPA-TDNN 1024 (speechbrain)",
    }
    rows = [
        [words, f"{clip[name]['median_ms']:.1f} ms"]
        for name, words in names.items()
        if name in clip
    ]
    rows += [
        ["`spkid identify` of 3 s from a cold shell, one core", f"{cold['median_s']:.2f} s"],
        ["– peak memory", f"{cold['peak_memory_mb']} MB"],
        ["`spkid identify` of an hour-long file, one core", f"{hour['median_s']:.0f} s"],
        ["– peak memory", f"{hour['peak_memory_mb']} MB"],
    ]
    return table(["speed", "median"], rows)


def concurrency() -> str:
    """What many processes on one store did, a column a database."""
    own = figures("concurrency")
    databases = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    rows = [
        [words, *(str(own[name][key]) for name in databases)]
        for words, key in {
            "processes at work": "n_processes",
            "seconds": "seconds",
            "processes killed": "n_killed",
            "enrolments acknowledged": "n_enrolments_acknowledged",
            "– of them lost": "n_lost",
            "deletions acknowledged": "n_deletions_acknowledged",
            "– of them still there": "n_forgotten_but_there",
            "half done, doubled or never enrolled": "n_wrong",
            "searches that named somebody else": "n_missed_by_search",
        }.items()
    ]
    agrees = ["yes" if own[name]["index_agrees_with_table"] else "no" for name in databases]
    rows.append(["index and database agree", *agrees])
    for words, key in {
        "reading a home meanwhile": "identify_ms",
        "enrolling three clips meanwhile": "enrol_ms",
    }.items():
        cells = [
            f"{own[name][key]['median']:.1f} / {own[name][key]['p99']:.0f}" for name in databases
        ]
        rows.append([f"{words}, median / p99, ms", *cells])
    six = own["identify_in_a_home_of_six"]
    cells = [f"{six[name]['p50_ms']:.2f} / {six[name]['p99_ms']:.2f}" for name in databases]
    rows.append(["answer in a home of six, vector given, median / p99, ms", *cells])
    cells = [f"{six[name]['load_average']:.0f}" for name in databases]
    rows.append(["– programs waiting for the processor meanwhile", *cells])
    return table(["one store", *databases.values()], rows)


def timeline() -> str:
    """Time-weighted errors of who spoke when, in parts, a column a set of homes."""
    own = figures("timeline")
    errors = own["errors"]
    columns = ["all", "2 members", "4 members", "6 members", "quiet", "noisy"]
    rows = [["speech, minutes", *(f"{errors[name]['speech_s'] / 60:.0f}" for name in columns)]]
    for words, key in {
        "wrong or missing, %": "error",
        "– speech not noticed": "not_noticed",
        "– left undecided": "undecided",
        "– member taken for another": "member_as_other_member",
        "– member taken for a stranger": "member_as_stranger",
        "– stranger taken for a member": "stranger_as_member",
        "named where nobody speaks": "false_alarm",
    }.items():
        rows.append([words, *(percent(errors[name][key]) for name in columns)])
    hour = own["an_hour"]
    cost = [f"{hour['median_s']:.0f} s, {hour['peak_memory_mb']} MB"]
    rows.append(["an hour of audio: time, peak memory", *cost, *[""] * (len(columns) - 1)])
    return table([f"{own['homes_of_each_size']} homes of each size", *columns], rows)


def index() -> str:
    """What searching all profiles costs, a row a size."""
    rows = [
        [
            f"{own['n_profiles']:,}",
            own["kind"],
            f"{own['build_s']:.1f}",
            f"{own['peak_memory_mb'] / 1000:.2f}",
            f"{own['search_p50_ms']:.1f} / {own['search_p99_ms']:.1f}",
            f"{100 * own['recall_at_1_rescored']:.1f}",
            f"{100 * own['recall_at_1_first']:.1f}",
            f"{own['load_average']:.0f}",
        ]
        for own in [*figures("index")["sizes"], *figures("index")["hnsw"]]
    ]
    header = ["vectors", "kind", "building, s", "peak memory, GB", "search p50 / p99, ms"]
    header += ["recall@1, 10 compared exactly, %", "recall@1 of the index alone, %"]
    return table([*header, "programs waiting for the processor"], rows)


def training() -> str:
    """What the bundled model was made from."""
    legs, calibration = figures("training"), figures("calibration")
    size_mb = (MODELS / "spkid.onnx").stat().st_size / 1e6
    run = legs[-1]
    crops = [
        f"{leg['train']['n_steps']} of {2 * leg['train']['n_speakers']} + "
        f"{leg['train']['n_unlabelled']} crops"
        for leg in legs
    ]
    minutes = [f"{leg['training_s'] / 60:.0f}" for leg in legs]
    rows = [
        ["fingerprint", calibration["model"]],
        ["parameters", f"{run['n_parameters'] / 1e6:.2f} million; the file has {size_mb:.1f} MB"],
        ["audio heard", f"{run['n_hours']:.1f} h in {run['n_clips']} clips"],
        ["labelled speakers", str(run["n_speakers"])],
        ["steps", ", then ".join(crops)],
        ["seeds", ", ".join(str(leg["train"]["seed"]) for leg in legs)],
        ["minutes on two cores, shared with other work", ", ".join(minutes)],
        ["calibration", calibration["trained_on"]],
    ]
    return table(["training", ""], rows)


def sources() -> str:
    """Which command made which file, and when."""
    rows = []
    for path in sorted(RESULTS.glob("*.json")):
        own = result(path.stem)
        commit = (own["commit"] or "unknown")[:10]
        rows.append([f"`{path.name}`", f"`{command_of(own)}`", commit, own["date"][:10]])
    return table(["file in `benchmarks/results/`", "command", "commit", "date"], rows)


BLOCKS = {
    "verification": verification,
    "detection_costs": detection_costs,
    "misses": misses,
    "homes": homes,
    "homes_sizes": homes_sizes,
    "score_norm": score_norm,
    "microphones": microphones,
    "concurrency": concurrency,
    "timeline": timeline,
    "index": index,
    "speed": speed,
    "training": training,
    "sources": sources,
}
