"""The loop of an agent: OpenAI's client, the endpoint and a tiny model, call after call."""

import json
from collections.abc import AsyncGenerator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI

from model_runtime.catalog.model import Model
from model_runtime.engines.protocol import StepEngine
from model_runtime.engines.text.model import TextEngine
from model_runtime.errors import SensesError
from model_runtime.events import ChatResult, Event, Finished, Timings
from model_runtime.requests import Chat, Request, Task
from model_runtime.settings import Settings
from model_runtime.validation import validate
from openai_compat.app import create_app
from tests.checkpoints import tool_templates
from tests.fakes import FakeService
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.step_engine_driver import load, run_to_end

pytestmark = pytest.mark.engines

WEATHER: Any = {
    "type": "function",
    "function": {
        "name": "weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}},
            "required": ["city"],
            "additionalProperties": False,
        },
    },
}
QUESTION: Any = {"role": "user", "content": "Which weather has Paris?"}


class EngineService(FakeService):
    """Answers chats with an engine, after the checks that come before anything loads."""

    def __init__(self, engine: StepEngine, folder: Path) -> None:
        super().__init__()
        self._engine = engine
        self._folder = folder

    async def run(self, request: Request, **_options: Any) -> AsyncGenerator[Event]:
        """Run one chat to its end."""
        assert isinstance(request, Chat)
        validate(request, Model(request.model, Task.TEXT, "mlx-lm", "for a test"), {"model": self._folder})
        self.requests.append(request)
        for output in run_to_end(self._engine, {0: replace(request, max_tokens=request.max_tokens or 200)})[0]:
            if isinstance(output, SensesError):
                raise output
            if isinstance(output, ChatResult):
                yield Finished(request.model, output, Timings(0.0, 0.0, 0.0))
            else:
                yield output  # type: ignore[misc] # a chat has no other results


@pytest.fixture
async def sdk(checkpoint: Callable[[CheckpointBuilder], Path], settings: Settings) -> AsyncGenerator[AsyncOpenAI]:
    """Yield OpenAI's client in front of a random model that knows tools."""
    folder = checkpoint(tool_templates.build_hermes)
    app = create_app(EngineService(load(TextEngine(), {"model": folder}), folder), settings)
    transport = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app))
    async with AsyncOpenAI(
        base_url="http://127.0.0.1/v1",
        api_key="unused",
        max_retries=0,
        http_client=transport,
        _strict_response_validation=True,
    ) as client:
        yield client


@pytest.mark.promise("openai:tool-loop")
async def test_an_agent_calls_is_told_the_result_and_goes_on(sdk: AsyncOpenAI) -> None:
    forced: Any = {"type": "function", "function": {"name": "weather"}}
    first = await sdk.chat.completions.create(
        model="", messages=[QUESTION], tools=[WEATHER], tool_choice=forced, temperature=0
    )
    message = first.choices[0].message
    (call,) = message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments)["city"] in ("Paris", "Rome")
    assert first.choices[0].finish_reason == "tool_calls"

    history: Any = [QUESTION, message.model_dump(), {"role": "tool", "tool_call_id": call.id, "content": "rain"}]
    second = await sdk.chat.completions.create(model="", messages=history, tools=[WEATHER], max_tokens=5)

    assert second.choices[0].finish_reason in ("stop", "length")
    assert second.usage is not None
    assert first.usage is not None
    assert second.usage.prompt_tokens > first.usage.prompt_tokens


@pytest.mark.promise("openai:tool-loop")
async def test_a_streamed_call_is_the_whole_one_in_pieces(sdk: AsyncOpenAI) -> None:
    asked: Any = {"messages": [QUESTION], "tools": [WEATHER], "tool_choice": "required", "parallel_tool_calls": False}
    whole = await sdk.chat.completions.create(model="", temperature=0, **asked)
    stream = await sdk.chat.completions.create(model="", temperature=0, stream=True, **asked)

    chunks = [chunk.choices[0] async for chunk in stream]

    parts = [part.function for choice in chunks for part in choice.delta.tool_calls or [] if part.function]
    (call,) = whole.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert (parts[0].name, parts[0].arguments) == ("weather", "")
    assert "".join(part.arguments or "" for part in parts) == call.function.arguments
    assert len(parts) > 3, "arguments arrive while they are written"
    assert chunks[-1].finish_reason == "tool_calls"
    assert not any(choice.delta.content for choice in chunks)
