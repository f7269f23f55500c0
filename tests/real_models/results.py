"""The numbers of `make real`, in `benchmarks/real.json` and as the table "Real weights" of `benchmarks/README.md`."""

import json
import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report import machine

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
BEGIN_MARKER, END_MARKER = "<!-- real weights -->", "<!-- end of real weights -->"


@dataclass(frozen=True, slots=True)
class Result:
    """One number: of which model, what was run, against what, what was found, what is wanted, and when."""

    model: str
    run: str
    reference: str
    found: str
    wanted: str
    date: str


@dataclass(slots=True)
class Results:
    """What a run of the tests has found so far."""

    measured_on: dict[str, Any] = field(default_factory=machine)
    rows: list[Result] = field(default_factory=list)

    def add(self, model: str, run: str, reference: str, found: str, wanted: str) -> None:
        """Keep one number."""
        self.rows.append(Result(model, run, reference, found, wanted, datetime.now(UTC).date().isoformat()))

    def write(self, folder: Path = BENCHMARKS) -> None:
        """Write real.json and the table. What was not asked this time keeps its number."""
        file, page = folder / "real.json", folder / "README.md"
        before = json.loads(file.read_text(encoding="utf-8"))["rows"] if file.exists() else []
        asked = {_kind(asdict(row)) for row in self.rows}
        kept = [row for row in before if _kind(row) not in asked]
        rows = sorted([*kept, *map(asdict, self.rows)], key=lambda row: (row["model"], row["run"]))
        content = json.dumps({"machine": self.measured_on, "rows": rows}, indent=1, ensure_ascii=False)
        file.write_text(content + "\n", encoding="utf-8")
        head, rest = page.read_text(encoding="utf-8").split(BEGIN_MARKER)
        tail = rest.split(END_MARKER)[1]
        page.write_text(f"{head}{BEGIN_MARKER}\n{self._table(rows)}\n{END_MARKER}{tail}", encoding="utf-8")

    def _table(self, rows: Sequence[Mapping[str, str]]) -> str:
        facts = self.measured_on
        versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
        load = facts["load_average_before"][0]
        lines = [
            f"{facts['platform']}, {facts['cores']} cores, load {load} before the last run. {versions}.",
            "",
            "| model | what was run | reference | found | wanted | date |",
            "|---|---|---|---|---|---|",
        ]
        return "\n".join([*lines, *(f"| {' | '.join(row.values())} |" for row in rows)])


def _kind(row: Mapping[str, str]) -> tuple[str, str]:
    """Return what a row is about: as many clips or tokens as were asked before, or more."""
    return row["model"], re.sub(r"\d+", "", row["run"])


def p90(values: Sequence[float]) -> float:
    """Return the 90th percentile."""
    return statistics.quantiles(values, n=10, method="inclusive")[-1]
