"""The body of /v1/responses, whose input is converted to chat messages."""

import json
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from openai_compat.api.chat_body import JsonSchema, Messages, SamplingBody, reject_forced_tools, reject_many_tools
from openai_compat.api.schemas import WireModel, unsupported_error

STATEFUL_FIELDS = ("previous_response_id", "conversation", "prompt")
PART_TYPES = {"input_text": "text", "output_text": "text", "input_image": "image_url"}


def input_to_messages(value: Any) -> Any:
    """Return `input` as chat messages. Values of other shapes are unchanged, and the schema rejects them."""
    if isinstance(value, str):
        return [{"role": "user", "content": value}]
    return [_item_to_message(item) for item in value] if isinstance(value, list) else value


def _item_to_message(item: Any) -> Any:
    if not isinstance(item, dict):
        return item
    if item.get("type") == "function_call":
        return {"role": "assistant", "content": f"{item.get('name', '')}({item.get('arguments', '')})"}
    if item.get("type") == "function_call_output":
        output = item.get("output", "")
        return {"role": "tool", "content": output if isinstance(output, str) else json.dumps(output)}
    content = item.get("content")
    return {**item, "content": [_to_chat_part(part) for part in content]} if isinstance(content, list) else item


def _to_chat_part(part: Any) -> Any:
    return {**part, "type": PART_TYPES.get(str(part.get("type")), part.get("type"))} if isinstance(part, dict) else part


class ResponseTextFormat(JsonSchema):
    """Format of the answer. Unlike in a chat completion, the schema is a sibling of the type."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str = "answer"

    def to_json(self) -> dict[str, Any]:
        """Return the format as the response repeats it."""
        if self.type != "json_schema":
            return {"type": self.type}
        return {"type": self.type, "name": self.name, "schema": self.schema_}


class ResponseTextOptions(WireModel):
    """Options of the text."""

    format: ResponseTextFormat = ResponseTextFormat()


class ResponsesBody(SamplingBody):
    """POST /v1/responses."""

    ignored = ("reasoning",)

    input: Annotated[Messages, BeforeValidator(input_to_messages, json_schema_input_type=str | list[dict[str, Any]])]
    instructions: str = ""
    max_output_tokens: int | None = Field(None, ge=1)
    stream: bool = False
    text: ResponseTextOptions = ResponseTextOptions()
    reasoning: Any = None

    @model_validator(mode="before")
    @classmethod
    def check(cls, values: Any) -> Any:
        """Reject fields that need stored state.

        Raises:
            PydanticCustomError: a field is not supported.
        """
        if not isinstance(values, dict):
            return values
        for name in STATEFUL_FIELDS:
            if values.get(name):
                advice = "Senses stores no conversations. Send the whole conversation as `input`."
                raise unsupported_error(name, advice)
        if values.get("top_logprobs") or "message.output_text.logprobs" in str(values.get("include")):
            raise unsupported_error("logprobs", "Leave it out, or use /v1/chat/completions, which gives them.")
        if values.get("background"):
            raise unsupported_error("background", "Leave it out, or set stream.")
        reject_many_tools(values)
        reject_forced_tools(values.get("tool_choice"))
        return values
