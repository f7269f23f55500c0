"""Sums and rates over rows of the history: what people read. Pure."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from model_runtime.history.buckets import Row
from model_runtime.history.histogram import quantile


@dataclass(frozen=True, slots=True)
class Summary:
    """What happened in a time, to one model, one client or all of them. None: nothing was measured."""

    requests: int
    """All that ended; `failed` and `cancelled` ones among them."""
    failed: int
    cancelled: int
    seconds_p50: float | None
    """From arrival to answer, of the requests that succeeded, estimated from a histogram."""
    seconds_p95: float | None
    queued_seconds: float | None
    """The mean of those that succeeded, as `first_output_seconds`."""
    first_output_seconds: float | None
    speed: float | None
    speed_unit: str
    """ "tokens/s", "s/image", "× real time", or empty where models of several kinds come together."""
    loads: int
    failed_loads: int
    load_seconds: float
    unloads: int
    evictions: int


def summarize(rows: Iterable[Row]) -> Summary:
    """Return the summary of rows."""
    total, units = Row(), set[str]()
    for row in rows:
        total.add(row)
        units |= {row.unit} - {""}
    ok, unit = total["ok"], units.pop() if len(units) == 1 else ""
    speed, speed_unit = speed_of(total["amount"], total["amount_seconds"], unit)
    return Summary(
        requests=int(ok + total["failed"] + total["cancelled"]),
        failed=int(total["failed"]),
        cancelled=int(total["cancelled"]),
        seconds_p50=quantile(total.durations, 0.5),
        seconds_p95=quantile(total.durations, 0.95),
        queued_seconds=_mean(total["queued_seconds"], ok),
        first_output_seconds=_mean(total["first_output_seconds"], total["first_outputs"]),
        speed=speed,
        speed_unit=speed_unit,
        loads=int(total["loads"]),
        failed_loads=int(total["failed_loads"]),
        load_seconds=total["load_seconds"],
        unloads=int(total["unloads"]),
        evictions=int(total["evictions"]),
    )


def speed_of(amount: float, seconds: float, unit: str) -> tuple[float | None, str]:
    """Return the throughput in the unit of the medium, and that unit; None and "" where there is none."""
    if amount <= 0 or seconds <= 0 or not unit:
        return None, ""
    match unit:
        case "images":
            return seconds / amount, "s/image"
        case "tokens":
            return amount / seconds, "tokens/s"
        case _:
            return amount / seconds, "× real time"


def by_model(rows: Iterable[tuple[tuple[str, str], Row]]) -> dict[str, list[Row]]:
    """Group rows by model."""
    return _grouped((model, row) for (model, _), row in rows)


def by_client(rows: Iterable[tuple[tuple[str, str], Row]]) -> dict[str, list[Row]]:
    """Group rows with requests by client; a client without a name is ""."""
    return _grouped((client, row) for (_, client), row in rows if row["ok"] + row["failed"] + row["cancelled"])


def _grouped(rows: Iterable[tuple[str, Row]]) -> dict[str, list[Row]]:
    groups: defaultdict[str, list[Row]] = defaultdict(list)
    for name, row in rows:
        groups[name].append(row)
    return dict(groups)


def _mean(total: float, count: float) -> float | None:
    return total / count if count else None
