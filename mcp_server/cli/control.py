"""What the running daemon holds and does, and the commands that change it: load, unload, pin, cancel."""

from typing import Any
from urllib.parse import quote

from mcp_server.cli.api import DaemonApi
from mcp_server.cli.table import align_columns
from model_runtime.sizes import format_bytes

MODEL_HEADER = ("Model", "State", "Memory", "What it does")
JOB_HEADER = ("Id", "Model", "State", "Done", "Client", "Age")


def loaded_models(status: dict[str, Any]) -> list[dict[str, Any]]:
    """Return what a status says of every model that is in memory, on its way there, or cannot be loaded."""
    return [model for model in status["models"] if model["state"] != "absent"]


def loaded_text(models: list[dict[str, Any]]) -> str:
    """Return a table of these models."""
    rows = [
        (
            model["name"],
            model["state"] + (", pinned" if model["pinned"] else ""),
            format_bytes(model["charged_bytes"]),
            activity_text(model),
        )
        for model in models
    ]
    return align_columns([MODEL_HEADER, *rows]) if rows else "No model is in memory; each loads when it is used."


def change_model(api: DaemonApi, name: str, action: str) -> dict[str, Any]:
    """Start, stop, pin or unpin a model, wait until that is done, and return what the daemon says.

    Raises:
        RequestFailed: there is no such model, or it cannot be done.
    """
    return api.post(f"/api/models/{quote(name)}/{action}")


def jobs_text(jobs: list[dict[str, Any]]) -> str:
    """Return a table of the requests that wait or run."""
    rows = [
        (
            str(job["id"]),
            job["model"],
            job["state"] + (f": {job['reason']}" if job["reason"] else ""),
            f"{job['done']:g}/{job['total']:g} {job['stage']}".strip(),
            job["client"],
            duration_text(job["age_seconds"]),
        )
        for job in jobs
    ]
    return align_columns([JOB_HEADER, *rows]) if rows else "No request waits or runs."


def voices(api: DaemonApi, model: str) -> dict[str, Any]:
    """Return a speech model, the default one without a name, and the names of its voices.

    Raises:
        RequestFailed: there is no such model.
    """
    answer = api.get(f"/v1/audio/voices?model={quote(model, safe='')}")
    return {"model": answer["model"], "voices": [voice["id"] for voice in answer["voices"]]}


def activity_text(model: dict[str, Any]) -> str:
    """Return what a model of the status does: why it fails, its requests, or how long it stays."""
    if model["state"] == "backoff":
        return str(model["error"])
    if model["active"] or model["queued"]:
        return f"{model['active']} running, {model['queued']} waiting"
    seconds_left = model["unloads_in_seconds"]
    return "idle" if seconds_left is None else f"idle, unloads in {duration_text(seconds_left)}"


def duration_text(seconds: float) -> str:
    """Return seconds as people say them: "3 h 12 min"."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
