"""Audits of random small tables: a page, or a plain refusal, whatever is in them.

    python -m benchmarks.audit_pages --tables 10000

Odd names and values, empty groups, one speaker, equal scores, scores of any size; audits,
comparisons and logs of homes. A finding is any error but a plain refusal, any warning, a `nan` or
`inf` on a page, in its plots or in what is printed, and a number on a page that its JSON does not
hold. The numbers along the axes of plots are not looked for: they are no results.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.harness.benchmark import Benchmark, Figures
from benchmarks.harness.kept import kept_figures
from benchmarks.pages.audit_tables import audit_pages
from spkid.audit import AuditResult, ComparisonResult, face
from spkid.encoder.vectors import EmbeddingTable
from spkid.errors import SpkidError

AT_ONCE = 100  # tables in a part that is kept
MOST_SHOWN = 5  # findings in the result
N_RESAMPLES = 20  # few: the page is what is tried, not the intervals
GROUPS = (
    *("north", "south", "F", "f", "F ", "é", "e\u0301", "<b>x</b>", '"it\'s" & co', "$5-$9", "=1"),
    *(
        "中文的名字很长很长很长很长很长很长",
        "a" * 90,
        "\u202eback",
        "0",
        "1.50",
        "together: a, b",
        "95 %",
    ),
    *("", "nan", "N/A", "None", "?"),
)
DIGEST = re.compile(r"sha256 [0-9a-f]+")  # of a file: may look like a number
NUMBER = re.compile(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?(?!\w)")
UNKNOWN = re.compile(r"(?<![\w'’\"])[-+]?(?:nan|inf|infinity)(?![\w'’\"])", re.IGNORECASE)


class _Text(HTMLParser):
    """``shown``: what a page says outside its pictures; ``drawn``: what its pictures hold."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.shown: list[str] = []
        self.drawn: list[str] = []
        self._inside = Counter[str]()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside[tag] += 1
        if self._inside["svg"]:
            self.drawn += [value or "" for _, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        self._inside[tag] -= 1

    def handle_data(self, data: str) -> None:
        if not self._inside["style"]:
            (self.drawn if self._inside["svg"] else self.shown).append(data)


def problems(page: str, record: Any, printed: str = "") -> list[str]:
    """What is wrong with a page beside its JSON, and with what was printed."""
    text = _Text(page)
    found = [
        f"{word.group()!r} {where}"
        for where, said in (
            ("on the page", " ".join(text.shown)),
            ("in a picture", " ".join(text.drawn)),
            ("in what is printed", printed),
        )
        for word in UNKNOWN.finditer(said)
    ]
    known = set(numbers_of(record))
    for part in text.shown:
        lacking = [
            number for number in NUMBER.findall(DIGEST.sub("", part)) if plain(number) not in known
        ]
        found += [f"{number!r} of {part.strip()[:80]!r} is not in the JSON" for number in lacking]
    return found


def plain(number: str) -> str:
    """A number as written, without commas between its digits."""
    return number.replace(",", "")


def numbers_of(value: Any) -> Iterator[str]:
    """Every number in a JSON value, in each way in which a page writes one, without its sign."""
    if isinstance(value, dict):
        for name, each in value.items():
            yield from map(plain, NUMBER.findall(name))
            yield from numbers_of(each)
    elif isinstance(value, list):
        for each in value:
            yield from numbers_of(each)
    elif isinstance(value, str):
        yield from map(plain, NUMBER.findall(value))
    elif isinstance(value, float | int) and not isinstance(value, bool):
        size = abs(value)
        yield from (f"{size:.2f}", f"{size:.3f}", f"{size:.4g}", f"{size:g}", str(size))
        yield from (f"{100 * size:.1f}", f"{100 * size:.2f}")


@dataclass(frozen=True)
class Tables:
    """Something to audit; ``kind`` is ``audit``, ``compare`` or ``decisions``."""

    kind: str
    scores: pd.DataFrame
    others: pd.DataFrame
    log: pd.DataFrame
    homes: pd.DataFrame
    people: pd.DataFrame
    by: list[str]
    embeddings: EmbeddingTable | None
    options: dict[str, Any]


def random_tables(seed: int) -> Tables:
    """Small, odd, and the same for one seed."""
    rng = np.random.default_rng(seed)
    n_speakers = int(rng.choice([1, 2, 3, 12, 24, 45], p=[0.05, 0.05, 0.1, 0.2, 0.4, 0.2]))
    speakers = [f"s{number}" for number in range(n_speakers)]
    names = rng.choice(np.array(GROUPS, dtype=object), int(rng.integers(1, 7)), replace=False)
    weights = rng.dirichlet(np.full(len(names), rng.choice([0.3, 3.0])))
    people = pd.DataFrame(
        {
            "speaker": speakers,
            "group": rng.choice(names, n_speakers, p=weights),
            "age": [
                f"{age:g}" if rng.random() < 0.9 else "" for age in rng.integers(3, 90, n_speakers)
            ],
        }
    )
    by_clip = rng.random() < 0.4
    n_clips = 4 if by_clip else 1
    if by_clip:
        people = people.loc[people.index.repeat(n_clips)].reset_index(drop=True)
        people["path"] = [f"{name}/{at % n_clips}.wav" for at, name in enumerate(people["speaker"])]
        people["duration"] = rng.integers(1, 6, len(people)).astype(str)
    key = "path" if by_clip else "speaker"
    called, spoke = (people[column].to_numpy() for column in (key, "speaker"))
    rows = []
    for _ in range(int(rng.choice([3, 40, 300, 1500], p=[0.05, 0.2, 0.5, 0.25]))):
        one, other = rng.integers(len(people), size=2)
        if rng.random() < 0.4:
            other = one // n_clips * n_clips + rng.integers(n_clips)
        rows.append((called[one], called[other], spoke[one] == spoke[other]))
    scores = pd.DataFrame(rows, columns=["enroll", "test", "label"])
    scores["score"] = random_scores(scores["label"].to_numpy(bool), rng)
    vectors = None
    if rng.random() < 0.1:
        drawn = rng.normal(size=(len(people), 6))
        drawn /= np.linalg.norm(drawn, axis=1, keepdims=True)
        vectors = EmbeddingTable(
            {name: row for row, name in enumerate(people[key])}, drawn.astype(np.float32), "m"
        )
    options: dict[str, Any] = {"n_resamples": N_RESAMPLES, "seed": seed}
    kind = str(rng.choice(["audit", "compare", "decisions"], p=[0.7, 0.15, 0.15]))
    if kind != "decisions":
        options |= {"side": str(rng.choice(["both", "both", "enroll", "test"]))}
        options |= {} if rng.random() < 0.8 else {"threshold": float(rng.normal(scale=3))}
    grouped = [["group"], ["group", "age:18/65"], ["age:q4"], ["group*age:18/65"], ["age", "group"]]
    log = random_log(speakers, rng)
    homes = pd.DataFrame({"household": log["household"].unique()})
    homes["kind"] = rng.choice(names, len(homes))
    return Tables(
        kind=kind,
        scores=scores,
        others=scores.assign(score=random_scores(scores["label"].to_numpy(bool), rng)),
        log=log,
        homes=homes,
        people=people.sample(frac=rng.choice([1.0, 0.9]), random_state=seed),
        by=grouped[int(rng.integers(len(grouped)))],
        embeddings=vectors,
        options=options,
    )


def random_scores(label: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Good, useless, equal, whole, all right, wrong way round, huge, tiny, or not finite."""
    n = len(label)
    kinds = [
        3 * label + rng.normal(size=n),
        rng.normal(size=n),
        np.round(2 * label + rng.normal(size=n)),
        label.astype(float),
        1 - label + 0.0,
        np.full(n, 0.5),
        1e300 * rng.normal(size=n),
        1e-300 * (label + rng.normal(size=n)),
        1e6 + label + rng.normal(size=n),
        np.where(rng.random(n) < 0.01, rng.choice([np.nan, np.inf, -np.inf]), rng.normal(size=n)),
    ]
    odds = [10, 3, 3, 2, 1, 0.5, 0.5, 2, 2, 0.5]
    return kinds[int(rng.choice(len(kinds), p=np.array(odds) / sum(odds)))]


def random_log(speakers: list[str], rng: np.random.Generator) -> pd.DataFrame:
    """Answers that some homes were given."""
    n = int(rng.choice([2, 30, 400]))
    who = rng.choice(speakers, n)
    truth = np.where(rng.random(n) < rng.choice([0.0, 0.6, 1.0], p=[0.1, 0.8, 0.1]), who, "")
    answer = np.where(rng.random(n) < 0.8, truth, rng.choice([*speakers, ""], n))
    homes = rng.choice([f"h{number}" for number in range(int(rng.choice([1, 12])))], n)
    return pd.DataFrame({"household": homes, "speaker": who, "truth": truth, "answer": answer})


def audited(tables: Tables, folder: Path) -> AuditResult | ComparisonResult:
    """What the audit makes of ``tables``."""
    if tables.kind == "compare":
        return face.compare(
            tables.scores, tables.others, tables.people, by=tables.by, **tables.options
        )
    if tables.kind == "decisions":
        log = folder / "log.csv"
        tables.log.to_csv(log, index=False)
        kinds = {} if tables.homes["kind"].nunique() < 3 else {"homes": tables.homes}
        by = [*tables.by, *("kind" for _ in kinds)]
        return face.decisions(log, tables.people, by=by, **kinds, **tables.options)
    return face.audit(
        tables.scores,
        tables.people,
        by=tables.by,
        embeddings=tables.embeddings,
        **tables.options,
    )


def try_one(seed: int) -> tuple[str, list[str]]:
    """``page`` or ``refused``, and what is wrong."""
    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            result = audited(random_tables(seed), Path(place))
            page = result.save(place)
            record = json.loads(page.with_suffix(".json").read_text(encoding="utf-8"))
            rows = [cell for table in result.tables() for row in table.rows for cell in row]
            printed = "\n".join([*result.counted(), *rows, result.verdict, *result.notes])
            return "page", problems(page.read_text(encoding="utf-8"), record, printed)
        except SpkidError:
            return "refused", []
        except Exception:
            return "error", traceback.format_exc().splitlines()[-3:]


def try_many(first: int, n_tables: int) -> Figures:
    """Counts of outcomes, and findings with their seeds."""
    began = time.process_time()
    outcomes, findings = Counter[str](), []
    for seed in range(first, first + n_tables):
        outcome, wrong = try_one(seed)
        outcomes[outcome] += 1
        findings += [f"{seed}: {line}" for line in wrong]
    seconds = time.process_time() - began
    return {"outcomes": dict(outcomes), "findings": findings, "seconds": seconds}


def measure(tables: int = 10_000) -> Figures:
    """Outcomes and findings over so many tables; a stopped run goes on with the next hundred."""
    firsts = range(0, tables, AT_ONCE)
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        parts = list(pool.map(_part, firsts, [min(AT_ONCE, tables - first) for first in firsts]))
    outcomes = sum((Counter[str](part["outcomes"]) for part in parts), Counter[str]())
    findings = [line for part in parts for line in part["findings"]]
    return {
        "n_tables": sum(outcomes.values()),
        "n_pages": outcomes["page"],
        "n_refused": outcomes["refused"],
        "n_findings": len(findings),
        "findings": findings[:MOST_SHOWN],
        "processor_seconds": sum(part["seconds"] for part in parts),
    }


def _part(first: int, n_tables: int) -> Figures:
    settings = {"first": first, "n_tables": n_tables}
    found: Figures = kept_figures("audit_pages", settings, lambda: try_many(first, n_tables))
    return found


BENCHMARK = Benchmark(name="audit_pages", measure=measure, tables=(audit_pages,), seed=0)

if __name__ == "__main__":
    BENCHMARK.main()
