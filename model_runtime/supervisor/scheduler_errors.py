"""Turns the scheduler's rejections into the errors that callers see."""

import math

from model_runtime.errors import (
    LoadFailed,
    ModelTooLarge,
    ModelUnavailable,
    OutOfMemory,
    QueueFull,
    QueueTimeout,
    SensesError,
    ShuttingDown,
    WorkerDied,
)
from model_runtime.scheduler.messages import RejectRequest

RETRY_SECONDS = (1.0, 3600.0)
"""Shortest and longest `retry_after_seconds` of an error. OpenAI's clients do not wait for more than one or two
minutes, but a shorter time than the estimate would only make them ask in vain."""


def error_from_rejection(rejection: RejectRequest, model: str) -> SensesError:
    """Return the error for a rejected request of `model`."""
    detail, retry = rejection.detail.rstrip("."), _retry_seconds(rejection.retry_after_seconds)
    try_again = f"Try again in {retry:.0f} s."
    match rejection.code:
        case "model_too_large":
            return ModelTooLarge(model, rejection.needed_bytes, rejection.available_bytes)
        case "shutting_down":
            return ShuttingDown(f"{detail}. Try again after it has restarted.", retry)
        case "queue_full":
            return QueueFull(f"The queue of {model} is full: {detail}. {try_again}", retry)
        case "queue_timeout":
            return QueueTimeout(f"The request timed out in the queue: {detail}. {try_again}", retry)
        case "model_unavailable":
            return ModelUnavailable(f"{detail}.", retry)
        case "out_of_memory":
            return OutOfMemory(f"{detail}.")
        case "load_failed":
            return load_failed(model, detail)
        case _:
            return worker_died(model, detail)


def load_failed(model: str, cause: str) -> LoadFailed:
    """Return the error for a model that could not be loaded; `cause` is a clause, or a sentence about the model."""
    reason = cause.rstrip(".")
    return LoadFailed(f"{reason}." if reason.startswith(f"{model} ") else f"{model} could not be loaded: {reason}.")


def worker_died(model: str, cause: str) -> WorkerDied:
    """Return the error for a request whose worker died; `cause` is a clause."""
    return WorkerDied(f"{model} stopped during the request: {cause.rstrip('.')}. Send it again: that restarts {model}.")


def _retry_seconds(seconds: float | None) -> float:
    shortest, longest = RETRY_SECONDS
    return float(min(max(math.ceil(seconds or shortest), shortest), longest))
