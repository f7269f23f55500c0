"""Collects results of the runtime, and describes them beyond OpenAI's fields."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Any, TypeVar
from urllib.parse import quote

from starlette.datastructures import Headers

from model_runtime.errors import JobFailed
from model_runtime.events import ChatResult, Event, Finished, Result

ResultT = TypeVar("ResultT", bound=Result)
MAX_CLIENT_NAME_CHARS = 40
MAX_HEADER_WARNINGS = 8
"""Keeps the header below the limits of proxies."""
MODEL_HEADERS = ("x-senses-model", "x-senses-starter", "x-senses-warnings")


async def collect_result(events: AsyncGenerator[Event], result_type: type[ResultT]) -> tuple[Finished, ResultT]:
    """Consume a run's events and return its last event and its result.

    Raises:
        JobFailed: the run has no result of this type.
        SensesError: the run fails.
    """
    finished: Finished | None = None
    async with aclosing(events):
        async for event in events:
            if isinstance(event, Finished):
                finished = event
    return expect_result(finished, result_type)


def expect_result(finished: Finished | None, result_type: type[ResultT]) -> tuple[Finished, ResultT]:
    """Return a run's last event and its result.

    Raises:
        JobFailed: the run has no result of this type.
    """
    if finished is None or not isinstance(finished.result, result_type):
        raise JobFailed(
            f"The request ended without a result of type {result_type.__name__}. "
            "This is a bug in Senses; please report it."
        )
    return finished, finished.result


def client_name(headers: Headers) -> str:
    """Return the client's name for the status page: the product in its User-Agent, "http" without one."""
    products = headers.get("user-agent", "").replace("/", " ").split()
    # OpenAI's clients name their language after the product: OpenAI/Python
    name = "/".join(products[:2] if products and products[0].endswith("OpenAI") else products[:1])
    return "".join(character for character in name if character.isprintable())[:MAX_CLIENT_NAME_CHARS] or "http"


def senses_fields(finished: Finished) -> dict[str, Any]:
    """Return the value of our field `senses`: the model that answered, its warnings, and the time spent.

    A model that reads text adds `lines`: the text, box (left, top, width, height in pixels) and confidence of each.
    """
    timings = finished.timings
    lines = finished.result.lines if isinstance(finished.result, ChatResult) else ()
    return {
        "model": finished.model,
        "starter": finished.starter,
        "warnings": list(finished.result.warnings),
        "seconds": {
            "queued": timings.queued_seconds,
            "loading": timings.loading_seconds,
            "running": timings.running_seconds,
        },
        **({"lines": [asdict(line) for line in lines]} if lines else {}),
    }


def model_headers(model: str, *, starter: bool, warnings: Sequence[str]) -> dict[str, str]:
    """Return headers for bodies without a field `senses`: the model percent-encoded, the warnings as a JSON list."""
    values = (quote(model), "true" if starter else "false", json.dumps(warnings[:MAX_HEADER_WARNINGS]))
    return dict(zip(MODEL_HEADERS, values, strict=True))
