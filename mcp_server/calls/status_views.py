"""The runtime's status as JSON for language models and people: names, states, gigabytes, seconds."""

from collections.abc import Iterable
from dataclasses import asdict
from typing import Any, Literal

from mcp_server.calls.context import AppContext
from mcp_server.calls.jobs import ToolJob
from model_runtime.status import ModelState, ModelStatus, Status


def models(status: Status) -> list[dict[str, Any]]:
    """Return every model: its task, whether it is downloaded, its state."""
    return [_model_view(model) for model in status.models]


def voices(status: Status) -> dict[str, dict[str, list[str]]]:
    """Return the voices and languages of the models that speak, by model name."""
    return {
        model.name: {"voices": list(model.voices), "languages": list(model.languages)}
        for model in status.models
        if model.voices or model.languages
    }


def jobs(status: Status, tool_jobs: Iterable[ToolJob]) -> dict[str, Any]:
    """Return the requests that wait or run, and the tool calls that `get_job` knows."""
    requests = [
        {name: value for name, value in asdict(job).items() if name != "age_seconds" and (value or name != "reason")}
        for job in status.jobs
    ]
    calls = [
        {"job_id": job.id, "tool": job.tool, "client": job.client, "state": job.state, "progress": job.progress.message}
        for job in tool_jobs
    ]
    return {"requests": requests, "calls": calls}


def memory(status: Status) -> dict[str, float]:
    """Return the memory budget and its use in gigabytes, and the daemon's own memory in megabytes."""
    return {
        "budget_gb": _gigabytes(status.memory.budget_bytes),
        "charged_gb": _gigabytes(status.memory.charged_bytes),
        "used_gb": _gigabytes(status.memory.footprint_bytes),
        "available_gb": _gigabytes(status.memory.available_bytes),
        "daemon_mb": round(status.memory.daemon_bytes / 1e6),
    }


def _model_view(model: ModelStatus) -> dict[str, Any]:
    fields: dict[str, Any] = {
        "name": model.name,
        "task": str(model.task),
        "description": model.description,
        "state": str(model.state),
        "downloaded": model.present,
        "size_gb": _gigabytes(model.weights_bytes),
    }
    if not model.present and not model.error:
        fields["get_it"] = f"senses pull {model.name}"
    if model.state is not ModelState.ABSENT:
        fields |= {"memory_gb": _gigabytes(model.charged_bytes), "active": model.active, "queued": model.queued}
    if model.load_fraction is not None:
        fields["loading"] = f"{model.load_fraction:.0%}"
    if model.unloads_in_seconds is not None:
        fields["unloads_in_seconds"] = round(model.unloads_in_seconds)
    flags = {"starter": model.starter, "default": model.default, "pinned": model.pinned}
    if model.abilities:
        fields["also"] = list(model.abilities)
    return fields | {name: True for name, on in flags.items() if on} | ({"error": model.error} if model.error else {})


def _gigabytes(size_bytes: int) -> float:
    return round(size_bytes / 1e9, 3)


Section = Literal["all", "models", "voices", "jobs", "memory"]


def read_status(app: AppContext, section: Section) -> dict[str, Any]:
    """Return one section of the status, or all of them."""
    status = app.service.status()
    sections: dict[str, Any] = {
        "models": models(status),
        "voices": voices(status),
        "jobs": jobs(status, app.jobs.all()),
        "memory": memory(status),
    }
    if section != "all":
        return {section: sections[section]}
    problems = {"problems": list(status.problems)} if status.problems else {}
    return {"version": status.version, "page": app.http_origin or None, **problems, **sections}
