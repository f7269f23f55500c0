"""A process that starts a worker, tells its pid once it works, and waits to be killed."""

import asyncio
import sys

from model_runtime.ipc.messages import JobEvent, Load, Report, Run
from model_runtime.loading import LoadSpec
from model_runtime.process.process import WorkerProcess
from model_runtime.requests import Chat, Message


class Announcer:
    """Writes the pid with the first piece."""

    def reported(self, process: WorkerProcess, report: Report) -> None:
        """Announce it."""
        if isinstance(report, JobEvent):
            sys.stdout.write(f"{process.pid}\n")
            sys.stdout.flush()

    def lost(self, process: WorkerProcess, cause: str) -> None:
        """Tell why."""
        sys.stdout.write(cause + "\n")

    def reaped(self, process: WorkerProcess, cause: str) -> None:
        """Nothing is left to do."""


async def main(script: str) -> None:
    """Wait for ever."""
    process = WorkerProcess("m", 1, Announcer())
    process.send(Load(LoadSpec("m", "tests.scripted_engine:ScriptedEngine", {})))
    process.send(Run(1, Chat("m", (Message("user", (script,)),))))
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
