"""The SDK as its users make it, but strict: it raises where an answer lacks a field or has one of another type."""

from typing import Any

from openai import OpenAI

from tests.clients.given import BASE_URL, KEY

client: Any = OpenAI(base_url=BASE_URL, api_key=KEY, max_retries=0, timeout=60, _strict_response_validation=True)
"""`Any`, since its overloads want literals where checks have parameters."""


def user(*content: Any) -> list[dict[str, Any]]:
    """Return a conversation of one message."""
    return [{"role": "user", "content": content[0] if isinstance(content[0], str) else list(content)}]


def text_part(text: str) -> dict[str, str]:
    """Return a part of a message."""
    return {"type": "text", "text": text}


def image_part(url: str) -> dict[str, Any]:
    """Return a picture as a part of a message."""
    return {"type": "image_url", "image_url": {"url": url}}
