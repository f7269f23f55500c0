"""Driving a step engine by hand, the way a worker's loop does."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from model_runtime.engines.protocol import Outcome, StepEngine
from model_runtime.errors import SensesError
from model_runtime.events import Answer, TextDelta
from model_runtime.loading import LoadSpec
from model_runtime.media.types import Picture
from model_runtime.requests import Chat, Message

Outcomes = list[tuple[int, Outcome]]


def chat(*parts: str | Picture, **options: Any) -> Chat:
    """A chat of one user message."""
    return Chat("a-model", (Message("user", parts),), **{"max_tokens": 12, **options})


def plain(width: int, height: int, color: tuple[int, int, int]) -> Picture:
    """A picture of one color."""
    return Picture(width, height, bytes(color) * (width * height))


def noise(width: int, height: int, seed: int = 0) -> Picture:
    """A picture whose every pixel is another."""
    return Picture(width, height, np.random.default_rng(seed).bytes(width * height * 3))


def load(engine: StepEngine, folders: Mapping[str, Path], **options: Any) -> StepEngine:
    """Load a checkpoint and return the engine."""
    spec = LoadSpec("a-model", "an-engine", {role: str(folder) for role, folder in folders.items()}, options)
    engine.load(spec, lambda _stage, _fraction: None)
    return engine


def drive(
    engine: StepEngine,
    chats: Mapping[int, Chat],
    *,
    joins: Mapping[int, int] | None = None,
    after_step: Callable[[int], None] | None = None,
) -> dict[int, list[Outcome]]:
    """Step until every job has ended, and return what happened to each; `joins` maps a job to the step it comes at."""
    happened: dict[int, list[Outcome]] = {job: [] for job in chats}
    due = dict(joins or {})
    for step in range(2000):
        for job in [job for job in chats if due.get(job, 0) == step]:
            engine.submit(job, chats[job])
        for job, outcome in engine.step():
            happened[job].append(outcome)
        if after_step:
            after_step(step)
        if all(step >= due.get(job, 0) and has_ended(outcomes) for job, outcomes in happened.items()):
            return happened
    raise AssertionError(f"still going after {step} steps: {happened}")


def answers(engine: StepEngine, chats: Mapping[int, Chat], **options: Any) -> dict[int, Answer]:
    """Drive the engine and return each job's answer."""
    return {job: answer(outcomes) for job, outcomes in drive(engine, chats, **options).items()}


def ask(engine: StepEngine, request: Chat) -> Answer:
    """Drive the engine for one chat alone."""
    return answers(engine, {0: request})[0]


def answer(outcomes: list[Outcome]) -> Answer:
    """The end of a job that went well, after checking that the pieces add up to it."""
    last = outcomes[-1]
    assert isinstance(last, Answer), last
    assert "".join(outcome.text for outcome in outcomes if isinstance(outcome, TextDelta)) == last.text
    return last


def has_ended(outcomes: list[Outcome]) -> bool:
    """Whether an answer or an error came."""
    return bool(outcomes) and isinstance(outcomes[-1], Answer | SensesError)
