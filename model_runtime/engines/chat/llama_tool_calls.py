"""Read the tool calls of Llama 3 and 4: JSON objects with a name and parameters.

Format: the chat template of the checkpoints, and https://www.llama.com/docs/model-cards-and-prompt-formats/llama3_1/
"""

import json
from typing import Any

PYTHON_TAG = "<|python_tag|>"
SEPARATORS = " \n\t;,"
"""What models write between two calls."""


def parse_tool_call(text: str, _tools: object = None) -> list[dict[str, Any]]:
    """Return all calls in a text that has nothing else.

    Raises:
        ValueError: the text has something else than JSON.
        AttributeError: it has JSON that is no object.
    """
    decoder, calls = json.JSONDecoder(), []
    rest = text.strip().removeprefix(PYTHON_TAG).lstrip(SEPARATORS)
    while rest:
        call, end = decoder.raw_decode(rest)
        calls.append({"name": call.get("name", call.get("function")), "arguments": call.get("parameters", {})})
        rest = rest[end:].lstrip(SEPARATORS)
    return calls
