"""The lines of the history's file. Each is a JSON array whose first value names its kind; `read` skips all others.

    ["request", at, model, client, task, code, queued, loading, running, first output or null, amount]
    ["load", at, model, seconds, code]   ["unload", at, model, reason, detail]   ["start", at]
    ["sample", at, {model: bytes}, running, waiting]

`compact` replaces them with totals, so that the file stays small. An event that is among the last ones is then written
once more with "last " before its kind: it is shown, and is in the totals already.

    ["row", range, start, model, client, unit, [numbers]]   ["peak", range, start, {model: bytes}, running, waiting]
"""

import json
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Any

from model_runtime.history.buckets import NUMBERS, Row
from model_runtime.history.events import (
    MAX_NAME_CHARS,
    DaemonStarted,
    HistoryEvent,
    LoadEnded,
    ModelUnloaded,
    RequestEnded,
    Sampled,
)
from model_runtime.history.history import History
from model_runtime.requests import Task

LAST = "last "
MAX_DETAIL_CHARS = 160


def encode(event: HistoryEvent) -> str:
    """Return the line of an event, without its newline."""
    return json.dumps(_values(event), ensure_ascii=False, separators=(",", ":"))


def read(lines: Iterable[str]) -> History:
    """Return the history that lines describe; those that are cut off, damaged or unknown are skipped."""
    history = History()
    for line in lines:
        try:
            _apply(history, json.loads(line))
        except (ValueError, TypeError, KeyError, IndexError, OverflowError, AttributeError, RecursionError):
            continue
    return history


def compact(history: History) -> Iterator[str]:
    """Yield lines that describe the same history, as few as possible."""
    for name, tier in history.tiers.items():
        for start, bucket in sorted(tier.buckets.items()):
            for (model, client), row in bucket.rows.items():
                yield _line("row", name, start, model, client, row.unit, [_short(one) for one in row.numbers])
            yield _line("peak", name, start, bucket.memory_bytes, bucket.running, bucket.waiting)
    for event in (*history.requests, *history.changes):
        kind, *values = _values(event)
        yield _line(LAST + kind, *values)


def _short(number: float) -> float:
    return int(number) if number.is_integer() else round(number, 3)


def _line(*values: Any) -> str:
    return json.dumps(values, ensure_ascii=False, separators=(",", ":"))


def _values(event: HistoryEvent) -> list[Any]:
    at = round(event.at, 3)
    match event:
        case RequestEnded():
            seconds = (event.queued_seconds, event.loading_seconds, event.running_seconds, event.first_output_seconds)
            times = [None if one is None else round(one, 3) for one in seconds]
            who = [_cut(event.model), _cut(event.client), event.task.value, _cut(event.code)]
            return ["request", at, *who, *times, round(event.amount, 3)]
        case LoadEnded():
            return ["load", at, _cut(event.model), round(event.seconds, 3), event.code]
        case ModelUnloaded():
            return ["unload", at, _cut(event.model), _cut(event.reason), event.detail[:MAX_DETAIL_CHARS]]
        case DaemonStarted():
            return ["start", at]
        case Sampled():
            memory_bytes = {_cut(model): held for model, held in event.memory_bytes.items()}
            return ["sample", at, memory_bytes, event.running, event.waiting]


def _cut(name: str) -> str:
    return name[:MAX_NAME_CHARS]


def _apply(history: History, values: list[Any]) -> None:
    kind, *rest = values
    if kind == "row":
        name, start, model, client, unit, numbers = rest
        if len(numbers) != NUMBERS or not all(map(isfinite, numbers)):
            return
        added = Row(numbers, str(unit))
        history.tiers[name].bucket(_seconds(start)).row(str(model), str(client)).add(added)
    elif kind == "peak":
        name, start, memory_bytes, running, waiting = rest
        peak = _sampled([start, memory_bytes, running, waiting])
        history.tiers[name].bucket(peak.at).add(peak)
    elif kind.startswith(LAST):
        history.remember(_event(kind.removeprefix(LAST), rest))
    else:
        history.add(_event(kind, rest))


def _event(kind: str, values: list[Any]) -> HistoryEvent:
    match kind:
        case "request":
            at, model, client, task, code, *numbers = values
            queued, loading, running, first, amount = numbers
            times = _seconds(queued), _seconds(loading), _seconds(running)
            first_output = None if first is None else _seconds(first)
            return RequestEnded(
                _seconds(at), str(model), str(client), Task(task), str(code), *times, first_output, _seconds(amount)
            )
        case "load":
            at, model, seconds, code = values
            return LoadEnded(_seconds(at), str(model), _seconds(seconds), "ok" if code == "ok" else "failed")
        case "unload":
            at, model, reason, detail = values
            return ModelUnloaded(_seconds(at), str(model), str(reason), str(detail))
        case "start":
            return DaemonStarted(_seconds(values[0]))
        case "sample":
            return _sampled(values)
        case _:
            raise ValueError(kind)


def _sampled(values: list[Any]) -> Sampled:
    at, memory_bytes, running, waiting = values
    held = {str(model): int(count) for model, count in memory_bytes.items()}
    return Sampled(_seconds(at), held, int(running), int(waiting))


def _seconds(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError(value)
    return number
