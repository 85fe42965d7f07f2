"""The tables of time, memory, many processes and who spoke when."""

from __future__ import annotations

from typing import Any

import numpy as np

from benchmarks.harness.result_files import drawn, percent, table


def speed(own: Any) -> str:
    """What ``identify`` does with 3 s of sound, a column a model, and the floor beneath it."""
    models, spent, floor = ("small", "accurate"), own["three_seconds"], own["floor_ms"]
    parts = {
        "encoder": "encoder: the vector",
        "ears": "ears: speech, several voices",
        "voicing": "is there a pitch",
        "deciding": "profiles, odds, inbox",
        "identify": "all of `identify`",
    }
    rows = {
        part: [words, *(f"{spent[f'{name}: {part}']['min_ms']:.1f}" for name in models)]
        for part, words in parts.items()
    }
    least = "– of it at least, for its multiplications"
    return table(
        ["least ms of the processor, 3 s, one core", *models],
        [
            rows["encoder"],
            [least, *(f"{floor[name]:.1f}" for name in models)],
            rows["ears"],
            [least, *[f"{floor['ears']:.1f}"] * len(models)],
            *(rows[part] for part in ("voicing", "deciding", "identify")),
        ],
    )


def speed_peers(own: Any) -> str:
    """The vector of 3 s from us and from others, in one run."""
    names = {f"{name}: encoder": f"spkid, {name}" for name in ("small", "accurate")}
    names |= {name: name for name in own["three_seconds"] if ": " not in name}
    floor = {f"{name}: encoder": ms for name, ms in own["floor_ms"].items()} | own["floor_ms"]
    rows = [
        [
            words,
            f"{own['three_seconds'][name]['min_ms']:.1f}",
            f"{floor[name]:.1f}" if name in floor else "–",
        ]
        for name, words in names.items()
    ]
    return table(["the vector of 3 s, one core", "ms", "at least, for its multiplications"], rows)


def speed_commands(own: Any) -> str:
    """Whole processes of ``spkid identify``."""
    names = {
        "three_seconds": "`spkid identify` of 3 s from a cold shell",
        "ten_minutes": "`spkid identify` of a file of ten minutes",
    }
    rows = [
        [
            words,
            f"{each['min_s']:.2f}",
            f"{each['processor_min_s']:.2f}",
            str(each["peak_memory_mb"]),
        ]
        for name, words in names.items()
        if (each := own["commands"][name])
    ]
    return table(["least of some runs, one core", "s", "s of the processor", "MB at most"], rows)


def int8(own: Any) -> str:
    """What 8-bit integers bring and cost, a row for what of the model is in them."""
    rows = []
    before = own["three_seconds"]["float32"]["min_ms"]
    for name, system in own["systems"].items():
        after = own["three_seconds"][name]["min_ms"]
        told = [row for row in system["rows"] if "relative" in row]
        lists = [row["relative"]["change"] for row in told if row["group"] == "all"]
        groups = [row["relative"]["change"] for row in told if row["group"] != "all"]
        rows.append(
            [
                name,
                f"{before:.1f}",
                f"{after:.1f}",
                f"{before / after:.2f}",
                f"{100 * np.mean(lists):+.1f} ({100 * max(lists):+.1f})",
                f"{100 * np.mean(groups):+.1f} ({100 * max(groups):+.1f})",
                f"{system['n_over']} of {len(told)}",
            ]
        )
    columns = ["in 8-bit integers", "ms in float32", "ms", "times as fast"]
    columns += ["EER of lists, change in % (worst)", "of groups", "pay more than 2 %"]
    return table(columns, rows)


def bulk(own: Any) -> str:
    """Hours of audio that are embedded in a minute."""
    names = {
        "spkid_1": "spkid embed, one thread",
        "spkid_2": "spkid embed, two threads",
        "spkid_4": "spkid embed, four threads",
        "resemblyzer": "Resemblyzer, a loop over the files",
    }
    one = own["systems"]["spkid_1"]["hours_a_minute"]
    rows = [
        [
            words,
            f"{each['hours_a_minute']:.2f}",
            f"{each['hours_a_minute'] / one:.2f}",
            f"{each['hours_a_processor_minute']:.2f}",
        ]
        for name, words in names.items()
        if (each := own["systems"].get(name))
    ]
    columns = ["hours of audio", "in a minute, two cores", "times one thread"]
    columns += ["in a minute of the processor"]
    return table(columns, rows)


def concurrency(own: Any) -> str:
    """What many processes on one store did, a column a database."""
    databases = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    rows = [
        [words, *(str(own[name][key]) for name in databases)]
        for words, key in {
            "processes at work": "n_processes",
            "seconds": "seconds",
            "processes killed": "n_killed",
            "enrollments acknowledged": "n_enrolments_acknowledged",
            "– of them lost": "n_lost",
            "deletions acknowledged": "n_deletions_acknowledged",
            "– of them still there": "n_forgotten_but_there",
            "half done, doubled or never enrolled": "n_wrong",
            "searches that named somebody else": "n_missed_by_search",
            "backups acknowledged": "n_backups_acknowledged",
            "– of them not whole": "n_backups_not_whole",
            "– acknowledged before, but not in them": "n_lost_in_backups",
            "– forgotten before, but in them": "n_forgotten_in_backups",
            "vectors forgotten": "n_vectors_forgotten",
            "– files of spkid with bytes of them": "n_files_with_forgotten_bytes",
        }.items()
    ]
    in_server = own["postgresql"]["n_server_files_with_forgotten_bytes"]
    rows.append(["– files of the server with bytes of them", "", str(in_server)])
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


def forget_killed(own: Any) -> str:
    """What was left of deletions that were killed, a column a database."""
    databases = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}
    rows = [
        [words, *(str(own[name][key]) for name in databases)]
        for words, key in {
            "deletions killed": "n_kills",
            "– after the end of the deletion": "n_killed_after_the_end",
            "– before it was stored: the person is whole": "n_not_stored",
            "– of these half deleted": "n_half_deleted",
            "– once it was stored": "n_stored",
            "– of these found in a file before the next opening": "n_found_before_opening",
            "– found in a file after it": "n_found_after_opening",
            "– in an index that still opens": "n_index_opens",
            "told when, on the same command again": "n_repeated_with_time",
            "found in a file after the same command again": "n_found_in_the_end",
        }.items()
    ]
    return table(["deletions killed at random moments", *databases.values()], rows)


def timeline(own: Any) -> str:
    """Time-weighted errors of who spoke when, in parts, a column a set of homes."""
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


def timeline_tuning(own: Any) -> str:
    """The ten best settings and what is shipped, a row each."""
    best = own["settings"][:10]
    shown = best + [row for row in own["settings"] if row["is_shipped"] and row not in best]
    names = list(shown[0]["smoothing"])
    rows = [
        [
            "shipped" if row["is_shipped"] else "tried",
            *(f"{row['smoothing'][name]:g}" for name in names),
            percent(row["error"]),
            percent(row["false_alarm"]),
        ]
        for row in shown
    ]
    return table(["setting", *names, "wrong or missing, %", "false alarm, %"], rows)


def index(own: Any) -> str:
    """What searching all profiles costs, a row a size."""
    rows = [
        [
            f"{size['n_profiles']:,}",
            size["kind"],
            f"{size['build_s']:.1f}",
            f"{size['peak_memory_mb'] / 1000:.2f}",
            f"{size['search_p50_ms']:.1f} / {size['search_p99_ms']:.1f}",
            f"{100 * size['recall_at_1_rescored']:.1f}",
            f"{100 * size['recall_at_1_first']:.1f}",
            f"{size['load_average']:.0f}",
        ]
        for size in [*own["sizes"], *own["hnsw"]]
    ]
    header = ["vectors", "kind", "building, s", "peak memory, GB", "search p50 / p99, ms"]
    header += ["recall@1, 10 compared exactly, %", "recall@1 of the index alone, %"]
    return table([*header, "programs waiting for the processor"], rows)


def audit_scale(own: Any) -> str:
    """What one large audit costs."""
    rows = [
        [f"audit of {own['n_trials']:,} trials in {own['n_groups']} groups", "audit_s"],
        ["– of the processor", "audit_cpu_s"],
        ["reading the scores from a file", "read_s"],
        ["– of the processor", "read_cpu_s"],
    ]
    rows = [[words, f"{own[key]:.1f} s"] for words, key in rows]
    rows.append(["peak memory of the audit", f"{own['peak_gib']:.2f} GiB"])
    return table([f"{own['n_resamples']} resamplings of the speakers", ""], rows)


def vad(own: Any) -> str:
    """A row a detector: noise taken for speech, and misses and false alarms on speech."""
    noise, conditions = own["noise"], own["speech"]["conditions"]
    human = ("human_sounds_speech_rate", "human_sounds_speech_rate_at_speeds")
    crying = [noise[key]["baby-cry"] for key in human]
    rows = [
        [
            detector,
            f"{100 * rate:.1f}",
            *(f"{100 * rates[detector]:.1f}" for rates in crying),
            *(
                f"{100 * rates[detector]['miss_rate']:.0f} / "
                f"{100 * rates[detector]['false_alarm_rate']:.0f}"
                for rates in conditions.values()
            ),
            f"{own['processor_ms_per_second_of_audio'][detector]:.2f}",
        ]
        for detector, rate in noise["false_speech_rate"].items()
    ]
    header = [
        "%",
        "noise taken for speech",
        "a baby's crying",
        "the same at five speeds",
        *(f"miss / false alarm, {name}" for name in conditions),
    ]
    return table([*header, "ms a second of audio"], rows)


def fuzz(own: Any) -> str:
    """A row a kind of file: how many were tried, and what was found."""
    rows = [
        [
            name,
            f"{each['seconds'] / 60:.0f}",
            f"{each['n_files']:,}",
            str(each["peak_mb"]),
            str(each["n_findings"]),
        ]
        for name, each in own["targets"].items()
    ]
    return table(["kind of file", "minutes", "files tried", "peak memory, MB", "findings"], rows)


def serve(own: Any) -> str:
    """A row for so many clients at a time."""
    rows = [
        [
            n_clients,
            str(each["n_answers"]),
            f"{each['answers_a_second']:.1f}",
            f"{each['most_a_second']:.1f}",
            percent(each["share_of_most"]),
            f"{each['p50_ms']:.0f} ms",
            f"{each['p99_ms']:.0f} ms",
            f"{each['cpu_ms']:.1f} ms",
            f"{each['floor_cpu_ms']:.1f} ms",
            percent(each["share_of_cpu"]),
        ]
        for n_clients, each in own["loads"].items()
    ]
    header = ["clients", "answers", "a second", "the cores' most", "of that, %", "median"]
    header += ["slowest in 100", "processor time of one", "without HTTP", "of that, %"]
    return table(header, rows)


BLOCKS = {
    "serve": drawn(serve, "serve"),
    "speed": drawn(speed, "speed"),
    "speed_peers": drawn(speed_peers, "speed"),
    "speed_commands": drawn(speed_commands, "speed"),
    "int8": drawn(int8, "int8"),
    "bulk": drawn(bulk, "bulk"),
    "concurrency": drawn(concurrency, "concurrency"),
    "forget_killed": drawn(forget_killed, "forget_killed"),
    "timeline": drawn(timeline, "timeline"),
    "timeline_tuning": drawn(timeline_tuning, "timeline_tuning"),
    "index": drawn(index, "index"),
    "audit_scale": drawn(audit_scale, "audit_scale"),
    "vad": drawn(vad, "vad"),
    "fuzz": drawn(fuzz, "fuzz"),
}
