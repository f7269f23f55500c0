"""The SDK as its users make it, but strict: it raises where an answer lacks a field or has one of another type."""

from typing import Any

from openai import OpenAI

from tests.clients.given import BASE_URL, KEY

OPTIONS: Any = {"base_url": BASE_URL, "api_key": KEY, "max_retries": 0, "timeout": 60}
client: Any = OpenAI(**OPTIONS, _strict_response_validation=True)
"""`Any`, since its overloads want literals where checks have parameters."""
lenient: Any = OpenAI(**OPTIONS)
"""For streamed completions: OpenAI's own have `finish_reason` null before their last chunk, which its type forbids."""


def user(*content: Any) -> list[dict[str, Any]]:
    """Return a conversation of one message."""
    return [{"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}]


def text_part(text: str) -> dict[str, str]:
    """Return a part of a message."""
    return {"type": "text", "text": text}


def image_part(url: str) -> dict[str, Any]:
    """Return a picture as a part of a message."""
    return {"type": "image_url", "image_url": {"url": url}}
