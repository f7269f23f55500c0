"""A caller's hold on its request: read the outputs, leave to release it."""

from collections.abc import Callable
from types import TracebackType
from typing import Self

from model_runtime.supervisor.active_request import ActiveRequest
from model_runtime.supervisor.output_queue import OutputQueue


class RequestHandle:
    """Leaving the context releases the request; where it has no answer yet, that cancels it."""

    def __init__(self, request: ActiveRequest, release: Callable[[ActiveRequest], None]) -> None:
        self.id = request.id
        self.outputs: OutputQueue = request.outputs
        self._request = request
        self._release = release

    @property
    def is_granted(self) -> bool:
        """Whether it runs, or has run."""
        return self._request.granted_at is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._release(self._request)
