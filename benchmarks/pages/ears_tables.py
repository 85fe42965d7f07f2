"""The tables of what the ears hear."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.result_files import drawn, table


def ears_speech(own: Any) -> str:
    """A row a listener: the error under each condition, noise taken for speech, and time."""
    speech = own["speech"]
    rows = [
        [
            name,
            *(f"{100 * row[name]['frame_error']:.1f}" for row in speech["conditions"].values()),
            f"{100 * speech['noise_taken_for_speech'][name]:.1f}",
            f"{spent_ms:.1f}",
        ]
        for name, spent_ms in own["processor_ms_for_3_s"].items()
    ]
    header = ["frames judged wrongly, %", *speech["conditions"], "noise taken for speech, %"]
    return table([*header, "3 s of sound, ms"], rows)


def ears_voices(own: Any) -> str:
    """A row a kind of mixture and listener: several at once, and changes of voice."""
    rows = []
    for kind in ("plain", "as in training"):
        changes = own[kind]["changes"]
        for name, row in own[kind]["several"]["systems"].items():
            cells = [
                f"{row['f1']:.2f}",
                *(f"{100 * row[key]:.0f}" for key in ("precision", "recall")),
            ]
            said = [f"{100 * changes[key]:.0f}" for key in ("found", "right_of_those_said")]
            rows.append([f"{kind}: {name}", *cells, *(said if name == "ears" else ["–", "–"])])
    header = ["mixtures", "several at once: F1", "precision, %", "recall, %"]
    return table([*header, "changes of voice found, %", "of those said, right, %"], rows)


def ears_company(own: Any) -> str:
    """A row a kind of clip: how many are said to hold several voices."""
    rows = [
        [name, str(row["clips"]), f"{100 * row['several']:.1f}"]
        for name, row in own["company"].items()
    ]
    return table(["clip", "clips", "several voices, %"], rows)


BLOCKS = {
    "ears_speech": drawn(ears_speech, "ears"),
    "ears_voices": drawn(ears_voices, "ears"),
    "ears_company": drawn(ears_company, "ears"),
}
