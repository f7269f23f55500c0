"""What Anthropic's client builds upon messages: its beta, parsed answers, and the loop that runs tools."""

import pytest
from anthropic import AsyncAnthropic, beta_async_tool
from anthropic.types import MessageParam
from anthropic.types.beta import BetaMessageParam
from pydantic import BaseModel

from model_runtime.events import ChatResult, ToolCallDelta
from model_runtime.requests import Chat, Message, ToolCall
from tests.fakes import FakeService
from tests.openai_compat.api.anthropic.answers import ANSWER, end_with

HI: list[MessageParam] = [{"role": "user", "content": "hi"}]
BETA_HI: list[BetaMessageParam] = [{"role": "user", "content": "hi"}]
PARIS = ToolCall("call_1", "weather", '{"city": "Paris"}')


class Weather(BaseModel):
    """An answer with a form."""

    city: str


@pytest.mark.promise("anthropic:messages")
async def test_the_beta_of_messages_is_the_same(claude: AsyncAnthropic) -> None:
    whole = await claude.beta.messages.create(
        model="auto", max_tokens=9, messages=BETA_HI, betas=["context-management-2025-06-27"]
    )
    async with claude.beta.messages.stream(model="auto", max_tokens=9, messages=BETA_HI) as stream:
        streamed = await stream.get_final_message()
    count = await claude.beta.messages.count_tokens(model="auto", messages=BETA_HI)

    assert whole.content[0].type == streamed.content[0].type == "text"
    assert whole.content[0].text == streamed.content[0].text == ANSWER
    assert count.input_tokens == 12


@pytest.mark.promise("anthropic:messages")
async def test_an_answer_is_parsed_into_the_form_that_was_asked_for(
    claude: AsyncAnthropic, service: FakeService
) -> None:
    end_with(service, ChatResult('{"city": "Paris"}', "stop", 5, 1))

    answer = await claude.messages.parse(model="auto", max_tokens=9, messages=HI, output_format=Weather)

    assert answer.parsed_output == Weather(city="Paris")
    (chat,) = service.requests
    assert isinstance(chat, Chat)
    assert '"city"' in chat.json_schema


@pytest.mark.promise("anthropic:tools")
@pytest.mark.parametrize("stream", [False, True])
async def test_the_client_runs_a_tool_and_the_model_is_told_its_result(
    claude: AsyncAnthropic, service: FakeService, stream: bool
) -> None:
    @beta_async_tool
    async def weather(city: str) -> str:
        """Tell the weather."""
        end_with(service, ChatResult("It rains.", "stop", 5, 1))
        return f"Rain in {city}."

    service.chat_events = (ToolCallDelta(0, id="call_1", name="weather"), ToolCallDelta(0, arguments=PARIS.arguments))
    service.chat_result = ChatResult("", "tool_calls", 5, 1, tool_calls=(PARIS,))

    runner = claude.beta.messages.tool_runner(
        model="auto", max_tokens=9, messages=BETA_HI, tools=[weather], stream=stream
    )
    last = await runner.until_done()

    assert last.content[0].type == "text"
    assert last.content[0].text == "It rains."
    chat = service.requests[-1]
    assert isinstance(chat, Chat)
    assert chat.messages[-2:] == (
        Message("assistant", (), (PARIS,)),
        Message("tool", ("Rain in Paris.",), tool_call_id="call_1"),
    )
