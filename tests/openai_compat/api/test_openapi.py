"""The description of the API, as programs and as people read it."""

import re
from html import escape
from html.parser import HTMLParser
from typing import Any

import httpx2
import jsonschema  # type: ignore[import-untyped]
import pytest
from starlette.routing import Route

from model_runtime.settings import Settings
from openai_compat.api.chat_body import ChatBody
from openai_compat.api.openapi import OPERATIONS, openapi_document
from openai_compat.api.schemas import RequestBody, WireModel
from openai_compat.app import create_app
from openai_compat.dashboard.api_docs import render_page
from tests.fakes import FakeService
from tests.openai_compat.api.test_schemas import KINDS, SMALL

DOCUMENT = openapi_document("1.2.3")


@pytest.mark.promise("openai:described")
def test_every_route_under_v1_is_described_and_no_other(service: FakeService, settings: Settings) -> None:
    routes = create_app(service, settings).routes
    served = {
        (method.lower(), re.sub(r":path", "", route.path))
        for route in routes
        if isinstance(route, Route) and route.path.startswith("/v1/")
        for method in (route.methods or set()) - {"HEAD"}
    }

    assert {(operation.method, operation.path) for operation in OPERATIONS} == served


@pytest.mark.promise("openai:described")
def test_every_reference_leads_somewhere() -> None:
    names = {reference.rpartition("/")[2] for reference in references(DOCUMENT)}

    assert names <= DOCUMENT["components"]["schemas"].keys()
    assert {"ChatBody", "ResponsesBody", "ImagesBody", "SpeechBody", "TranscriptionBody", "Error"} <= names


@pytest.mark.promise("openai:described")
def test_the_description_has_the_limits_that_validation_has() -> None:
    fields = DOCUMENT["components"]["schemas"]["ChatBody"]["properties"]

    for name in ChatBody.model_fields:
        assert name in fields
    assert (fields["temperature"]["minimum"], fields["temperature"]["maximum"]) == (0, 2)
    assert (fields["n"]["maximum"], fields["temperature"]["default"]) == (16, 1.0)


@pytest.mark.promise("openai:nothing-ignored-silently")
@pytest.mark.parametrize("body", KINDS)
def test_a_field_without_effect_is_described_as_that(body: type[WireModel]) -> None:
    fields = DOCUMENT["components"]["schemas"][body.__name__]["properties"]
    ignored = body.ignored if issubclass(body, RequestBody) else {}
    page = render_page(DOCUMENT)

    told = {name for name, field in fields.items() if field.get("description", "").startswith("has no effect: ")}

    assert told == set(ignored)
    assert all(escape(field.reason) in page for field in ignored.values())


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        (ChatBody, {"stop": "a", "keep_alive": "10m", "logit_bias": {"5": 1}}),
        (ChatBody, {"stop": ["a"], "keep_alive": 3, "messages": [{"role": "user", "content": [{"type": "text"}]}]}),
    ],
)
def test_what_validation_takes_in_several_forms_is_described_in_these(body: type, changes: dict[str, Any]) -> None:
    schema = {"$ref": f"#/components/schemas/{body.__name__}", "components": DOCUMENT["components"]}

    jsonschema.validate(SMALL[body] | changes, schema)


@pytest.mark.promise("openai:described")
async def test_the_page_needs_no_script_and_no_network(http: httpx2.AsyncClient) -> None:
    page = await http.get("/docs")
    document = await http.get("/openapi.json")
    addresses = addresses_in(page.text)

    assert page.headers["content-security-policy"].startswith("default-src 'self'")
    assert "<script" not in page.text
    assert not [address for address in addresses if "://" in address or address.startswith("/")]
    for address in addresses:
        assert address.startswith("#") or (await http.get(f"/{address}")).status_code == 200
    assert document.json()["info"]["version"] == "0.0.0"
    assert all(operation.path in page.text for operation in OPERATIONS)


def test_what_a_description_says_is_text_on_the_page() -> None:
    hostile = DOCUMENT | {"info": {"title": "<b>", "version": "<i>", "description": "<script>"}}

    assert "<script" not in render_page(hostile)


def references(value: object) -> set[str]:
    """Return every reference in a document."""
    if isinstance(value, dict):
        own = {str(value["$ref"])} if "$ref" in value else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def addresses_in(page: str) -> set[str]:
    """Return what a page links to and loads."""
    found: set[str] = set()

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.update(value or "" for name, value in attrs if name in ("href", "src"))

    Links().feed(page)
    return found
