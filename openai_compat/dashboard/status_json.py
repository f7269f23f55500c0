"""The runtime's status as JSON. Keys are the field names; counters become lists, since JSON has no tuples as keys."""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from model_runtime.status import Counters, Status
from openai_compat.dashboard.health import health_of

COUNTER_LABELS: Mapping[str, tuple[str, ...]] = {
    "requests": ("model", "task", "code"),
    "loads": ("model", "result"),
    "unloads": ("model", "reason"),
    "request_seconds": ("model",),
    "load_seconds": ("model",),
    "queue_seconds": ("model",),
    "tokens": ("model", "direction"),
    "audio_seconds": ("model", "direction"),
    "images": ("model",),
}
"""Counter → names of the parts of its keys. The metrics use the same labels."""


def status_json(status: Status) -> dict[str, Any]:
    """Return the status with the health that it shows, and each counter as a list of labelled values."""
    return asdict(status) | {
        "health": asdict(health_of(status)),
        "counters": {field.name: counter_json(status.counters, field.name) for field in fields(Counters)},
    }


def counter_json(counters: Counters, name: str) -> list[dict[str, Any]]:
    """Return one counter as a list of its labels and values."""
    return [
        dict(zip(COUNTER_LABELS[name], label_values(key), strict=True)) | {"value": value}
        for key, value in getattr(counters, name).items()
    ]


def label_values(key: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return a counter's key as a tuple, even if it is a single label."""
    return (key,) if isinstance(key, str) else key
