"""The open requests: each is here from its arrival until its one answer."""

from collections.abc import Callable, Iterator

from model_runtime.catalog.model import Model
from model_runtime.errors import Cancelled, InvalidInput, SensesError
from model_runtime.events import Finished, Loading, Queued, Result, Warnings, with_warnings
from model_runtime.ipc.codec import CodecError
from model_runtime.ipc.framing import FrameError
from model_runtime.ipc.messages import RunRequest
from model_runtime.prepare import PreparedRequest
from model_runtime.process.process import encode_command
from model_runtime.requests import Request, Transcribe
from model_runtime.supervisor.active_request import ActiveRequest
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.model_worker import ModelWorker
from model_runtime.supervisor.output_queue import OutputQueue


class RequestTable:
    """The open requests by id. Adds them, answers them and counts the answers."""

    def __init__(
        self, clock: Callable[[], float], counters: CounterRegistry, drained: Callable[[ActiveRequest], None]
    ) -> None:
        """`drained` is called when the full output queue of a request has room again."""
        self.active: dict[int, ActiveRequest] = {}
        self.finished_count = 0
        """How many requests have been answered or released."""
        self._clock = clock
        self._counters = counters
        self._drained = drained

    def add(self, request_id: int, prepared: PreparedRequest, client: str) -> ActiveRequest:
        """Take in a prepared request.

        Raises:
            InvalidInput: the request holds something that cannot be sent to a worker.
        """
        request = prepared.request
        added = ActiveRequest(
            id=request_id,
            model=prepared.model,
            task=prepared.task,
            client=client,
            encoded_command=_encode(request_id, request),
            arrived_at=self._clock(),
            outputs=OutputQueue(lambda: self._drained(added)),
            working_bytes=prepared.working_bytes,
            warnings=prepared.warnings,
            audio_seconds=request.audio.duration_seconds if isinstance(request, Transcribe) else 0.0,
        )
        if prepared.warnings:
            added.outputs.put(Warnings(prepared.warnings))
        self.active[request_id] = added
        return added

    def add_load(self, request_id: int, model: Model) -> ActiveRequest:
        """Take in an operator's wish to load a model."""
        outputs = OutputQueue(_ignore)
        added = ActiveRequest(request_id, model, model.task, "", (), self._clock(), outputs)
        self.active[request_id] = added
        return added

    def waiting_for(self, model: str) -> Iterator[ActiveRequest]:
        """Yield the requests of this model that do not run yet."""
        return (one for one in self.active.values() if one.granted_at is None and one.model.name == model)

    def running_on(self, worker: ModelWorker) -> list[ActiveRequest]:
        """Return the requests that run in this worker."""
        name, incarnation = worker.model.name, worker.incarnation
        return [
            request
            for request in self.active.values()
            if request.granted_at is not None and (request.model.name, request.incarnation) == (name, incarnation)
        ]

    def notify_position(self, request: ActiveRequest, position: int, reason: str, worker: ModelWorker | None) -> None:
        """Report a new place in the queue to a waiting caller, and how far its model's load is."""
        request.position = position
        request.outputs.put(Queued(position, reason))
        if worker is not None and worker.loaded_at is None:
            request.outputs.put(Loading(worker.model.name, worker.stage, worker.fraction))

    def notify_loading(self, worker: ModelWorker) -> None:
        """Report how far a load is to every caller that waits for it and knows its place in the queue."""
        for request in self.waiting_for(worker.model.name):
            if request.position:
                request.stage, request.done, request.total = worker.stage, worker.fraction or 0.0, 1.0
                request.outputs.put(Loading(worker.model.name, worker.stage, worker.fraction))

    def finish(self, request: ActiveRequest, result: Result) -> None:
        """Answer with a result."""
        timings = request.timings(self._clock())
        finished = Finished(request.model.name, result, timings, request.model.starter)
        self._counters.count_result(finished)
        self._close(request, "ok")
        request.outputs.put(with_warnings(finished, request.warnings))

    def finish_load(self, request: ActiveRequest) -> None:
        """Answer an operator's load: the model is ready."""
        self._close(request, "ok")
        request.outputs.put(Loading(request.model.name, "ready", 1.0))

    def fail(self, request: ActiveRequest, error: SensesError) -> None:
        """Answer with an error."""
        self._close(request, error.code)
        request.outputs.fail(error)

    def release(self, request: ActiveRequest) -> None:
        """Close a request whose caller is gone."""
        self._close(request, Cancelled.code)

    def _close(self, request: ActiveRequest, code: str) -> None:
        del self.active[request.id]
        self.finished_count += 1
        if not request.is_load:
            self._counters.count_request(request.model.name, request.task, code)


def _ignore() -> None:
    """Do nothing: the outputs of a load never fill its queue."""


def _encode(request_id: int, request: Request) -> list[bytes]:
    try:
        return encode_command(RunRequest(request_id, request))
    except (CodecError, FrameError) as error:
        raise InvalidInput(f"The request cannot be passed on to a model: {error}") from error
