"""A process that starts a worker, tells its pid once it works, and waits to be killed."""

import asyncio
import sys

from model_runtime.ipc.messages import Load, RequestOutput, RunRequest, WorkerMessage
from model_runtime.loading import LoadSpec
from model_runtime.process.process import WorkerProcess
from model_runtime.requests import Chat, Message


class PidPrinter:
    """Writes the pid with the first piece."""

    def on_message(self, process: WorkerProcess, report: WorkerMessage) -> None:
        """Announce it."""
        if isinstance(report, RequestOutput):
            sys.stdout.write(f"{process.pid}\n")
            sys.stdout.flush()

    def on_disconnect(self, process: WorkerProcess, cause: str) -> None:
        """Tell why."""
        sys.stdout.write(cause + "\n")

    def on_exit(self, process: WorkerProcess, cause: str) -> None:
        """Nothing is left to do."""


async def main(script: str) -> None:
    """Wait for ever."""
    process = WorkerProcess("m", 1, PidPrinter())
    process.send(Load(LoadSpec("m", "tests.scripted_engine:ScriptedEngine", {})))
    process.send(RunRequest(1, Chat("m", (Message("user", (script,)),))))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
