"""What happened, as people read it: finished requests, loads, unloads and starts, from the one history."""

from collections.abc import Callable, Iterable
from dataclasses import asdict
from typing import Any

from model_runtime.history.events import UNITS, DaemonStarted, LifecycleEvent, LoadEnded, ModelUnloaded, RequestEnded
from model_runtime.history.history import History
from model_runtime.history.summary import speed_of
from model_runtime.requests import Task

MAX_ACTIVITY = 200
EVICTED = "evicted for "
"""How the reason of an eviction begins; the name of the model that needed the memory follows."""
RESULTS: dict[Task, str] = {
    Task.VISION: "text",
    Task.TEXT: "text",
    Task.IMAGE: "image",
    Task.TRANSCRIPTION: "transcript",
    Task.SPEECH: "sound",
    Task.EMBEDDING: "vectors",
}
"""Task → the kind of its result."""
UNLOAD_CAUSES = {
    "idle": "it was idle",
    "operator": "a person stopped it",
    "pressure": "the machine was short of memory",
    "shutdown": "Senses stopped",
    "load timeout": "its load made no progress",
}
"""Reason of an unload → what it means, as a clause; an eviction has its own words."""


def activity_json(requests: Iterable[RequestEnded], changes: Iterable[LifecycleEvent]) -> list[dict[str, Any]]:
    """Return the last finished requests and the last changes, the newest first."""
    events = [*map(request_json, requests), *map(change_json, changes)]
    return sorted(events, key=lambda event: float(event["at"]), reverse=True)[:MAX_ACTIVITY]


def request_json(ended: RequestEnded) -> dict[str, Any]:
    """Return a finished request."""
    speed, unit = speed_of(ended.amount, ended.running_seconds, UNITS[ended.task])
    is_ok = ended.code == "ok"
    return {
        "kind": "request",
        "at": ended.at,
        "client": ended.client,
        "model": ended.model,
        "task": ended.task,
        "seconds": ended.total_seconds,
        "queued_seconds": ended.queued_seconds,
        "first_output_seconds": ended.first_output_seconds,
        "speed": speed,
        "speed_unit": unit,
        "result": RESULTS[ended.task] if is_ok else None,
        "error": None if is_ok else ended.code,
    }


def change_json(change: LifecycleEvent) -> dict[str, Any]:
    """Return a load, an unload or a start of the daemon; `text` tells it in words."""
    kind = {DaemonStarted: "start", LoadEnded: "load", ModelUnloaded: "unload"}[type(change)]
    return {"kind": kind, **asdict(change), "text": change_text(change)}


def change_text(change: LifecycleEvent) -> str:
    """Return a change in words, such as "image-gen unloaded vlm-best: needed 6.1 GB, 2.3 GB free"."""
    match change:
        case DaemonStarted():
            return "Senses started"
        case LoadEnded(model=model, seconds=seconds, code="ok"):
            return f"{model} loaded in {seconds:.1f} s"
        case LoadEnded(model=model):
            return f"{model} failed to load"
        case ModelUnloaded(model=model, reason=reason, detail=detail) if reason.startswith(EVICTED):
            return ": ".join(filter(None, [f"{reason.removeprefix(EVICTED)} unloaded {model}", detail]))
        case ModelUnloaded(model=model, reason=reason):
            return f"{model} was unloaded: {UNLOAD_CAUSES.get(reason, reason)}"


class ActivityFollower:
    """Tells one reader what happened since it last asked; at first, and when the past was read from the disk, all of it."""

    def __init__(self, history: Callable[[], History]) -> None:
        self._history = history
        self._seen: History | None = None
        self._request_count = self._change_count = 0

    async def news(self) -> dict[str, Any] | None:
        """Return the newest events, None if there are none."""
        history = self._history()
        is_reset = history is not self._seen
        if is_reset:
            self._seen, self._request_count, self._change_count = history, 0, 0
        requests = _newest(history.requests, history.request_count - self._request_count)
        changes = _newest(history.changes, history.change_count - self._change_count)
        self._request_count, self._change_count = history.request_count, history.change_count
        if not (is_reset or requests or changes):
            return None
        return {"reset": is_reset, "events": activity_json(requests, changes)}


def _newest(events: Iterable[Any], count: int) -> list[Any]:
    return list(events)[-count:] if count else []
