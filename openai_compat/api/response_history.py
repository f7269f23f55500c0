"""Responses that continue earlier ones, and what is kept so that later ones can."""

from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from anyio import to_thread
from pydantic_core import from_json, to_json

from model_runtime.errors import InvalidInput
from openai_compat.api.response_items import item_type, listed_item, to_items
from openai_compat.api.response_store import ResponseStore, StoredResponse
from openai_compat.http.errors import UnknownResponse

PREVIOUS = "previous_response_id"
MAX_QUOTED_CHARACTERS = 80
NOT_KEPT = (
    "This response is not kept: it is too large, or newer ones took its place. Send the whole conversation as `input` "
    "to continue it."
)
"""A warning."""


@dataclass(frozen=True, slots=True)
class ResponseHistory:
    """Reads and writes the store in the form of items."""

    store: ResponseStore

    def require(self, response_id: str) -> StoredResponse:
        """Return a kept response.

        Raises:
            UnknownResponse: none has this id.
        """
        stored = self.store.get(response_id)
        if stored is None:
            raise self.unknown(f"There is no response {response_id[:MAX_QUOTED_CHARACTERS]!r}.")
        return stored

    def unknown(self, sentence: str, param: str | None = None) -> UnknownResponse:
        """Return the error for an id that is not kept, or no longer."""
        capacity_mb = self.store.capacity_bytes // 1_000_000
        error = UnknownResponse(
            f"{sentence} Senses keeps the {self.store.max_responses} responses that were used last, of {capacity_mb} MB "
            f"together, until it ends; {len(self.store)} are kept now. Send the whole conversation as `input`."
        )
        error.param = param
        return error

    async def conversation(self, values: Mapping[str, Any]) -> object:
        """Return the items that a request asks to be read: earlier ones, then its own. Wrong shapes are unchanged.

        Raises:
            UnknownResponse: an item that is only named is not kept.
            InvalidInput: the earlier response is not kept, or not finished.
        """
        previous_id = values.get(PREVIOUS)
        earlier: list[Any] = []
        if isinstance(previous_id, str) and previous_id:
            earlier = await to_thread.run_sync(_items_of, self._require_finished(previous_id))
        own = to_items(values.get("input"))
        if own is None and earlier:
            return earlier
        return [*earlier, *self._resolve(own, earlier)] if isinstance(own, list) else own

    def _require_finished(self, response_id: str) -> StoredResponse:
        try:
            stored = self.require(response_id)
        except UnknownResponse as error:  # OpenAI's status and code, which agents look at to send everything again
            raise InvalidInput(error.message, param=PREVIOUS, code="previous_response_not_found") from error
        if not stored.is_finished:
            raise InvalidInput(
                f"The response {response_id!r} is still being written. Wait for its end, then continue it.",
                param=PREVIOUS,
            )
        return stored

    def _resolve(self, items: Sequence[object], earlier: Sequence[Mapping[str, Any]]) -> list[object]:
        """Return the items, with those that are only named in full. What came earlier anyway is not repeated."""
        known = {item.get("id") for item in earlier}
        named = [(item, _referred_id(item)) for item in items]
        return [
            self._item(item_id) if item_id else item for item, item_id in named if item_id not in known or not item_id
        ]

    def _item(self, item_id: str) -> object:
        stored = self.store.find(f'"{item_id}"')
        output = from_json(stored.response)["output"] if stored else []
        found = next((item for item in output if item["id"] == item_id), None)
        if found is None:
            raise self.unknown(f"There is no item {item_id[:MAX_QUOTED_CHARACTERS]!r} to refer to.", "input")
        return found

    @contextmanager
    def writing(self, response: Mapping[str, Any], input_items: bytes) -> Generator[None]:
        """Keep a response that is being written in the block; if it is not finished there, it is forgotten.

        `input_items` are those that it is asked with, as `encode_items` returns them.
        """
        self.store.put(response["id"], StoredResponse(to_json(response), input_items, is_finished=False))
        try:
            yield
        finally:
            stored = self.store.get(response["id"])
            if stored and not stored.is_finished:
                self.store.delete(response["id"])

    def finish(self, response: Mapping[str, Any]) -> bool:
        """Keep a finished response with what it was asked with. Return whether there is still room for it."""
        begun = self.store.get(response["id"])
        return begun is not None and self.store.put(
            response["id"], StoredResponse(to_json(response), begun.input_items)
        )


def encode_items(items: Sequence[Mapping[str, Any]]) -> bytes:
    """Return valid items as JSON, in the form in which they are listed. Those with pictures take a while."""
    return to_json([listed_item(item) for item in items])


def _items_of(stored: StoredResponse) -> list[Any]:
    """Return what a response was asked with, and its output."""
    return [*from_json(stored.input_items), *from_json(stored.response)["output"]]


def _referred_id(item: object) -> str:
    """Return the id of an item that is only named, "" for another one. The type of a name may be left out."""
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        return ""
    is_name = item_type(item) == "item_reference" or not {"type", "role"} & item.keys()
    return str(item["id"]) if is_name else ""
