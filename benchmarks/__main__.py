"""Run every measurement, print the table, write results.json beside this file."""

import dataclasses
import json
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import clients, eviction, memory, overhead, responsiveness, starters, tools
from benchmarks.instance import describe_machine, running
from benchmarks.row import Row
from tests.checkpoints import llama

RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Measure and report; the exit code does not judge, a person does."""
    with tempfile.TemporaryDirectory(prefix="senses-bench-") as folder:
        checkpoint = Path(folder) / "tiny"
        llama.build_scripted(checkpoint)
        rows = measure(checkpoint)
    Console().print(table(rows))
    RESULTS.write_text(json.dumps(report(rows), indent=1) + "\n", encoding="utf-8")


def measure(checkpoint: Path) -> list[Row]:
    """Start one instance for the clients' numbers and one for the models'."""
    with running() as instance:
        rows = [Row("start → ready", instance.ready_seconds, "s", 2, "senses serve → first answer of /health")]
        rows += clients.measure(instance)
        rows += tools.measure(instance)
    with running(f'[models.tiny]\npath = "{checkpoint}"\n') as instance:
        rows += overhead.measure(instance, "tiny", checkpoint)
        rows += responsiveness.measure(instance)
        rows += memory.measure(instance, "vlm-starter")
        rows += starters.measure(instance)
    return [*rows, *eviction.measure()]


def table(rows: list[Row]) -> Table:
    """The rows as people read them."""
    shown = Table("what", "value", "unit", "target", "", "how", title="Senses, measured")
    for row in rows:
        shown.add_row(row.name, f"{row.value:.2f}", row.unit, row.wanted, "✓" if row.ok else "✗", row.how)
    return shown


def report(rows: list[Row]) -> dict[str, object]:
    """The rows with what they were measured on."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": describe_machine(),
        "rows": [dataclasses.asdict(row) | {"ok": row.ok} for row in rows],
    }


if __name__ == "__main__":
    main()
