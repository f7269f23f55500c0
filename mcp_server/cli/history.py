"""`senses history`: what the daemon did in the last hour or day, as tables."""

import time
from collections.abc import Callable, Mapping
from typing import Any

from mcp_server.cli.table import align_columns

HEADER = ("Requests", "Failed", "p50", "p95", "First output", "Speed", "Loads", "Evictions")
RANGES = {"hour": "In the last hour", "day": "In the last day"}


def history_text(history: Mapping[str, Any], count: int, local_time: Callable[[float], str]) -> str:
    """Return a history with the last `count` events. `local_time` says a time in seconds since the epoch."""
    total = history["total"]
    if not (total["requests"] or history["activity"]):
        return f"{RANGES[history['range']]} nothing happened."
    rows = {"in total": total, **history["models"], **{f"for {name}": one for name, one in history["clients"].items()}}
    table = [("", *HEADER), *((name, *summary_cells(summary)) for name, summary in rows.items())]
    events = [f"  {local_time(event['at'])}  {event_text(event)}" for event in history["activity"][:count]]
    return "\n".join([f"{RANGES[history['range']]}:", align_columns(table), *(["Last:", *events] if events else [])])


def summary_cells(summary: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the cells of a row below `HEADER`; "–" for what is unknown."""
    return (
        str(summary["requests"]),
        str(summary["failed"]),
        seconds_text(summary["seconds_p50"]),
        seconds_text(summary["seconds_p95"]),
        seconds_text(summary["first_output_seconds"]),
        speed_text(summary),
        str(summary["loads"]),
        str(summary["evictions"]),
    )


def event_text(event: Mapping[str, Any]) -> str:
    """Return what happened: a sentence, or a request with its client, model, time and outcome."""
    if event["kind"] != "request":
        return str(event["text"])
    outcome = event["error"] or event["result"]
    parts = (event["client"], event["model"], seconds_text(event["seconds"]), speed_text(event), outcome)
    return " · ".join(part for part in parts if part not in ("", "–"))


def seconds_text(seconds: float | None) -> str:
    """Return seconds with two digits or so; "–" for none."""
    return "–" if seconds is None else f"{seconds:.3g} s"


def speed_text(measured: Mapping[str, Any]) -> str:
    """Return a speed in the unit of its medium; "–" where there is none."""
    return f"{measured['speed']:.3g} {measured['speed_unit']}" if measured.get("speed") else "–"


def clock_text(at: float) -> str:
    """Return a time as this machine's clock shows it."""
    return time.strftime("%H:%M:%S", time.localtime(at))
