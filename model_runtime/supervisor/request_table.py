"""Where requests are taken in and answered: every job is here from its arrival until its one answer."""

from collections.abc import Callable, Iterator
from itertools import count

from model_runtime.catalog.model import Model
from model_runtime.errors import Cancelled, InvalidInput, SensesError
from model_runtime.events import EngineEvent, Finished, Loading, Queued, Result
from model_runtime.ipc.codec import CodecError
from model_runtime.ipc.framing import FrameError
from model_runtime.ipc.messages import Run
from model_runtime.process.process import pack_order
from model_runtime.requests import Request, Transcribe
from model_runtime.supervisor.active_request import Job, task_of
from model_runtime.supervisor.counters import Tally
from model_runtime.supervisor.model_worker import Tenant
from model_runtime.supervisor.output_queue import Mailbox


class Desk:
    """The open jobs by number."""

    def __init__(self, clock: Callable[[], float], tally: Tally, emptied: Callable[[Job], None]) -> None:
        self.jobs: dict[int, Job] = {}
        self.answered = 0
        """How many jobs have ended."""
        self._clock = clock
        self._tally = tally
        self._emptied = emptied
        self._numbers = count(1)

    def open(self, model: Model, request: Request | None, client: str) -> Job:
        """Take in a request, or an operator's load where there is none.

        Raises:
            InvalidInput: the request holds something that cannot be sent to a worker.
        """
        number = next(self._numbers)
        job = Job(
            id=number,
            model=model,
            task=task_of(request) if request is not None else model.task,
            client=client,
            order=_pack(number, request) if request is not None else (),
            arrived_at=self._clock(),
            mailbox=Mailbox(lambda: self._emptied(job)),
            heard_seconds=request.sound.seconds if isinstance(request, Transcribe) else 0.0,
        )
        self.jobs[number] = job
        return job

    def waiting_for(self, model: str) -> Iterator[Job]:
        """The jobs of this model that are not granted yet."""
        return (job for job in self.jobs.values() if job.granted_at is None and job.model.name == model)

    def running_on(self, tenant: Tenant) -> list[Job]:
        """The jobs that run in this process."""
        return [
            job
            for job in self.jobs.values()
            if job.granted_at is not None
            and (job.model.name, job.incarnation) == (tenant.model.name, tenant.incarnation)
        ]

    def anyone_waits(self) -> bool:
        """Whether any job is not granted yet."""
        return any(job.granted_at is None for job in self.jobs.values())

    def deliver(self, job: Job, event: EngineEvent) -> None:
        """Pass on a piece of work."""
        now = self._clock()
        job.note(event, now)
        job.mailbox.put(event)
        if job.mailbox.is_full and job.full_since is None:
            job.full_since = now

    def tell_position(self, job: Job, position: int, reason: str, tenant: Tenant | None) -> None:
        """Tell a waiting caller that its place has changed, and how far the load is."""
        job.position = position
        job.mailbox.put(Queued(position, reason))
        if tenant is not None and tenant.loaded_at is None:
            job.mailbox.put(Loading(tenant.model.name, tenant.stage, tenant.fraction))

    def tell_loading(self, tenant: Tenant) -> None:
        """Tell everybody who waits for this model and knows its place how far the load is."""
        for job in self.waiting_for(tenant.model.name):
            if not job.position:
                continue
            job.stage, job.done, job.total = tenant.stage, tenant.fraction or 0.0, 1.0
            job.mailbox.put(Loading(tenant.model.name, tenant.stage, tenant.fraction))

    def finish(self, job: Job, result: Result) -> None:
        """Answer with a result."""
        finished = Finished(job.model.name, result, job.timings(self._clock()), job.model.starter)
        self._tally.finished(finished)
        self._close(job, "ok")
        job.mailbox.put(finished)

    def finish_load(self, job: Job) -> None:
        """Answer an operator's load."""
        self._close(job, "ok")
        job.mailbox.put(Loading(job.model.name, "ready", 1.0))

    def fail(self, job: Job, error: SensesError) -> None:
        """Answer with an error."""
        self._close(job, error.code)
        job.mailbox.fail(error)

    def leave(self, job: Job) -> None:
        """The caller is gone; nobody reads an answer."""
        self._close(job, Cancelled.code)

    def _close(self, job: Job, code: str) -> None:
        del self.jobs[job.id]
        self.answered += 1
        if not job.is_load:
            self._tally.answered(job.model.name, job.task, code)


def _pack(number: int, request: Request) -> list[bytes]:
    try:
        return pack_order(Run(number, request))
    except (CodecError, FrameError) as error:
        raise InvalidInput(f"The request cannot be passed on to a model: {error}") from error
