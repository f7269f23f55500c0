"""Turns bodies into chats of the runtime, one for each answer, and runs these together."""

import asyncio
import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace

from model_runtime.events import Event
from model_runtime.requests import Chat, Message
from openai_compat.api.chat_body import ResponseFormat, SamplingBody
from openai_compat.api.tools import NO_TOOLS, ToolUse

SEED_RANGE = 2**32
"""The runtime takes unsigned 32-bit seeds; OpenAI's are signed and 64-bit."""

IndexedEvent = tuple[int, Event]
"""The index of a run and one of its events."""


def build_chat(
    body: SamplingBody,
    model: str,
    messages: Sequence[Message],
    *,
    max_tokens: int | None,
    json_schema: str = "",
    top_logprobs: int | None = None,
    tool_use: ToolUse = NO_TOOLS,
) -> Chat:
    """Return the chat that a body asks of `model`; `max_tokens` None is no limit."""
    chat = Chat(
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
        top_logprobs=top_logprobs,
    )
    return tool_use.apply(chat)


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
    """Run all at once and yield their events as they come; closing it cancels the runs.

    Raises:
        SensesError: a run failed; the others are cancelled.
    """
    # no task group: its cancel scope would be open while the caller works with what is yielded
    queue: asyncio.Queue[IndexedEvent | Exception | None] = asyncio.Queue(1)
    tasks = [asyncio.create_task(_forward(index, events, queue)) for index, events in enumerate(runs)]
    open_runs = len(tasks)
    try:
        while open_runs:
            item = await queue.get()
            if isinstance(item, Exception):
                raise item
            if item is None:
                open_runs -= 1
            else:
                yield item
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _forward(
    index: int, events: AsyncGenerator[Event], queue: asyncio.Queue[IndexedEvent | Exception | None]
) -> None:
    """Put each event of a run into the queue, then None or its error."""
    try:
        async with aclosing(events):
            async for event in events:
                await queue.put((index, event))
    except Exception as error:  # noqa: BLE001 - the reader raises it
        await queue.put(error)
    else:
        await queue.put(None)
