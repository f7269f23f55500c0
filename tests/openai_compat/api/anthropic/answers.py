"""What the fake runtime answers, and what it received."""

from model_runtime.events import ChatResult, ReasoningDelta, TextDelta, ToolCallDelta
from model_runtime.requests import Chat, ToolCall
from tests.fakes import FakeService

ANSWER = "A red circle on a white background."
PARIS = ToolCall("call_1", "weather", '{"city": "Paris"}')
ROME = ToolCall("call_2", "weather", '{"city": "Rome"}')


def received_chat(service: FakeService) -> Chat:
    """Return the one chat that the runtime received."""
    (request,) = service.requests
    assert isinstance(request, Chat)
    return request


def end_with(service: FakeService, result: ChatResult) -> None:
    """Let the model answer with this result, whose text comes at once."""
    service.chat_events = (TextDelta(result.text),) if result.text else ()
    service.chat_result = result


def think_and_call_two_cities(service: FakeService) -> None:
    """Let the model think, say something and call a tool for two cities."""
    service.chat_events = (
        ReasoningDelta("Two "),
        ReasoningDelta("cities."),
        TextDelta("One moment."),
        ToolCallDelta(0, id="call_1", name="weather"),
        ToolCallDelta(0, arguments='{"city": '),
        ToolCallDelta(0, arguments='"Paris"}'),
        ToolCallDelta(1, id="call_2", name="weather"),
        ToolCallDelta(1, arguments='{"city": "Rome"}'),
    )
    service.chat_result = ChatResult(
        "One moment.",
        "tool_calls",
        12,
        30,
        cached_tokens=5,
        tool_calls=(PARIS, ROME),
        reasoning="Two cities.",
        reasoning_tokens=4,
    )
