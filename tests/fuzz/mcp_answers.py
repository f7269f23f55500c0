"""What a line of MCP must be answered, read from the specifications and not from the product.

https://www.jsonrpc.org/specification; MCP has no batches, and ids are strings or integers.
"""

import json
from dataclasses import dataclass
from typing import Any

PARSE_ERROR = -32700
INVALID_REQUEST = -32600


@dataclass(frozen=True, slots=True)
class ExpectedAnswer:
    """The answer with this id; with `code` it must be that error, else a result or any error.

    `is_any_error` stands for a line nested as deeply as this process or the other can read: any refusal will do.
    """

    id: Any
    code: int | None = None
    is_any_error: bool = False

    def is_met_by(self, reply: dict[str, Any]) -> bool:
        """Return whether this reply is the answer."""
        if self.is_any_error:
            return "error" in reply
        has_id = type(reply.get("id")) is type(self.id) and reply["id"] == self.id
        return has_id and (self.code is None or reply.get("error", {}).get("code") == self.code)


def expected_answer(line: bytes) -> ExpectedAnswer | None:
    """Return what answers a line; None for an empty line, a notification and a response."""
    if not line.strip():
        return None
    try:
        message = json.loads(line.decode(), parse_constant=_refuse)
    except RecursionError:
        return ExpectedAnswer(None, is_any_error=True)
    except ValueError:
        return ExpectedAnswer(None, PARSE_ERROR)
    if not isinstance(message, dict):
        return ExpectedAnswer(None, INVALID_REQUEST)
    if "method" not in message and ("result" in message or "error" in message):
        return None
    if not _is_request(message):
        return ExpectedAnswer(_readable_id(message), INVALID_REQUEST)
    return ExpectedAnswer(message["id"]) if "id" in message else None


def _is_request(message: dict[str, Any]) -> bool:
    return (
        message.get("jsonrpc") == "2.0"
        and isinstance(message.get("method"), str)
        and (message.get("params") is None or isinstance(message["params"], dict))  # MCP has no lists of parameters
        and ("id" not in message or _is_id(message["id"]))
    )


def _is_id(value: Any) -> bool:
    return isinstance(value, int | str) and not isinstance(value, bool)


def _readable_id(message: dict[str, Any]) -> Any:
    value = message.get("id")
    return value if _is_id(value) or isinstance(value, float) else None


def _refuse(name: str) -> None:
    raise ValueError(name)
