"""Turns bodies into chats of the runtime, one for each answer, and runs these together."""

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from anyio import create_memory_object_stream
from anyio.streams.memory import MemoryObjectSendStream

from model_runtime.errors import SensesError
from model_runtime.events import Event
from model_runtime.requests import Chat, Message
from openai_compat.api.chat_body import ResponseFormat, SamplingBody
from openai_compat.http.disconnect import unwrapped_task_group

SEED_RANGE = 2**32
"""The runtime takes unsigned 32-bit seeds; OpenAI's are signed and 64-bit."""

IndexedEvent = tuple[int, Event]
"""The index of a run and one of its events."""


def build_chat(
    body: SamplingBody, model: str, messages: Sequence[Message], *, max_tokens: int | None, json_schema: str = ""
) -> Chat:
    """Return the chat that a body asks of `model`; `max_tokens` None is no limit."""
    return Chat(
        model,
        tuple(messages),
        max_tokens=max_tokens or 0,
        temperature=body.temperature,
        top_p=body.top_p,
        seed=None if body.seed is None else body.seed % SEED_RANGE,
        stop=tuple(filter(None, body.stop)),
        json_schema=json_schema,
        top_k=max(body.top_k, 0),  # vLLM's -1 keeps all tokens, too
        min_p=body.min_p,
        frequency_penalty=body.frequency_penalty,
        presence_penalty=body.presence_penalty,
        repetition_penalty=body.repetition_penalty,
        logit_bias=tuple(body.logit_bias.items()),
    )


def json_schema_text(response_format: ResponseFormat) -> str:
    """Return the schema in the runtime's form: "" for free text, "{}" for any JSON object."""
    if response_format.type == "text":
        return ""
    return json.dumps(response_format.json_schema.schema_ if response_format.type == "json_schema" else {})


def repeat_chat(chat: Chat, count: int) -> list[Chat]:
    """Return `count` copies of a chat. If it has a seed, the copies have consecutive seeds."""
    if chat.seed is None:
        return [chat] * count
    return [replace(chat, seed=(chat.seed + index) % SEED_RANGE) for index in range(count)]


async def merge_runs(runs: Sequence[AsyncGenerator[Event]]) -> AsyncGenerator[IndexedEvent]:
    """Run all at once and yield their events as they come. Iterate and close it in one task; closing cancels the runs.

    Raises:
        SensesError: a run failed; the others are cancelled.
    """
    sender, receiver = create_memory_object_stream[IndexedEvent | SensesError](0)
    async with unwrapped_task_group() as tasks, receiver:
        with sender:
            for index, events in enumerate(runs):
                tasks.start_soon(_forward, index, events, sender.clone())
        async for item in receiver:
            if isinstance(item, SensesError):
                raise item
            yield item


async def _forward(
    index: int, events: AsyncGenerator[Event], sender: MemoryObjectSendStream[IndexedEvent | SensesError]
) -> None:
    with sender:
        try:
            async with aclosing(events):
                async for event in events:
                    await sender.send((index, event))
        except SensesError as error:
            await sender.send(error)
