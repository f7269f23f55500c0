"""Count the tokens of prompts for models that are not loaded, by their own template and tokenizer.

A worker of its own opens the checkpoint as for a chat, but reads none of its weights: a second instead of the minutes that
a large model takes to load, and no other model has to leave. It stays for a moment, since clients count in bursts.
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
"""How long a count may take; importing the libraries takes most of the first one."""
IDLE_SECONDS = 10.0
"""How long the worker waits for another prompt of the same model."""
RETRY_AFTER_SECONDS = 5.0


class TokenCounter:
    """Counts one prompt after the other, so that many at once take the memory of one worker."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._worker: CountingWorker | None = None
        self._idle_timer: asyncio.TimerHandle | None = None

    async def count(self, model: Model, files: ModelFiles, chat: Chat) -> ChatResult:
        """Return a result whose `prompt_tokens` are those of the chat. A failed or cancelled call ends the worker.

        Raises:
            Busy: no process can be started.
            JobStalled: the worker does not answer.
            SensesError: the checkpoint cannot be opened, or the model cannot read the messages.
            WorkerDied: the worker exits without an answer.
        """
        async with self._turn:
            worker = await self._worker_for(model, files)
            has_counted = False
            try:
                result = await worker.count(chat)
                has_counted = True
            finally:
                if not has_counted:
                    await self.close()
            self._idle_timer = asyncio.get_running_loop().call_later(IDLE_SECONDS, worker.leave)
            return result

    async def close(self) -> None:
        """End the worker and wait until it is reaped."""
        worker, self._worker = self._worker, None
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if worker is not None:
            worker.leave()
            with anyio.CancelScope(shield=True):
                await worker.process.exited.wait()

    async def _worker_for(self, model: Model, files: ModelFiles) -> "CountingWorker":
        if self._idle_timer is not None:
            self._idle_timer.cancel()
        if self._worker is None or not self._worker.serves(model, files):
            await self.close()
            self._worker = CountingWorker(model, files)
        return self._worker


class CountingWorker:
    """A worker that counts for one model, and its `WorkerListener`."""

    def __init__(self, model: Model, files: ModelFiles) -> None:
        """Start the process.

        Raises:
            Busy: the system cannot.
        """
        self._model = model
        self._files = files
        self._outcome: object = None
        self._answered = asyncio.Event()
        self._request_id = 0
        try:
            self.process = WorkerProcess(f"{model.name} token counter", 0, self)
        except OSError as error:
            raise Busy(
                f"The tokens for {model.name} were not counted: no process starts ({error.strerror}). "
                f"Try again in {RETRY_AFTER_SECONDS:.0f} s.",
                RETRY_AFTER_SECONDS,
            ) from error
        folders = {role: str(folder) for role, folder in files.folders.items()}
        spec = LoadSpec(model.name, model.engine, folders, dict(model.options), prefetch=False, evaluate=False)
        self.process.send(Load(spec))

    def serves(self, model: Model, files: ModelFiles) -> bool:
        """Return whether it counts for this model with these files, and lives."""
        return (
            (self._model, self._files) == (model, files) and not self.process.stop_requested and self._outcome is None
        )

    async def count(self, chat: Chat) -> ChatResult:
        """Return the worker's answer; see `TokenCounter.count`."""
        self._request_id += 1
        self.process.send(RunRequest(self._request_id, chat))
        try:
            with anyio.fail_after(DEADLINE_SECONDS):
                await self._answered.wait()
        except TimeoutError:
            raise JobStalled(
                f"The tokens for {self._model.name} were not counted within {DEADLINE_SECONDS:.0f} s. Try again."
            ) from None
        outcome, self._outcome, self._answered = self._outcome, None, asyncio.Event()
        if isinstance(outcome, SensesError):
            raise outcome
        if not isinstance(outcome, ChatResult):
            raise WorkerDied(
                f"The tokens for {self._model.name} were not counted: the worker sent no count. Try again."
            )
        return outcome

    def leave(self) -> None:
        """Kill the process; it has nothing to finish."""
        self.process.kill("no more tokens are to be counted")

    def on_message(self, process: WorkerProcess, message: WorkerMessage) -> None:
        """Keep a count, or why there is none."""
        if isinstance(message, RequestOutcome):
            self._answer(message.outcome)
        elif isinstance(message, LoadError):
            self._answer(message.error)

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """Stop waiting: no answer follows."""
        self._answer(WorkerDied(f"The tokens for {self._model.name} were not counted: {cause}. Try again."))

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """Do nothing: `TokenCounter.close` waits for the exit."""

    def _answer(self, outcome: object) -> None:
        if not self._answered.is_set():
            self._outcome = outcome
            self._answered.set()
