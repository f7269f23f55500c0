"""Keeps responses for their ids: in memory, the newest ones, until Senses ends."""

from dataclasses import dataclass

MAX_RESPONSES = 1000
CAPACITY_BYTES = 64_000_000


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response and all items that the model read for it, those of earlier responses too, as JSON texts.

    A response that is being written has no output yet.
    """

    response: bytes
    input_items: bytes
    is_finished: bool = True

    @property
    def byte_count(self) -> int:
        """What it takes of the store."""
        return len(self.response) + len(self.input_items)


class ResponseStore:
    """Holds at most `max_responses` of at most `capacity_bytes` together. The one that was used longest ago leaves first."""

    def __init__(self, *, max_responses: int = MAX_RESPONSES, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self.max_responses = max_responses
        self.capacity_bytes = capacity_bytes
        self._used_bytes = 0
        self._responses: dict[str, StoredResponse] = {}

    def put(self, response_id: str, stored: StoredResponse) -> bool:
        """Keep a response, in place of an earlier one of this id. Return whether it fits."""
        self.delete(response_id)
        if stored.byte_count > self.capacity_bytes:
            return False
        self._responses[response_id] = stored
        self._used_bytes += stored.byte_count
        while len(self._responses) > self.max_responses or self._used_bytes > self.capacity_bytes:
            self.delete(next(iter(self._responses)))
        return True

    def get(self, response_id: str) -> StoredResponse | None:
        """Return a response and count it as used, or None if it is not kept."""
        stored = self._responses.pop(response_id, None)
        if stored is not None:
            self._responses[response_id] = stored
        return stored

    def find(self, text: str) -> StoredResponse | None:
        """Return a response with this text in it."""
        return next((stored for stored in self._responses.values() if text.encode() in stored.response), None)

    def delete(self, response_id: str) -> bool:
        """Forget a response. Return whether it was kept."""
        stored = self._responses.pop(response_id, None)
        if stored is not None:
            self._used_bytes -= stored.byte_count
        return stored is not None

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._responses)

    def __contains__(self, response_id: object) -> bool:
        """Return whether a response is kept."""
        return response_id in self._responses
