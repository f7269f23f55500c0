"""One worker process: `python -P -m model_runtime.worker NAME` with the link to the daemon on descriptor 3.

The main thread loads the model and does all work, since MLX binds streams to threads. A reader thread takes orders
and is the guardian: when the daemon is gone it ends the process at once. A third thread beats.
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
from model_runtime.engines.registry import active_bytes, import_engine, open_engine, working_set_bytes
from model_runtime.errors import LoadFailed, SensesError
from model_runtime.ipc.messages import (
    LINK_FD,
    Hello,
    Load,
    LoadBroke,
    LoadProgress,
    Prepare,
    Prepared,
    Probe,
    Probed,
    Ready,
    Shutdown,
)
from model_runtime.loading import LoadSpec
from model_runtime.worker.command_queue import Orders
from model_runtime.worker.connection import Link, end_orphaned
from model_runtime.worker.heartbeat import Pulse
from model_runtime.worker.job_errors import name_fault
from model_runtime.worker.loop import Work
from model_runtime.worker.prefetch import read_ahead
from model_runtime.worker.serial_engine import Turns

ENVIRONMENT = {
    "HF_HUB_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TQDM_DISABLE": "1",
}

LOAD_BROKE, LINK_BROKE, ENGINE_BROKE = 1, 65, 70
"""Exit codes; 0 is leaving when told to."""

NICENESS = 5
"""The daemon's answers of milliseconds come before a worker's seconds of work, where they share a processor."""

PR_SET_PDEATHSIG = 1

log = logging.getLogger(__name__)


def main() -> None:
    """Run until told to leave or until the daemon is gone; never returns."""
    os.environ.update(ENVIRONMENT)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    _die_with_parent()
    os.nice(NICENESS)
    os.set_inheritable(LINK_FD, False)
    link, orders, pulse = Link(socket.socket(fileno=LINK_FD)), Orders(), Pulse()
    threading.Thread(target=_read, args=(link, orders, pulse), name="reader", daemon=True).start()
    link.send(Hello(os.getpid()))
    _leave(_serve(link, orders, pulse))


def _serve(link: Link, orders: Orders, pulse: Pulse) -> int:
    spec = _wait_for_spec(link, orders)
    if spec is None:
        return 0
    pulse.start(link.send, active_bytes)
    try:
        engine = _load(spec, link, orders, pulse)
    except Exception as error:
        log.exception("%s cannot be loaded", spec.model)
        link.send(LoadBroke(_as_load_failure(error), permanent=isinstance(error, SensesError)))
        return LOAD_BROKE
    try:
        Work(engine, orders, pulse, link.send).run()
    except Exception:
        log.exception("%s cannot go on", spec.model)
        return ENGINE_BROKE
    return 0


def _wait_for_spec(link: Link, orders: Orders) -> LoadSpec | None:
    while True:
        match orders.wait():
            case Load(spec):
                return spec
            case Prepare(engine):
                import_engine(engine)
                link.send(Prepared())
            case Probe():
                link.send(Probed(working_set_bytes()))
            case Shutdown():
                return None
            case _:
                pass


def _load(spec: LoadSpec, link: Link, orders: Orders, pulse: Pulse) -> StepEngine:
    def report(stage: str, fraction: float | None) -> None:
        pulse.pieces += 1
        link.send(LoadProgress(stage, fraction))

    report("libraries", None)
    imported = threading.Event()
    threading.Thread(target=read_ahead, args=(spec.folders.values(), imported), name="read ahead", daemon=True).start()
    engine = _in_steps(open_engine(spec.engine), orders, pulse)
    imported.set()
    loaded = engine.load(spec, report)
    pulse.loading = False
    link.send(Ready(loaded))
    return engine


def _in_steps(engine: Engine, orders: Orders, pulse: Pulse) -> StepEngine:
    if hasattr(engine, "step"):
        return cast(StepEngine, engine)

    def check(job: int) -> None:
        pulse.pieces += 1
        orders.check(job)

    return Turns(engine, check)


def _as_load_failure(error: Exception) -> SensesError:
    if isinstance(error, SensesError):
        return error
    return LoadFailed(f"Loading failed with {name_fault(error)}.")


def _read(link: Link, orders: Orders, pulse: Pulse) -> None:
    try:
        for order in link.orders():
            if isinstance(order, Shutdown) and pulse.loading:
                _leave(0)
            orders.put(order)
    except Exception:
        log.exception("The daemon cannot be understood")
        _leave(LINK_BROKE)
    end_orphaned()


def _leave(code: int) -> None:
    """End without the interpreter's own clean-up, which can hang or abort in MLX's and other libraries' threads."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _die_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main()
