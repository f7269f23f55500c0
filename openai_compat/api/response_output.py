"""Builds the output of a response: its items, and the events that tell of them while they grow.

Reasoning, texts and calls of tools become items in the order in which the model writes them; one is open at a time.
"""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from model_runtime.events import Event, ReasoningDelta, TextDelta, TokenLogprob, ToolCallDelta
from openai_compat.api.logprobs import logprob_items
from openai_compat.api.response_items import new_item_id, output_text_part

ItemStatus = Literal["in_progress", "completed", "incomplete"]
OutputEvent = tuple[str, dict[str, Any]]
"""The type of an event after "response.", and its payload."""


class OutputItem(Protocol):
    """An item that grows. The payloads of its events still lack the place in the output."""

    id: str

    def takes(self, event: Event) -> bool:
        """Return whether an event belongs to this item."""
        ...

    def json(self, status: ItemStatus) -> dict[str, Any]:
        """Return the item as it is now."""
        ...

    def first_events(self) -> list[OutputEvent]:
        """Return what follows the news that the item was added."""
        ...

    def extend(self, event: Any) -> list[OutputEvent]:
        """Add what an event brings, and return what tells of it."""
        ...

    def last_events(self) -> list[OutputEvent]:
        """Return what precedes the news that the item is done."""
        ...


@dataclass(slots=True)
class MessageItem:
    """A text for the user."""

    id: str = field(default_factory=lambda: new_item_id("message"))
    _text: str = ""
    _logprobs: list[TokenLogprob] = field(default_factory=list)

    def takes(self, event: Event) -> bool:
        """Texts belong to it."""
        return isinstance(event, TextDelta)

    def json(self, status: ItemStatus) -> dict[str, Any]:
        """Return the item as it is now."""
        content = [] if status == "in_progress" else [self._part()]
        return {"id": self.id, "type": "message", "role": "assistant", "status": status, "content": content}

    def first_events(self) -> list[OutputEvent]:
        """Return the news of its only part."""
        return [("content_part.added", {"content_index": 0, "part": self._part()})]

    def extend(self, event: TextDelta) -> list[OutputEvent]:
        """Add a text."""
        self._text += event.text
        self._logprobs += event.logprobs
        payload = {"content_index": 0, "delta": event.text, "logprobs": logprob_items(event.logprobs)}
        return [("output_text.delta", payload)]

    def last_events(self) -> list[OutputEvent]:
        """Return the whole text."""
        part = self._part()
        whole = {"content_index": 0, "text": self._text, "logprobs": part["logprobs"]}
        return [("output_text.done", whole), ("content_part.done", {"content_index": 0, "part": part})]

    def _part(self) -> dict[str, Any]:
        return output_text_part(self._text, logprob_items(self._logprobs))


@dataclass(slots=True)
class ReasoningItem:
    """What the model thinks, as it stands: it is no summary."""

    id: str = field(default_factory=lambda: new_item_id("reasoning"))
    _text: str = ""

    def takes(self, event: Event) -> bool:
        """Thoughts belong to it."""
        return isinstance(event, ReasoningDelta)

    def json(self, status: ItemStatus) -> dict[str, Any]:
        """Return the item as it is now."""
        content = [] if status == "in_progress" else [self._part()]
        return {"id": self.id, "type": "reasoning", "summary": [], "content": content, "status": status}

    def first_events(self) -> list[OutputEvent]:
        """Return the news of its only part."""
        return [("content_part.added", {"content_index": 0, "part": self._part()})]

    def extend(self, event: ReasoningDelta) -> list[OutputEvent]:
        """Add a thought."""
        self._text += event.text
        return [("reasoning_text.delta", {"content_index": 0, "delta": event.text})]

    def last_events(self) -> list[OutputEvent]:
        """Return the whole thought."""
        whole = {"content_index": 0, "text": self._text}
        return [("reasoning_text.done", whole), ("content_part.done", {"content_index": 0, "part": self._part()})]

    def _part(self) -> dict[str, Any]:
        return {"type": "reasoning_text", "text": self._text}


@dataclass(slots=True)
class FunctionCallItem:
    """A call of a tool. `index` is its number among the calls."""

    index: int
    call_id: str
    name: str
    id: str = field(default_factory=lambda: new_item_id("function_call"))
    _arguments: str = ""

    def takes(self, event: Event) -> bool:
        """The parts of one call belong to it."""
        return isinstance(event, ToolCallDelta) and event.index == self.index

    def json(self, status: ItemStatus) -> dict[str, Any]:
        """Return the item as it is now."""
        call = {"call_id": self.call_id, "name": self.name, "arguments": self._arguments}
        return {"id": self.id, "type": "function_call", **call, "status": status}

    def first_events(self) -> list[OutputEvent]:
        """Return nothing: a call has no parts."""
        return []

    def extend(self, event: ToolCallDelta) -> list[OutputEvent]:
        """Add a part of the arguments."""
        self._arguments += event.arguments
        return [("function_call_arguments.delta", {"delta": event.arguments})] if event.arguments else []

    def last_events(self) -> list[OutputEvent]:
        """Return all arguments."""
        # older clients require the name: openai 2.54 is strict about it
        return [("function_call_arguments.done", {"name": self.name, "arguments": self._arguments})]


class OutputBuilder:
    """Builds the items of one response from the events of its run."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        """Those that are done."""
        self._open: OutputItem | None = None

    def add(self, event: Event) -> list[OutputEvent]:
        """Add what the model wrote next, and return what tells of it."""
        if self._open and self._open.takes(event):
            return self._placed(self._open.extend(event))
        item = new_item(event)
        if item is None:
            return []
        return self._end("completed") + self._begin(item) + self._placed(item.extend(event))

    def finish(self, status: ItemStatus) -> list[OutputEvent]:
        """End the last item with this status. A response without any item gets an empty message."""
        begun = [] if self._open or self.items else self._begin(MessageItem())
        return begun + self._end(status)

    def _begin(self, item: OutputItem) -> list[OutputEvent]:
        self._open = item
        added = ("output_item.added", {"output_index": len(self.items), "item": item.json("in_progress")})
        return [added, *self._placed(item.first_events())]

    def _end(self, status: ItemStatus) -> list[OutputEvent]:
        if self._open is None:
            return []
        item = self._open.json(status)
        last = self._placed(self._open.last_events())
        done = ("output_item.done", {"output_index": len(self.items), "item": item})
        self.items.append(item)
        self._open = None
        return [*last, done]

    def _placed(self, events: list[OutputEvent]) -> list[OutputEvent]:
        """Return events of the open item with its place in the output."""
        place = {"item_id": self._open.id if self._open else "", "output_index": len(self.items)}
        return [(name, {**place, **payload}) for name, payload in events]


def new_item(event: Event) -> OutputItem | None:
    """Return a new item for what an event brings, None if it brings no output."""
    match event:
        case TextDelta():
            return MessageItem()
        case ReasoningDelta():
            return ReasoningItem()
        case ToolCallDelta():
            return FunctionCallItem(event.index, event.id, event.name)
        case _:
            return None
