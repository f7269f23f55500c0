"""Send the requests that /openapi.json describes, and others that break its rules, made by schemathesis.

    python -m tests.fuzz.described [--number 10000] [--seed 1]

Ends as `tests.fuzz.requests` does.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
import schemathesis
from hypothesis import strategies as st
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok

from openai_compat.api.openapi import openapi_document
from tests.fuzz.request_inputs import HttpInput
from tests.fuzz.requests import run_main

DEFAULT_NUMBER = 10_000
BASE_URL = "http://localhost"


def main() -> None:
    """Send inputs until one is found or the number is reached."""
    run_main("described", __doc__ or "", DEFAULT_NUMBER, described_inputs)


def described_inputs(_folder: str) -> Mapping[st.SearchStrategy[HttpInput], int]:
    """Return inputs for each operation, those that keep to the description and those that do not, with their share."""
    strategies = list(_strategies())
    return {strategy: max(100 // len(strategies), 1) for strategy in strategies}


def _strategies() -> Iterator[st.SearchStrategy[HttpInput]]:
    schema = schemathesis.openapi.from_dict(openapi_document("1"))
    for result in schema.get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            if mode is GenerationMode.POSITIVE or operation.body or operation.query:
                yield operation.as_strategy(generation_mode=mode).map(to_input)


def to_input(case: Case[Any]) -> HttpInput:
    """Return a case as a server hands it to the application."""
    prepared = requests.Request(**case.as_transport_kwargs(base_url=BASE_URL)).prepare()
    parts = urlsplit(str(prepared.url))
    target = f"{parts.path}?{parts.query}" if parts.query else parts.path
    headers = tuple((name.lower().encode(), as_bytes(value)) for name, value in prepared.headers.items())
    return HttpInput(
        str(prepared.method),
        target,
        (*headers, (b"host", b"localhost")),
        as_bytes(prepared.body),  # type: ignore[arg-type] # the transport makes no streams
    )


def as_bytes(text: str | bytes | None) -> bytes:
    """Return what is sent."""
    return text.encode() if isinstance(text, str) else bytes(text or b"")


if __name__ == "__main__":
    main()
