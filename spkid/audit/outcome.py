"""What an audit and a comparison give back: a verdict, tables, a record, a page."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pandas as pd

from spkid.audit.cohorts.findings import Findings
from spkid.audit.comparison import Comparison
from spkid.audit.origin import renamed
from spkid.audit.report.comparison_page import (
    comparison_figures,
    comparison_files,
    comparison_left_out,
    comparison_record,
    comparison_verdict,
    said_of_systems,
)
from spkid.audit.report.page import audit_page
from spkid.audit.report.record import TABLES, audit_record, headline_figures, record_files
from spkid.audit.report.tables import TextTable, audit_tables, comparison_table
from spkid.audit.report.words import left_out_lines, verdict
from spkid.audit.study import Check
from spkid.data.left_out import LeftOut
from spkid.errors import SpkidError
from spkid.printing import write_page

FILES = (  # of an audit, and of a comparison
    *("audit.html", "audit.pdf", "audit.json", *(f"{name}.csv" for name in TABLES)),
    *("compare.html", "compare.pdf", "compare.json", "compare.csv"),
)
Figures = dict[str, dict[str, float]]  # by grouping and name; what a condition may name


@dataclass(frozen=True)
class AuditResult:
    """What an audit found; ``findings`` holds every table, cohort and note behind it."""

    findings: Findings = field(repr=False)

    @property
    def verdict(self) -> str:
        """Three plain sentences, a line each."""
        return "\n".join(verdict(self.findings))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on how the input was read and what was left out."""
        return (*self.findings.audit.notes, *self.findings.notes)

    @property
    def left_out(self) -> tuple[LeftOut, ...]:
        """Trials and speakers that are not counted, by reason."""
        return self.findings.audit.left_out

    @property
    def checks(self) -> tuple[Check, ...]:
        """What of the study bears on every figure: who dominates it, what gives it away."""
        return self.findings.checks

    @property
    def figures(self) -> Figures:
        """By grouping: GARBE, gaps and ratios, and the number of certain differences."""
        return headline_figures(self.findings)

    def counted(self) -> list[str]:
        """Sentences on what is not counted and on the study, to stand before all figures."""
        return [*left_out_lines(self.findings.audit), *(each.words for each in self.checks)]

    def groups(self, name: str) -> pd.DataFrame:
        """The table of one grouping, as :attr:`GroupAudit.groups` describes it.

        Raises
        ------
        SpkidError
            If ``name`` is not one of the groupings that the audit was made ``by``.
        """
        sections = {section.name: section for section in self.findings.audit.groupings}
        if name not in sections:
            raise SpkidError(
                f"no groups by {name!r}",
                expected=f"one of {', '.join(sections)}",
                do="name one of these, or audit by that column too",
            )
        return sections[name].groups.copy()

    def tables(self) -> list[TextTable]:
        """Rates by group and the worst cohorts, as the command line prints them."""
        return list(audit_tables(self.findings))

    def record(self) -> dict[str, Any]:
        """Everything as plain values, as ``audit.json`` has it."""
        return audit_record(self.findings)

    def made_by(self, command: str) -> AuditResult:
        """The same with ``command`` as what made it, for its page and record."""
        return AuditResult(replace(self.findings, origin=renamed(self.findings.origin, command)))

    def save(self, folder: str | Path, *, pdf: bool = False) -> Path:
        """Write ``audit.html``, ``audit.json`` and the tables as CSV; returns the page's path.

        With ``pdf`` an installed Chromium, Chrome or Edge prints ``audit.pdf`` too, with tags for
        screen readers.

        Raises
        ------
        SpkidError
            As :func:`spkid.printing.write_page`.
        """
        files = {"audit.html": audit_page(self.findings), **record_files(self.findings)}
        return write_page(files, folder, pdf=pdf)


@dataclass(frozen=True)
class ComparisonResult:
    """How a second system differs from a first; ``comparison`` holds the table behind it."""

    comparison: Comparison = field(repr=False)

    @property
    def verdict(self) -> str:
        """Three plain sentences, a line each."""
        return "\n".join(comparison_verdict(self.comparison))

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences on how the input was read."""
        return tuple(said_of_systems(self.comparison.notes))

    @property
    def left_out(self) -> tuple[tuple[str, LeftOut], ...]:
        """What is not counted, by system and reason; the system is empty where it is so of both."""
        return self.comparison.left_out

    @property
    def checks(self) -> tuple[tuple[str, Check], ...]:
        """What of the study bears on every figure, by system as in ``left_out``."""
        return self.comparison.checks

    def counted(self) -> list[str]:
        """Sentences on what is not counted and on the study, to stand before all figures."""
        return [*comparison_left_out(self.comparison), *said_of_systems(self.comparison.checks)]

    @property
    def figures(self) -> Figures:
        """By grouping: the second system's figures, and each change as ``change_<figure>``."""
        return comparison_figures(self.comparison)

    def tables(self) -> list[TextTable]:
        """Every figure with its change, as the command line prints it."""
        return [comparison_table(self.comparison)]

    def record(self) -> dict[str, Any]:
        """Everything as plain values, as ``compare.json`` has it."""
        return comparison_record(self.comparison)

    def made_by(self, command: str) -> ComparisonResult:
        """The same with ``command`` as what made it, for its page and record."""
        origin = renamed(self.comparison.origin, command)
        return ComparisonResult(replace(self.comparison, origin=origin))

    def save(self, folder: str | Path, *, pdf: bool = False) -> Path:
        """Write ``compare.html``, ``compare.json`` and ``compare.csv``; returns the page's path.

        With ``pdf`` also ``compare.pdf``, as :meth:`AuditResult.save`.
        """
        return write_page(comparison_files(self.comparison), folder, pdf=pdf)
