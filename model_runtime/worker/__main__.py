"""One worker process: `python -P -m model_runtime.worker NAME`, with the connection to the daemon on descriptor 3.

The main thread loads the model and runs all jobs, because MLX binds streams to threads. A reader thread receives
commands and ends the process at once if the daemon exits. A third thread sends heartbeats.
"""

import ctypes
import logging
import os
import signal
import socket
import sys
import threading
from typing import cast

from model_runtime.engines.protocol import Engine, StepEngine
from model_runtime.engines.registry import (
    active_memory_bytes,
    create_engine,
    preload_engine,
    recommended_working_set_bytes,
    synchronize,
)
from model_runtime.errors import SensesError
from model_runtime.ipc.messages import (
    LINK_FD,
    GpuProbed,
    Hello,
    Load,
    LoadError,
    LoadProgress,
    Preload,
    Preloaded,
    ProbeGpu,
    Ready,
    Shutdown,
)
from model_runtime.loading import LoadSpec
from model_runtime.worker.command_queue import CommandQueue
from model_runtime.worker.connection import DaemonConnection, exit_orphaned
from model_runtime.worker.heartbeat import HeartbeatSender
from model_runtime.worker.job_errors import to_load_error
from model_runtime.worker.loop import WorkerLoop
from model_runtime.worker.prefetch import prefetch
from model_runtime.worker.serial_engine import SerialEngine

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}
"""Keep libraries offline, without telemetry, progress bars and tokenizer threads."""

LOAD_FAILED, CONNECTION_FAILED, ENGINE_FAILED = 1, 65, 70
"""Exit codes; 0 is an exit after a `Shutdown` command."""

NICENESS = 5
"""Added to the process's nice value: the daemon, which answers within milliseconds, has priority over workers."""

PR_SET_PDEATHSIG = 1
"""prctl's option of Linux for the signal at the parent's death (sys/prctl.h)."""

log = logging.getLogger(__name__)


def main() -> None:
    """Run the worker until a `Shutdown` command or the end of the daemon; never return."""
    os.environ.update(ENVIRONMENT)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    die_with_parent()
    os.nice(NICENESS)
    os.set_inheritable(LINK_FD, False)
    connection, commands, heartbeat = DaemonConnection(socket.socket(fileno=LINK_FD)), CommandQueue(), HeartbeatSender()
    threading.Thread(target=_read_commands, args=(connection, commands, heartbeat), name="reader", daemon=True).start()
    connection.send(Hello(os.getpid()))
    exit_now(_serve(connection, commands, heartbeat))


def _serve(connection: DaemonConnection, commands: CommandQueue, heartbeat: HeartbeatSender) -> int:
    heartbeat.start(connection.send, active_memory_bytes)  # a spare worker may be claimed while it still imports
    spec = _wait_for_spec(connection, commands)
    if spec is None:
        return 0
    try:
        engine = _load(spec, connection, commands, heartbeat)
    except Exception as error:
        log.exception("%s cannot be loaded", spec.model)
        connection.send(LoadError(to_load_error(error), permanent=isinstance(error, SensesError)))
        return LOAD_FAILED
    try:
        WorkerLoop(engine, commands, heartbeat, connection.send, synchronize).run()
    except Exception:
        log.exception("The engine of %s failed, and its process ends", spec.model)
        return ENGINE_FAILED
    return 0


def _wait_for_spec(connection: DaemonConnection, commands: CommandQueue) -> LoadSpec | None:
    while True:
        match commands.wait():
            case Load(spec):
                return spec
            case Preload(engine):
                preload_engine(engine)
                connection.send(Preloaded())
            case ProbeGpu():
                connection.send(GpuProbed(recommended_working_set_bytes()))
            case Shutdown():
                return None
            case _:
                pass


def _load(
    spec: LoadSpec, connection: DaemonConnection, commands: CommandQueue, heartbeat: HeartbeatSender
) -> StepEngine:
    def report(stage: str, fraction: float | None) -> None:
        heartbeat.progress_count += 1
        connection.send(LoadProgress(stage, fraction))

    report("libraries", None)
    imported = threading.Event()
    if spec.prefetch:
        threading.Thread(target=prefetch, args=(spec.folders.values(), imported), name="prefetch", daemon=True).start()
    engine = _as_step_engine(create_engine(spec.engine), commands, heartbeat)
    imported.set()
    loaded = engine.load(spec, report)
    synchronize()
    heartbeat.loading = False
    connection.send(Ready(loaded))
    return engine


def _as_step_engine(engine: Engine, commands: CommandQueue, heartbeat: HeartbeatSender) -> StepEngine:
    if hasattr(engine, "step"):
        return cast(StepEngine, engine)

    def check(job: int) -> None:
        heartbeat.progress_count += 1
        commands.raise_if_cancelled(job)

    return SerialEngine(engine, check)


def _read_commands(connection: DaemonConnection, commands: CommandQueue, heartbeat: HeartbeatSender) -> None:
    try:
        for command in connection.commands():
            if isinstance(command, Shutdown) and heartbeat.loading:
                exit_now(0)  # the main thread cannot read the command before the load ends
            commands.put(command)
    except Exception:
        log.exception("A command of the daemon cannot be decoded")
        exit_now(CONNECTION_FAILED)
    exit_orphaned()


def exit_now(code: int) -> None:
    """Exit without the interpreter's own clean-up, which can hang or abort in threads of MLX and other libraries."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def die_with_parent() -> None:
    """Make Linux kill this process when its parent dies, even if the reader thread is blocked."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
