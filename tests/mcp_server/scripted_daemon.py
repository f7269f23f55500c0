"""The real daemon and runtime with scripted models: `python -m tests.mcp_server.scripted_daemon --ready-fd 3`.

The model `m` loads at once; `slow` makes the file `loading` in the instance's folder and never gets ready.
"""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from mcp_server.daemon.daemon import main
from model_runtime.runtime import Runtime
from model_runtime.service import Service
from model_runtime.settings import Settings
from tests.model_runtime.library import ScriptedCatalog, scripted_model, skip_validation


@asynccontextmanager
async def open_scripted_runtime(settings: Settings) -> AsyncGenerator[Service]:
    """Yield the runtime with these two models."""
    slow = scripted_model("slow", load=f"touch {settings.folders.data / 'loading'}; hang")
    catalog = ScriptedCatalog(scripted_model("m"), slow)
    async with Runtime(catalog, settings, validate=skip_validation) as runtime:
        yield runtime


if __name__ == "__main__":
    main(open_scripted_runtime)
