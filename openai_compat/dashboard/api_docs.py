"""GET /openapi.json, and /docs: the same document as a page, without scripts and without network."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from html import escape
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from model_runtime.service import Service
from openai_compat.dashboard.static import PAGE_HEADERS

Document = Mapping[str, Any]
PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark"><title>API of Senses</title>
<link rel="icon" href="web/icon.svg"><link rel="stylesheet" href="web/app.css"><link rel="stylesheet" href="web/docs.css"></head>
<body class="docs"><h1>{title} {version}</h1><p>{description}</p>
<p><a href="openapi.json">openapi.json</a> is the same for programs.</p>{operations}<h2>Objects</h2>{objects}</body></html>
"""
HIDDEN_KEYWORDS = frozenset({"title", "description", "type", "$ref", "anyOf", "default", "items", "enum", "const"})
"""Keywords of JSON Schema that the type or another column shows."""


@dataclass(frozen=True, slots=True)
class ApiDocsEndpoint:
    """The endpoints. `build_document` returns the document for a version."""

    service: Service
    build_document: Callable[[str], Document]

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/openapi.json", self.document, methods=["GET"]),
            Route("/docs", self.page, methods=["GET"]),
        ]

    async def document(self, request: Request) -> Response:
        """Return the document."""
        return JSONResponse(self.build_document(self.service.status().version))

    async def page(self, request: Request) -> Response:
        """Return the page."""
        return HTMLResponse(render_page(self.build_document(self.service.status().version)), headers=PAGE_HEADERS)


def render_page(document: Document) -> str:
    """Return an OpenAPI document as HTML."""
    schemas: Mapping[str, Document] = document["components"]["schemas"]
    operations = (
        _operation_html(method, path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    )
    return PAGE.format(
        title=escape(document["info"]["title"]),
        version=escape(document["info"]["version"]),
        description=escape(document["info"]["description"]),
        operations="".join(operations),
        objects="".join(_schema_html(name, schema) for name, schema in schemas.items()),
    )


def _operation_html(method: str, path: str, operation: Document) -> str:
    rows = [(parameter["name"], parameter["schema"]) for parameter in operation.get("parameters", ())]
    content = operation.get("requestBody", {}).get("content", {})
    bodies = [f"<p><code>{escape(kind)}</code>: {_type_html(body['schema'])}</p>" for kind, body in content.items()]
    answers = ", ".join(operation["responses"]["200"]["content"])
    return (
        f'<section class="card"><h2><code>{method.upper()}</code> {escape(path)}</h2><p>{escape(operation["summary"])}</p>'
        f'{_table_html(rows) if rows else ""}{"".join(bodies)}<p class="muted">Answers: {escape(answers)}</p></section>'
    )


def _schema_html(name: str, schema: Document) -> str:
    rows = list(schema.get("properties", {}).items())
    description = escape(schema.get("description", ""))
    return f'<section class="card" id="{escape(name)}"><h2>{escape(name)}</h2><p>{description}</p>{_table_html(rows)}</section>'


def _table_html(rows: list[tuple[str, Document]]) -> str:
    cells = (
        f"<tr><td><code>{escape(name)}</code></td><td>{_type_html(schema)}</td>"
        f"<td>{escape(str(schema.get('default', '')))}</td><td>{escape(', '.join(_limits(schema)))}</td></tr>"
        for name, schema in rows
    )
    return f"<table><tr><th>field</th><th>type</th><th>default</th><th>limits</th></tr>{''.join(cells)}</table>"


def _type_html(schema: Document) -> str:
    """Return the type of a value, with links to objects."""
    if "$ref" in schema:
        name = escape(schema["$ref"].rpartition("/")[2])
        return f'<a href="#{name}">{name}</a>'
    for keyword, joint in (("anyOf", " or "), ("allOf", " with ")):
        if keyword in schema:
            return joint.join(_type_html(part) for part in schema[keyword])
    if "enum" in schema or "const" in schema:
        return " or ".join(f"<code>{escape(str(value))}</code>" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_type_html(schema.get('items', {}))}"
    if schema.get("type") == "object" and schema.get("properties"):
        named = (f"<code>{escape(name)}</code> ({_type_html(part)})" for name, part in schema["properties"].items())
        return ", ".join(named)
    kind = schema.get("type", "anything")
    return escape(str(schema.get("format", kind)))


def _limits(schema: Document) -> Iterator[str]:
    yield from (f"{keyword} {value}" for keyword, value in schema.items() if keyword not in HIDDEN_KEYWORDS)
    if "description" in schema:
        yield str(schema["description"])
