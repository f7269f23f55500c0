"""The open requests: each is in the table from its arrival until its one answer."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from model_runtime.catalog.model import Model
from model_runtime.errors import Cancelled, InvalidInput, SensesError
from model_runtime.events import Finished, Loading, ModelChosen, Queued, Result, Warnings
from model_runtime.ipc.codec import CodecError
from model_runtime.ipc.framing import FrameError
from model_runtime.ipc.messages import RunRequest
from model_runtime.prepare import PreparedRequest
from model_runtime.process.process import encode_command
from model_runtime.requests import Request, Task
from model_runtime.scheduler.model_record import ModelRecord
from model_runtime.scheduler.state import SchedulerState
from model_runtime.status import ModelState
from model_runtime.supervisor.active_request import ActiveRequest, amount_of, is_batch
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.model_worker import ModelWorker
from model_runtime.supervisor.output_queue import OutputQueue

log = logging.getLogger(__name__)


class RequestTable:
    """The open requests by id. Adds them, answers them and counts the answers."""

    def __init__(
        self,
        clock: Callable[[], float],
        counters: CounterRegistry,
        drained: Callable[[ActiveRequest], None],
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """`drained` is called when the full output queue of a request has room again."""
        self.active: dict[int, ActiveRequest] = {}
        self.finished_count = 0
        """How many requests have been answered or released."""
        self._clock = clock
        self._wall_clock = wall_clock
        self._counters = counters
        self._drained = drained

    def add(self, request_id: int, prepared: PreparedRequest, client: str) -> ActiveRequest:
        """Add a prepared request and return it.

        Raises:
            InvalidInput: the request holds a value that cannot be sent to a worker.
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
            is_batch=is_batch(request),
        )
        if prepared.is_other_model:
            added.outputs.put(ModelChosen(prepared.model.name, prepared.model.starter))
        if prepared.warnings:
            added.outputs.put(Warnings(prepared.warnings))
        self.active[request_id] = added
        return added

    def add_load(self, request_id: int, model: Model) -> ActiveRequest:
        """Add an operator's request to load a model and return it."""
        outputs = OutputQueue(lambda: None)  # never full: a load only sends its position and progress
        is_drawer = model.task is Task.IMAGE
        added = ActiveRequest(request_id, model, model.task, "", (), self._clock(), outputs, is_batch=is_drawer)
        self.active[request_id] = added
        return added

    def running_on(self, worker: ModelWorker) -> list[ActiveRequest]:
        """Return the requests that run in this worker."""
        name, incarnation = worker.model.name, worker.incarnation
        return [
            request
            for request in self.active.values()
            if request.granted_at is not None and (request.model.name, request.incarnation) == (name, incarnation)
        ]

    def notify_positions(self, scheduler: SchedulerState, workers: Mapping[str, ModelWorker]) -> None:
        """Report to every caller whose place in the queue has changed the new place, and the progress of a load.

        A queue of hundreds moves at each answer, so each is gone through once, and only first places are logged.
        """
        for record in scheduler.records.values():
            if record.queue:
                self._notify_queue(scheduler, record, workers.get(record.name))

    def _notify_queue(self, scheduler: SchedulerState, record: ModelRecord, worker: ModelWorker | None) -> None:
        reason, waits = scheduler.explain(record.name), scheduler.start_seconds(record)
        for position, (queued, wait_seconds) in enumerate(zip(record.queue, waits, strict=True), 1):
            request = self.active.get(queued.id)
            if request is None or position == request.position:
                continue
            if not request.position and record.state is not ModelState.STARTING:
                log.info("Request %d is queued at place %d: %s", request.id, position, reason)
            request.position = position
            request.outputs.put(Queued(position, reason, wait_seconds))
            if worker is not None and worker.loaded_at is None:
                request.outputs.put(Loading(record.name, worker.stage, worker.fraction))

    def notify_loading(self, worker: ModelWorker) -> None:
        """Report the progress of a load to every caller that waits for it and knows its place in the queue."""
        for request in self.active.values():
            if request.granted_at is None and request.position and request.model.name == worker.model.name:
                request.stage, request.done, request.total = worker.stage, worker.fraction or 0.0, 1.0
                request.outputs.put(Loading(worker.model.name, worker.stage, worker.fraction))

    def finish(self, request: ActiveRequest, result: Result) -> None:
        """Answer with a result, which repeats the request's warnings before its own."""
        if request.warnings:
            result = replace(result, warnings=(*request.warnings, *result.warnings))
        finished = Finished(request.model.name, result, request.timings(self._clock()), request.model.starter)
        self._counters.count_result(finished)
        self._close(request, "ok", amount_of(result))
        request.outputs.put(finished)

    def finish_load(self, request: ActiveRequest) -> None:
        """Answer an operator's load: the model is ready."""
        self._close(request, "ok")
        request.outputs.put(Loading(request.model.name, "ready", 1.0))

    def fail(self, request: ActiveRequest, error: SensesError) -> None:
        """Answer with an error."""
        self._close(request, error.code)
        request.outputs.fail(error)

    def release(self, request: ActiveRequest) -> None:
        """Remove a request whose caller has left."""
        self._close(request, Cancelled.code)

    def _close(self, request: ActiveRequest, code: str, amount: float = 0.0) -> None:
        del self.active[request.id]
        self.finished_count += 1
        if not request.is_load:
            self._counters.count_request(request.ended(self._wall_clock(), self._clock(), code, amount))


def _encode(request_id: int, request: Request) -> list[bytes]:
    try:
        return encode_command(RunRequest(request_id, request))
    except (CodecError, FrameError) as error:
        raise InvalidInput(f"The request cannot be sent to the model's worker: {error}") from error
