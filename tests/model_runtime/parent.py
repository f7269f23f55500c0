"""A process that starts a worker, prints its pid once it runs a request, and waits to be killed."""

import asyncio
import sys

from model_runtime.ipc.messages import Load, RequestOutput, RunRequest, WorkerMessage
from model_runtime.loading import LoadSpec
from model_runtime.process.process import WorkerProcess
from model_runtime.requests import Chat, Message


class PidPrinter:
    """Prints the worker's pid at its first output."""

    def on_message(self, process: WorkerProcess, message: WorkerMessage) -> None:
        """Print the pid."""
        if isinstance(message, RequestOutput):
            sys.stdout.write(f"{process.pid}\n")
            sys.stdout.flush()

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """Print the cause."""
        sys.stdout.write(cause + "\n")

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """Do nothing."""


async def main(script: str) -> None:
    """Start the worker and wait for ever."""
    process = WorkerProcess("m", 1, PidPrinter())
    process.send(Load(LoadSpec("m", "tests.scripted_engine:ScriptedEngine", {})))
    process.send(RunRequest(1, Chat("m", (Message("user", (script,)),))))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
