"""The scheduler's refusals as the errors that callers see."""

import math

from model_runtime.errors import (
    LoadFailed,
    ModelTooLarge,
    ModelUnavailable,
    QueueFull,
    QueueTimeout,
    SensesError,
    ShuttingDown,
    WorkerDied,
)
from model_runtime.scheduler.messages import RejectRequest

RETRY_SECONDS = (1.0, 120.0)
"""Clients of OpenAI give up on a longer pause."""


def error_from_rejection(rejection: RejectRequest, model: str) -> SensesError:
    """Build the error for a request of `model`."""
    detail, retry = rejection.detail.rstrip("."), _retry_seconds(rejection.retry_after_seconds)
    again = f"Try again in {retry:.0f} s."
    match rejection.code:
        case "model_too_large":
            return ModelTooLarge(model, rejection.needed_bytes, rejection.available_bytes)
        case "shutting_down":
            return ShuttingDown(f"{detail}. Try again once it runs.", retry)
        case "queue_full":
            return QueueFull(f"The queue of {model} is full: {detail}. {again}", retry)
        case "queue_timeout":
            return QueueTimeout(f"The request waited as long as it may: {detail}. {again}", retry)
        case "model_unavailable":
            return ModelUnavailable(f"{detail}. {again}", retry)
        case "load_failed":
            return load_failed(model, detail)
        case _:
            return worker_died(model, detail)


def load_failed(model: str, cause: str) -> LoadFailed:
    """The model could not be loaded; `cause` is a clause or a sentence."""
    return LoadFailed(f"{model} could not be loaded: {cause.rstrip('.')}.")


def worker_died(model: str, cause: str) -> WorkerDied:
    """The model's process ended under the request; `cause` is a clause."""
    return WorkerDied(f"{model} stopped in the middle: {cause.rstrip('.')}. The next call starts it again.")


def _retry_seconds(seconds: float | None) -> float:
    shortest, longest = RETRY_SECONDS
    return float(min(max(math.ceil(seconds or shortest), shortest), longest))
