"""The tables of live streams and of short clips."""

from __future__ import annotations

from typing import Any

from benchmarks.harness.result_files import drawn, table


def loudest_cuts(own: Any) -> str:
    """A row a length: how many clean clips are refused once they are cut to it, and why."""
    cuts = own["cuts"]
    reasons = ("ok", "too_short", "too_noisy", "clipped", "no_speech")
    rows = [
        [f"the loudest {length}", *(str(found.get(reason, 0)) for reason in reasons)]
        for length, found in cuts["verdicts"].items()
    ]
    names = [f"`{reason}`" for reason in reasons]
    return table([f"{cuts['clips']} clean clips cut to", *names], rows)


def words_together(own: Any) -> str:
    """What becomes of single words."""
    words, mixing, enrolling = own["words"], own["mixing"], own["enrolling"]
    rows = [
        [f"`too_short`, of {words['words']} one by one", str(words["too_short_alone"])],
        [f"`too_short`, of {words['words_together']} in threes", str(words["too_short_together"])],
        ["– no answer, as unlike each other", str(words["unlike_together"])],
        ["– left out, as unlike the other two", str(words["left_out"])],
        [f"accepted, of {enrolling['words']} to enroll with", str(enrolling["accepted"])],
        [f"– people enrolled, of {enrolling['people']}", str(enrolling["enrolled"])],
        [f"mixed in, of {mixing['moments']} of somebody else", str(mixing["mixed"])],
    ]
    return table(["one-second words", "words"], rows)


def word_likeness(own: Any) -> str:
    """A row a limit on the log-likelihood ratio."""
    rows = [
        [limit, *(f"{100 * figure:.1f}" for figure in shares.values())]
        for limit, shares in own["likeness"].items()
    ]
    return table(["log-likelihood ratio of at least", "own words below, %", "others', %"], rows)


def early_answers(own: Any) -> str:
    """Members and guests, a row each."""
    rows = [
        [
            f"{name}, {each['clips']} clips",
            str(each["early"]),
            "–" if each["early_median_s"] is None else f"{each['early_median_s']:.1f} s",
            str(each["early_right"]),
            str(each["right"]),
        ]
        for name, each in own["early"].items()
        if name != "homes"
    ]
    header = [
        "who speaks",
        "answered early",
        "after, median",
        "early and right",
        "right at the end",
    ]
    return table(header, rows)


def long_streams(own: Any) -> str:
    """What a day and many streams cost."""
    day, many = own["day"], own["streams"]
    memory = day["memory_mb_after_each_hour"]
    rows = [
        [
            f"memory of the process after an hour, and after {day['hours']}",
            f"{memory[0]:.0f} and {memory[-1]:.0f} MB",
        ],
        ["processor time for that stream", f"{day['processor_s']:.0f} s"],
        [f"{many['streams']} streams at once: memory each", f"{many['memory_mb_each']:.1f} MB"],
        ["– processor time for a second of talk", f"{many['processor_ms_per_second']:.0f} ms"],
    ]
    return table(["streams", ""], rows)


BLOCKS = {
    "loudest_cuts": drawn(loudest_cuts, "short_clips"),
    "words_together": drawn(words_together, "short_clips"),
    "early_answers": drawn(early_answers, "streaming"),
    "long_streams": drawn(long_streams, "streaming"),
    "word_likeness": drawn(word_likeness, "short_clips"),
}
