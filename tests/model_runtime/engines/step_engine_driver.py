"""Run jobs on a `StepEngine` as a worker's loop does."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model_runtime.engines.protocol import EngineOutput, StepEngine
from model_runtime.errors import SensesError
from model_runtime.events import ChatResult, TextDelta
from model_runtime.loading import LoadSpec
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat, Message

JobOutputs = list[tuple[int, EngineOutput]]


def chat(*parts: str | ImageData, **options: Any) -> Chat:
    """Return a chat of one user message."""
    return Chat("a-model", (Message("user", parts),), **{"max_tokens": 12, **options})


def solid_picture(width: int, height: int, color: tuple[int, int, int]) -> ImageData:
    """Return a picture of one color."""
    return ImageData(width, height, bytes(color) * (width * height))


def noise_picture(width: int, height: int, seed: int = 0) -> ImageData:
    """Return a picture of random pixels."""
    return ImageData(width, height, np.random.default_rng(seed).bytes(width * height * 3))


def load(engine: StepEngine, folders: Mapping[str, Path], **options: Any) -> StepEngine:
    """Load a checkpoint and return the engine."""
    spec = LoadSpec("a-model", "an-engine", {role: str(folder) for role, folder in folders.items()}, options)
    engine.load(spec, lambda _stage, _fraction: None)
    return engine


def run_to_end(
    engine: StepEngine,
    chats: Mapping[int, Chat],
    *,
    arrival_steps: Mapping[int, int] | None = None,
    after_step: Callable[[int], None] | None = None,
) -> dict[int, list[EngineOutput]]:
    """Step until every job has ended and return the outputs of each; `arrival_steps` maps a job to its first step."""
    outputs: dict[int, list[EngineOutput]] = {job: [] for job in chats}
    arrival_step_of = dict(arrival_steps or {})
    for step in range(2000):
        for job in [job for job in chats if arrival_step_of.get(job, 0) == step]:
            engine.submit(job, chats[job])
        for job, output in engine.step():
            outputs[job].append(output)
        if after_step:
            after_step(step)
        if all(step >= arrival_step_of.get(job, 0) and has_ended(outcomes) for job, outcomes in outputs.items()):
            return outputs
    raise AssertionError(f"jobs have not ended after {step} steps: {outputs}")


def results_of(engine: StepEngine, chats: Mapping[int, Chat], **options: Any) -> dict[int, ChatResult]:
    """Run the chats to their end and return the result of each job."""
    return {job: result_of(outcomes) for job, outcomes in run_to_end(engine, chats, **options).items()}


def run_chat(engine: StepEngine, chat_request: Chat) -> ChatResult:
    """Run one chat alone and return its result."""
    return results_of(engine, {0: chat_request})[0]


def result_of(outcomes: list[EngineOutput]) -> ChatResult:
    """Return the result of a successful job, after checking that its text is that of its pieces."""
    last = outcomes[-1]
    assert isinstance(last, ChatResult), last
    assert "".join(outcome.text for outcome in outcomes if isinstance(outcome, TextDelta)) == last.text
    return last


def has_ended(outcomes: list[EngineOutput]) -> bool:
    """Return whether the last output is a result or an error."""
    return bool(outcomes) and isinstance(outcomes[-1], ChatResult | SensesError)
