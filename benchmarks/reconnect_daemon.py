"""The real daemon and runtime with a model that loads in 0.3 s: `python -m benchmarks.reconnect_daemon --ready-fd 3`."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mcp_server.daemon.daemon import main
from model_runtime.requests import Task
from model_runtime.runtime import Runtime
from model_runtime.service import Service
from model_runtime.settings import Settings
from tests.model_runtime.library import ScriptedCatalog, scripted_model, skip_validation

MODEL = "m"


@asynccontextmanager
async def open_runtime(settings: Settings) -> AsyncGenerator[Service]:
    """Yield the runtime with this model."""
    catalog = ScriptedCatalog(scripted_model(MODEL, Task.SPEECH, load="pause 0.3"))
    async with Runtime(catalog, settings, validate=skip_validation) as runtime:
        yield runtime


if __name__ == "__main__":
    main(open_runtime)
