"""Resolves models, collects results of the runtime, and describes them beyond OpenAI's fields."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import asdict
from typing import Any
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request as HttpRequest

from model_runtime.errors import SensesError
from model_runtime.events import ChatResult, Event, Finished, ResultT, expect_result
from model_runtime.requests import Request, Task
from model_runtime.service import Service
from openai_compat.api.schemas import RequestBody

MAX_CLIENT_NAME_CHARS = 40
MAX_HEADER_WARNINGS = 8
"""Keeps the header below the limits of proxies."""
MODEL_HEADERS = ("x-senses-model", "x-senses-starter", "x-senses-warnings")


async def resolve_field(service: Service, name: str, task: Task, *, param: str) -> str:
    """Return the canonical name of a model that is named in another field than `model`. Errors name that field.

    Raises:
        SensesError: as `Service.resolve`.
    """
    try:
        return await service.resolve(name, task)
    except SensesError as error:
        error.param = param
        raise


def run_events(
    service: Service, request: Request, http_request: HttpRequest, body: RequestBody
) -> AsyncGenerator[Event]:
    """Run a request for the client of an HTTP request, with the keep-alive of its body, and yield its events."""
    client = client_name(http_request.headers)
    return service.run(request, client=client, keep_alive_seconds=body.keep_alive)


async def collect_result(events: AsyncGenerator[Event], result_type: type[ResultT]) -> tuple[Finished, ResultT]:
    """Consume a run's events and return its last event and its result.

    Raises:
        JobFailed: the run has no result of this type.
        SensesError: the run fails.
    """
    event: Event | None = None
    async with aclosing(events):
        async for event in events:
            pass
    return expect_result(event, result_type)


def client_name(headers: Headers) -> str:
    """Return the client's name for the status page: the product in its User-Agent, "http" without one."""
    products = headers.get("user-agent", "").replace("/", " ").split()
    # OpenAI's clients name their language after the product: OpenAI/Python
    name = "/".join(products[:2] if products and products[0].endswith("OpenAI") else products[:1])
    return "".join(character for character in name if character.isprintable())[:MAX_CLIENT_NAME_CHARS] or "http"


def senses_fields(finished: Finished, warnings: Sequence[str] = ()) -> dict[str, Any]:
    """Return the value of our field `senses`: the model that answered, all warnings, and the time spent.

    A model that reads text adds `lines`: the text, box (left, top, width, height in pixels) and confidence of each.
    """
    timings = finished.timings
    lines = finished.result.lines if isinstance(finished.result, ChatResult) else ()
    return {
        "model": finished.model,
        "starter": finished.starter,
        "warnings": [*warnings, *finished.result.warnings],
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
