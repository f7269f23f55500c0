"""The rows as people and programs read them: on the terminal, in results.json, and in README.md between its marks."""

import dataclasses
import os
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
from rich.table import Table

from benchmarks.row import Row

BEGIN_MARKER, END_MARKER = "<!-- results -->", "<!-- end of results -->"
LIBRARIES = ("mlx", "mlx-vlm", "mlx-lm", "mlx-whisper", "mlx-audio", "mflux", "mcp")
RowsByTitle = Mapping[str, Sequence[Row]]
"""Title → rows."""


def machine() -> dict[str, Any]:
    """What the numbers are measured on; ask before measuring, for the load of others."""
    return {
        "platform": sys.platform,
        "cores": psutil.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": sys.version.split()[0],
        "load_average_before": [round(load, 2) for load in os.getloadavg()],
        "versions": {name: version(name) for name in LIBRARIES},
    }


def on_terminal(groups: RowsByTitle) -> Table:
    """One table with a section for each group."""
    table = Table("what", "value", "target", "", "how", title="Senses, measured")
    for title, rows in groups.items():
        table.add_section()
        table.add_row(f"[bold]{title}")
        for row in rows:
            table.add_row(row.name, row.value_text, row.target_text, row.verdict_mark, row.how)
    return table


def as_json(groups: RowsByTitle, measured_on: Mapping[str, Any], seconds: float) -> dict[str, Any]:
    """Everything, for programs; `seconds` is what the whole run took."""
    return {
        "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": round(seconds),
        "machine": dict(measured_on),
        "rows": [
            dataclasses.asdict(row) | {"group": title, "ok": row.ok} for title, rows in groups.items() for row in rows
        ],
    }


def as_markdown(results: Mapping[str, Any]) -> str:
    """What results.json holds, as a table."""
    machine_facts = results["machine"]
    versions = ", ".join(f"{name} {number}" for name, number in machine_facts["versions"].items())
    load = machine_facts["load_average_before"][0]
    machine = f"{machine_facts['platform']}, {machine_facts['cores']} cores, {machine_facts['memory_gb']} GB, Python {machine_facts['python']}, load {load} before"
    lines = [
        f"{results['measured_at']}, {results['seconds']} s: {machine}. {versions}.",
        "",
        "| what | value | target | | how |",
        "|---|---|---|---|---|",
    ]
    group = ""
    for fields in results["rows"]:
        if fields["group"] != group:
            group = fields["group"]
            lines.append(f"| **{group}** | | | | |")
        lines.append(_line(Row(**{field.name: fields[field.name] for field in dataclasses.fields(Row)})))
    return "\n".join(lines)


def _line(row: Row) -> str:
    return f"| {row.name} | {row.value_text} | {row.target_text} | {row.verdict_mark} | {row.how.replace('|', '/')} |"


def replace_between_markers(page: Path, text: str) -> None:
    """Write the table into a page, in place of the one before."""
    before, rest = page.read_text(encoding="utf-8").split(BEGIN_MARKER)
    _, after = rest.split(END_MARKER)
    page.write_text(f"{before}{BEGIN_MARKER}\n{text}\n{END_MARKER}{after}", encoding="utf-8")
