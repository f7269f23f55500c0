"""The runtime's status as JSON for language models and people: names, states, gigabytes, seconds."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Literal

from mcp_server.calls.context import AppContext
from mcp_server.calls.jobs import ToolJob
from mcp_server.launcher.commands import absolute_senses_command
from model_runtime.catalog.tool_formats import TOOL_ABILITY
from model_runtime.requests import Task
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
        {
            name: value
            for name, value in asdict(job).items()
            if name not in ("age_seconds", "preview_step") and (value or name != "reason")
        }
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
        fields["get_it"] = f"{absolute_senses_command()} pull {model.name}"
    if model.state is not ModelState.ABSENT:
        fields |= {"memory_gb": _gigabytes(model.charged_bytes), "active": model.active, "queued": model.queued}
    if model.load_fraction is not None:
        fields["loading"] = f"{model.load_fraction:.0%}"
    if model.unloads_in_seconds is not None:
        fields["unloads_in_seconds"] = round(model.unloads_in_seconds)
    flags = {"starter": model.starter, "default": model.default, "pinned": model.pinned}
    if also := [ability for ability in model.abilities if ability != TOOL_ABILITY]:
        fields["also"] = also
    return fields | {name: True for name, on in flags.items() if on} | ({"error": model.error} if model.error else {})


def _gigabytes(size_bytes: int) -> float:
    return round(size_bytes / 1e9, 3)


Section = Literal["now", "models", "voices", "jobs", "memory", "all"]

TOOL_BY_TASK = {
    Task.VISION: "describe_image",
    Task.IMAGE: "generate_image",
    Task.TRANSCRIPTION: "transcribe",
    Task.SPEECH: "speak",
}
"""The tasks of tools; no tool asks a model for text alone."""
MAX_SUMMARY_BYTES = 1_300
"""As JSON: less than 500 tokens, of which one has at least 2.6 bytes here."""
MAX_LISTED = 8
MAX_PROBLEM_CHARS = 200
MORE = "section=models (descriptions), voices, jobs, memory or all"


def summary(status: Status, tool_jobs: Sequence[ToolJob]) -> dict[str, Any]:
    """Return what is loaded and what can be asked for now, each list with as many entries as fit `MAX_SUMMARY_BYTES`."""
    views = (_summary(status, tool_jobs, limit) for limit in range(MAX_LISTED, 0, -1))
    return next((view for view in views if _json_bytes(view) <= MAX_SUMMARY_BYTES), _summary(status, tool_jobs, 1))


def _summary(status: Status, tool_jobs: Sequence[ToolJob], limit: int) -> dict[str, Any]:
    missing = [f"{model.name} {_gigabytes(model.weights_bytes):.1f} GB" for model in _missing(status)]
    loaded = [_loaded_view(model) for model in status.models if model.state is not ModelState.ABSENT]
    running = [
        {"job_id": str(job.id), "tool": job.tool, "progress": job.progress.message}
        for job in tool_jobs
        if not job.finished.is_set()
    ]
    lists: dict[str, list[Any]] = {"loaded": loaded, "running": running, "download_model": missing}
    lists |= {tool: _usable(status, task) for task, tool in TOOL_BY_TASK.items()}
    if status.problems:
        lists["problems"] = [problem[:MAX_PROBLEM_CHARS] for problem in status.problems]
    used = {"used_gb": _gigabytes(status.memory.footprint_bytes), "budget_gb": _gigabytes(status.memory.budget_bytes)}
    return {"memory": used} | {name: _first(entries, limit) for name, entries in lists.items()} | {"more": MORE}


def _usable(status: Status, task: Task) -> list[str]:
    """Return the models that can answer now, the default first and the starters last."""
    usable = [model for model in status.models if model.task is task and model.present and not model.error]
    return [model.name for model in sorted(usable, key=lambda model: (not model.default, model.starter))]


def _missing(status: Status) -> list[ModelStatus]:
    models = (model for model in status.models if model.task in TOOL_BY_TASK)
    return [model for model in models if not model.present and not model.error]


def _loaded_view(model: ModelStatus) -> dict[str, Any]:
    view = {"name": model.name, "state": str(model.state), "memory_gb": _gigabytes(model.charged_bytes)}
    work = {"active": model.active, "queued": model.queued}
    return view | {name: count for name, count in work.items() if count}


def _first(entries: list[Any], limit: int) -> list[Any]:
    hidden = len(entries) - limit
    return [*entries[:limit], f"and {hidden} more"] if hidden > 0 else entries


def _json_bytes(view: dict[str, Any]) -> int:
    return len(json.dumps(view, ensure_ascii=False, separators=(",", ":")).encode())


def read_status(app: AppContext, section: Section) -> dict[str, Any]:
    """Return one section of the status, a summary of what matters now, or all of it."""
    status = app.service.status()
    if section == "now":
        return {"version": status.version, "page": app.http_origin or None, **summary(status, app.jobs.all())}
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
