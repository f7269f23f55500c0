"""Sends what a program sends, as it sends it, and reads its stream."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx2

from tests.clients.given import BASE_URL, KEY

TIMEOUT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Program:
    """A program that uses OpenAI's API, with the headers that it sends beside its key."""

    own_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def headers(self) -> dict[str, str]:
        """All headers of a request with JSON."""
        return {"authorization": f"Bearer {KEY}", "content-type": "application/json", **self.own_headers}

    def get(self, path: str, **options: Any) -> Any:
        """Return the JSON at a path below /v1."""
        answer = httpx2.get(f"{BASE_URL}{path}", headers=self.headers, timeout=TIMEOUT_SECONDS, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, path: str, **options: Any) -> httpx2.Response:
        """Post to a path below /v1: `json`, or `content` with the headers of `headers`."""
        headers = {**self.headers, **options.pop("headers", {})}
        return httpx2.post(f"{BASE_URL}{path}", headers=headers, timeout=TIMEOUT_SECONDS, **options)

    def post(self, path: str, body: dict[str, Any]) -> Any:
        """Post JSON and return the answer's."""
        answer = self.send(path, json=body)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def stream(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        """Post JSON and return the events of the stream, which ends with [DONE]."""
        answer = self.send(path, json=body)
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in answer.text.splitlines() if line.startswith("data: ")]
        assert lines[-1] == "[DONE]"
        return [json.loads(line) for line in lines[:-1]]


USAGE = {"stream": True, "stream_options": {"include_usage": True}}
HELLO: list[dict[str, Any]] = [{"role": "user", "content": "Hello"}]


def text_of(chunks: list[dict[str, Any]]) -> str:
    """Return the text of a streamed chat."""
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])


def tool(name: str, /, **properties: Any) -> dict[str, Any]:
    """Return a tool as chats declare it; all its arguments are required."""
    parameters = {"type": "object", "properties": properties, "required": [*properties], "additionalProperties": False}
    return {"type": "function", "function": {"name": name, "description": name, "parameters": parameters}}
