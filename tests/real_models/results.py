"""The numbers of `make real`, in `benchmarks/real.json` and as the table "Real weights" of `benchmarks/README.md`."""

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report import machine

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
BEGIN_MARKER, END_MARKER = "<!-- real weights -->", "<!-- end of real weights -->"


@dataclass(frozen=True, slots=True)
class Result:
    """One number: of which model, what was run, against what, what was found and what is wanted."""

    model: str
    run: str
    reference: str
    found: str
    wanted: str


@dataclass(slots=True)
class Results:
    """What a run of the tests has found so far."""

    measured_on: dict[str, Any] = field(default_factory=machine)
    rows: list[Result] = field(default_factory=list)

    def add(self, model: str, run: str, reference: str, found: str, wanted: str) -> None:
        """Keep one number."""
        self.rows.append(Result(model, run, reference, found, wanted))

    def write(self, folder: Path = BENCHMARKS) -> None:
        """Write real.json and the table."""
        measured_at = datetime.now(UTC).isoformat(timespec="seconds")
        kept = {"measured_at": measured_at, "machine": self.measured_on, "rows": [asdict(row) for row in self.rows]}
        (folder / "real.json").write_text(json.dumps(kept, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        page = folder / "README.md"
        before, rest = page.read_text(encoding="utf-8").split(BEGIN_MARKER)
        after = rest.split(END_MARKER)[1]
        page.write_text(f"{before}{BEGIN_MARKER}\n{self._table(measured_at)}\n{END_MARKER}{after}", encoding="utf-8")

    def _table(self, measured_at: str) -> str:
        facts = self.measured_on
        versions = ", ".join(f"{name} {number}" for name, number in facts["versions"].items())
        lines = [
            f"{measured_at}: {facts['platform']}, {facts['cores']} cores, load {facts['load_average_before'][0]} before. {versions}.",
            "",
            "| model | what was run | reference | found | wanted |",
            "|---|---|---|---|---|",
        ]
        rows = sorted(self.rows, key=lambda row: (row.model, row.run))
        return "\n".join([*lines, *(f"| {' | '.join(asdict(row).values())} |" for row in rows)])


def p90(values: Sequence[float]) -> float:
    """Return the 90th percentile."""
    return statistics.quantiles(values, n=10, method="inclusive")[-1]
