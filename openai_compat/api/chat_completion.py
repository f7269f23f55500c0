"""The objects of chat completions: whole ones, and the chunks of a stream."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from model_runtime.events import ChatResult, ReasoningDelta, TextDelta, TokenLogprob, ToolCallDelta
from openai_compat.api.logprobs import logprobs_json
from openai_compat.api.tools import tool_call_delta_json, tool_calls_json
from openai_compat.http.sse import encode_event


@dataclass(frozen=True, slots=True)
class ChatCompletionBuilder:
    """Builds completions and chunks. `created` is in seconds since the epoch; every chunk repeats the three fields."""

    id: str
    created: int
    model: str

    def completion(self, choices: list[dict[str, Any]], usage: dict[str, Any], **extra: Any) -> dict[str, Any]:
        """Return a `chat.completion` object."""
        return {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": choices,
            "usage": usage,
            **extra,
        }

    def chunk(self, choices: list[dict[str, Any]], **extra: Any) -> bytes:
        """Return one `chat.completion.chunk` event."""
        payload = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
        return encode_event({**payload, "choices": choices, **extra})

    def delta_chunk(
        self,
        index: int,
        delta: dict[str, Any],
        *,
        include_usage: bool,
        finish_reason: str | None = None,
        logprobs: Sequence[TokenLogprob] = (),
        **extra: Any,
    ) -> bytes:
        """Return a chunk of one choice. If the client requests usage, it is null in all chunks but the last."""
        choice = {"index": index, "delta": delta, "logprobs": logprobs_json(logprobs), "finish_reason": finish_reason}
        return self.chunk([choice], usage=None, **extra) if include_usage else self.chunk([choice], **extra)

    def role_chunks(self, count: int, *, include_usage: bool) -> bytes:
        """Return the first chunk of each choice, which holds its role."""
        first = {"role": "assistant", "content": ""}
        return b"".join(self.delta_chunk(index, first, include_usage=include_usage) for index in range(count))

    def last_chunk(self, index: int, result: ChatResult, senses: dict[str, Any], *, include_usage: bool) -> bytes:
        """Return the last chunk of a choice, which says why it ended."""
        reason = result.finish_reason
        return self.delta_chunk(index, {}, include_usage=include_usage, finish_reason=reason, senses=senses)


def delta_json(event: TextDelta | ReasoningDelta | ToolCallDelta) -> dict[str, Any]:
    """Return what a chunk adds to the message. `reasoning_content` is DeepSeek's name, which many clients read."""
    match event:
        case TextDelta():
            return {"content": event.text}
        case ReasoningDelta():
            return {"reasoning_content": event.text}
        case ToolCallDelta():
            return {"tool_calls": [tool_call_delta_json(event)]}


def message_json(result: ChatResult) -> dict[str, Any]:
    """Return the message of a whole answer. Beside tool calls, no text is null."""
    message: dict[str, Any] = {"role": "assistant", "content": result.text, "refusal": None}
    if result.tool_calls:
        message |= {"content": result.text or None, "tool_calls": tool_calls_json(result.tool_calls)}
    return message | ({"reasoning_content": result.reasoning} if result.reasoning else {})


def choice_json(index: int, result: ChatResult) -> dict[str, Any]:
    """Return one choice of a completion."""
    return {
        "index": index,
        "message": message_json(result),
        "logprobs": logprobs_json(result.logprobs),
        "finish_reason": result.finish_reason,
    }


def usage_json(results: list[ChatResult]) -> dict[str, Any]:
    """Return the token counts of all choices. The prompt counts once, as read for the first choice."""
    prompt_tokens = results[0].prompt_tokens
    completion_tokens = sum(result.completion_tokens for result in results)
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": results[0].cached_tokens},
        "completion_tokens_details": {"reasoning_tokens": sum(result.reasoning_tokens for result in results)},
    }
