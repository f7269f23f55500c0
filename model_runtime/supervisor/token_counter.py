"""Count the tokens of a prompt for a model that is not loaded, by its own template and tokenizer.

A worker of its own opens the checkpoint as for a chat, but reads none of its weights, and exits with the count: seconds
instead of the minutes that a large model takes to load, and no other model has to leave.
"""

import asyncio

import anyio

from model_runtime.catalog.disk import ModelFiles
from model_runtime.catalog.model import Model
from model_runtime.errors import Busy, JobStalled, SensesError, WorkerDied
from model_runtime.events import ChatResult
from model_runtime.ipc.messages import Load, LoadError, RequestOutcome, RunRequest, WorkerMessage
from model_runtime.loading import LoadSpec
from model_runtime.process.process import WorkerProcess
from model_runtime.requests import Chat

DEADLINE_SECONDS = 60.0
"""How long a worker may take; importing the libraries takes most of it."""
RETRY_AFTER_SECONDS = 5.0
REQUEST_ID = 1
"""The only request of the worker."""


class TokenCounter:
    """Counts one prompt after the other, so that many at once take the memory of one worker."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()

    async def count(self, model: Model, files: ModelFiles, chat: Chat) -> ChatResult:
        """Return a result whose `prompt_tokens` are those of the chat. A cancelled call ends its worker.

        Raises:
            Busy: no process can be started.
            JobStalled: the worker does not answer.
            SensesError: the checkpoint cannot be opened, or the model cannot read the messages.
            WorkerDied: the worker exits without an answer.
        """
        folders = {role: str(folder) for role, folder in files.folders.items()}
        spec = LoadSpec(model.name, model.engine, folders, dict(model.options), prefetch=False, evaluate=False)
        async with self._turn:
            outcome = await _ask_worker(spec, chat)
        if isinstance(outcome, SensesError):
            raise outcome
        if not isinstance(outcome, ChatResult):
            raise WorkerDied(f"The tokens for {model.name} were not counted: the worker sent no count. Try again.")
        return outcome


class _Answer:
    """The `WorkerListener` of the counting worker."""

    def __init__(self, model: str) -> None:
        self.outcome: object = None
        self.arrived = asyncio.Event()
        self._model = model

    def on_message(self, process: WorkerProcess, message: WorkerMessage) -> None:
        """Keep the count, or why there is none."""
        if isinstance(message, RequestOutcome):
            self._keep(message.outcome)
        elif isinstance(message, LoadError):
            self._keep(message.error)

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """Stop waiting: no answer follows."""
        self._keep(WorkerDied(f"The tokens for {self._model} were not counted: {cause}. Try again."))

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """Do nothing: `_ask_worker` waits for the exit."""

    def _keep(self, outcome: object) -> None:
        if not self.arrived.is_set():
            self.outcome = outcome
            self.arrived.set()


async def _ask_worker(spec: LoadSpec, chat: Chat) -> object:
    """Return what a worker answers; it is reaped in any case."""
    answer = _Answer(spec.model)
    try:
        process = WorkerProcess(f"{spec.model} token counter", 0, answer)
    except OSError as error:
        raise Busy(
            f"The tokens for {spec.model} were not counted: no process starts ({error.strerror}). "
            f"Try again in {RETRY_AFTER_SECONDS:.0f} s.",
            RETRY_AFTER_SECONDS,
        ) from error
    try:
        process.send(Load(spec))
        process.send(RunRequest(REQUEST_ID, chat))
        with anyio.fail_after(DEADLINE_SECONDS):
            await answer.arrived.wait()
    except TimeoutError:
        raise JobStalled(
            f"The tokens for {spec.model} were not counted within {DEADLINE_SECONDS:.0f} s. Try again."
        ) from None
    finally:
        process.kill("its answer is here, or nobody waits for it")
        with anyio.CancelScope(shield=True):
            await process.exited.wait()
    return answer.outcome
