"""What media_status says by default: little, and what matters now."""

import json
from dataclasses import replace

import pytest

from mcp_server.calls.jobs import ToolJob
from mcp_server.calls.status_views import MAX_SUMMARY_BYTES, summary
from model_runtime.catalog.builtin_models import BUILTIN_MODELS
from model_runtime.requests import Task
from model_runtime.status import ModelState, ModelStatus
from tests.fakes import FakeService, model_status
from tests.mcp_server.conftest import Connect, ProtocolMode
from tests.mcp_server.tools.test_schemas import gpt2_tokens
from tests.mcp_server.tools.test_tools import data_of, text_of


def builtin(*, present: bool) -> list[ModelStatus]:
    """The models of a Mac: all loaded and at work, or the real ones still to be downloaded."""
    return [
        model_status(
            model.name,
            model.task,
            description=model.description,
            starter=model.starter,
            present=present or bool(model.path),
            state=ModelState.READY if present else ModelState.ABSENT,
            weights_bytes=model.download_bytes,
            charged_bytes=model.download_bytes,
            active=int(present),
            queued=2 * present,
            default=model.name in {"vlm-best", "image-fast", "stt-fast", "tts-fast"},
        )
        for model in BUILTIN_MODELS
    ]


def folder_models() -> list[ModelStatus]:
    """Two hundred models of a person who collects them."""
    names = (f"somebodys-collection/Qwen2.5-VL-72B-Instruct-abliterated-{number}bit" for number in range(200))
    return [model_status(name, task, starter=False) for name, task in zip(names, [*TOOL_TASKS] * 50, strict=True)]


TOOL_TASKS = (Task.VISION, Task.IMAGE, Task.TRANSCRIPTION, Task.SPEECH)


@pytest.mark.promise("mcp:status-small")
@pytest.mark.parametrize(
    "models", [builtin(present=True), builtin(present=False), [*builtin(present=True), *folder_models()]]
)
async def test_a_status_of_any_machine_has_at_most_500_tokens(
    connect: Connect, service: FakeService, models: list[ModelStatus]
) -> None:
    service.models = tuple(models)
    for number in range(20):
        service.problems.report(f"problem {number}", "The results cannot be written: " + "/Volumes/Media" * 30)
    async with connect() as client:
        result = await client.call_tool("media_status", {})

    assert gpt2_tokens(text_of(result)) <= 500


async def test_a_status_says_what_each_tool_can_use_now_the_default_first_and_what_is_to_download(
    connect: Connect, era: ProtocolMode, service: FakeService
) -> None:
    service.models = (
        model_status("vlm-starter", Task.VISION, default=False),
        model_status("vlm-fast", Task.VISION, starter=False, default=False),
        model_status("vlm-best", Task.VISION, starter=False, state=ModelState.READY, charged_bytes=6_100_000_000),
        model_status("broken", Task.VISION, starter=False, present=True, error="Its config.json is no JSON."),
        model_status("image-gen", Task.IMAGE, starter=False, present=False, weights_bytes=9_620_000_000),
        model_status("llm-best", Task.TEXT, starter=False, present=False),
    )
    async with connect(era) as client:
        data = data_of(await client.call_tool("media_status", {}))

    assert data["describe_image"] == ["vlm-best", "vlm-fast", "vlm-starter"]
    assert data["download_model"] == ["image-gen 9.6 GB"]
    assert data["loaded"] == [{"name": "vlm-best", "state": "ready", "memory_gb": 6.1}]
    assert data["memory"] == {"used_gb": 0.0, "budget_gb": 8.0}
    assert "section=models" in data["more"]


async def test_a_status_lists_the_calls_that_run_and_says_how_many_entries_it_leaves_out() -> None:
    jobs = [ToolJob(number, "transcribe", "editor") for number in range(20)]
    jobs[0].finished.set()

    view = summary(replace(FakeService().status(), models=tuple(folder_models())), jobs)

    assert view["running"][0] == {"job_id": "1", "tool": "transcribe", "progress": "starting"}
    assert view["running"][-1] == f"and {19 - len(view['running'][:-1])} more"
    assert view["speak"][-1] == f"and {50 - len(view['speak'][:-1])} more"
    assert len(json.dumps(view, separators=(",", ":"))) <= MAX_SUMMARY_BYTES
