"""Where requests are taken in and answered: every job is here from its arrival until its one answer."""

from collections.abc import Callable, Iterator
from itertools import count

from model_runtime.catalog.model import Model
from model_runtime.errors import Cancelled, InvalidInput, SensesError
from model_runtime.events import EngineEvent, Finished, Loading, Queued, Result
from model_runtime.ipc.codec import CodecError
from model_runtime.ipc.framing import FrameError
from model_runtime.ipc.messages import RunRequest
from model_runtime.process.process import encode_command
from model_runtime.requests import Request, Transcribe
from model_runtime.supervisor.active_request import ActiveRequest, task_of
from model_runtime.supervisor.counters import CounterRegistry
from model_runtime.supervisor.model_worker import ModelWorker
from model_runtime.supervisor.output_queue import OutputQueue


class RequestTable:
    """The open jobs by number."""

    def __init__(
        self, clock: Callable[[], float], counters: CounterRegistry, drained: Callable[[ActiveRequest], None]
    ) -> None:
        self.active: dict[int, ActiveRequest] = {}
        self.finished_count = 0
        """How many jobs have ended."""
        self._clock = clock
        self._counters = counters
        self._drained = drained
        self._numbers = count(1)

    def open(self, model: Model, request: Request | None, client: str) -> ActiveRequest:
        """Take in a request, or an operator's load where there is none.

        Raises:
            InvalidInput: the request holds something that cannot be sent to a worker.
        """
        number = next(self._numbers)
        job = ActiveRequest(
            id=number,
            model=model,
            task=task_of(request) if request is not None else model.task,
            client=client,
            encoded_command=_encode(number, request) if request is not None else (),
            arrived_at=self._clock(),
            outputs=OutputQueue(lambda: self._drained(job)),
            audio_seconds=request.audio.duration_seconds if isinstance(request, Transcribe) else 0.0,
        )
        self.active[number] = job
        return job

    def waiting_for(self, model: str) -> Iterator[ActiveRequest]:
        """The jobs of this model that are not granted yet."""
        return (job for job in self.active.values() if job.granted_at is None and job.model.name == model)

    def running_on(self, worker: ModelWorker) -> list[ActiveRequest]:
        """The jobs that run in this process."""
        return [
            job
            for job in self.active.values()
            if job.granted_at is not None
            and (job.model.name, job.incarnation) == (worker.model.name, worker.incarnation)
        ]

    def anyone_waits(self) -> bool:
        """Whether any job is not granted yet."""
        return any(job.granted_at is None for job in self.active.values())

    def deliver(self, job: ActiveRequest, event: EngineEvent) -> None:
        """Pass on a piece of work."""
        now = self._clock()
        job.record_output(event, now)
        job.outputs.put(event)
        if job.outputs.is_full and job.queue_full_since is None:
            job.queue_full_since = now

    def notify_position(self, job: ActiveRequest, position: int, reason: str, worker: ModelWorker | None) -> None:
        """Tell a waiting caller that its place has changed, and how far the load is."""
        job.position = position
        job.outputs.put(Queued(position, reason))
        if worker is not None and worker.loaded_at is None:
            job.outputs.put(Loading(worker.model.name, worker.stage, worker.fraction))

    def notify_loading(self, worker: ModelWorker) -> None:
        """Tell everybody who waits for this model and knows its place how far the load is."""
        for job in self.waiting_for(worker.model.name):
            if not job.position:
                continue
            job.stage, job.done, job.total = worker.stage, worker.fraction or 0.0, 1.0
            job.outputs.put(Loading(worker.model.name, worker.stage, worker.fraction))

    def finish(self, job: ActiveRequest, result: Result) -> None:
        """Answer with a result."""
        finished = Finished(job.model.name, result, job.timings(self._clock()), job.model.starter)
        self._counters.count_result(finished)
        self._close(job, "ok")
        job.outputs.put(finished)

    def finish_load(self, job: ActiveRequest) -> None:
        """Answer an operator's load."""
        self._close(job, "ok")
        job.outputs.put(Loading(job.model.name, "ready", 1.0))

    def fail(self, job: ActiveRequest, error: SensesError) -> None:
        """Answer with an error."""
        self._close(job, error.code)
        job.outputs.fail(error)

    def release(self, job: ActiveRequest) -> None:
        """The caller is gone; nobody reads an answer."""
        self._close(job, Cancelled.code)

    def _close(self, job: ActiveRequest, code: str) -> None:
        del self.active[job.id]
        self.finished_count += 1
        if not job.is_load:
            self._counters.count_request(job.model.name, job.task, code)


def _encode(number: int, request: Request) -> list[bytes]:
    try:
        return encode_command(RunRequest(number, request))
    except (CodecError, FrameError) as error:
        raise InvalidInput(f"The request cannot be passed on to a model: {error}") from error
