"""Counting the tokens of a conversation, which asks its model for no answer."""

from dataclasses import replace

import pytest
from anthropic import AsyncAnthropic
from anthropic.types import MessageParam

from tests.fakes import FakeService
from tests.openai_compat.api.anthropic.answers import received_chat

HI: list[MessageParam] = [{"role": "user", "content": "hi"}]


@pytest.mark.promise("anthropic:count-tokens")
async def test_a_conversation_is_counted_as_it_would_be_answered(claude: AsyncAnthropic, service: FakeService) -> None:
    count = await claude.messages.count_tokens(
        model="auto", messages=HI, system="Be short.", tools=[{"name": "look", "input_schema": {"type": "object"}}]
    )
    counted = received_chat(service)
    service.requests.clear()
    await claude.messages.create(
        model="auto",
        max_tokens=1,
        messages=HI,
        system="Be short.",
        tools=[{"name": "look", "input_schema": {"type": "object"}}],
    )

    assert count.input_tokens == 12
    assert counted.counts_only
    assert replace(counted, counts_only=False, temperature=1.0) == received_chat(service)


async def test_a_conversation_that_ends_with_an_answer_is_counted_too(
    claude: AsyncAnthropic, service: FakeService
) -> None:
    count = await claude.messages.count_tokens(model="auto", messages=[*HI, {"role": "assistant", "content": "Ho."}])

    assert count.input_tokens == 12
