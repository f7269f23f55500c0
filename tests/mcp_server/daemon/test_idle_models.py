from dataclasses import replace

import anyio
import pytest
from mcp import Client

from mcp_server.files.client import ClientConnection
from model_runtime.requests import Task
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from tests.mcp_server.conftest import open_server
from tests.mcp_server.tools.test_tools import data_of
from tests.model_runtime.calls import model_status_of, wait_for_status
from tests.model_runtime.library import ScriptedCatalog, open_runtime, scripted_model

pytestmark = pytest.mark.process


@pytest.mark.promise("mcp:idle-models-leave")
async def test_an_open_client_keeps_no_model_in_memory(settings: Settings) -> None:
    """With real workers: an editor that stays open for days must not hold gigabytes."""
    hasty = replace(settings, idle_seconds=0.2)
    library = ScriptedCatalog(scripted_model("m", Task.SPEECH))
    async with (
        open_runtime(hasty, library) as runtime,
        open_server(runtime, hasty, ClientConnection()) as server,
        Client(server) as client,
    ):
        data_of(await client.call_tool("speak", {"text": "say a", "model": "m"}))
        loaded = model_status_of(runtime.status()).loads
        await wait_for_status(runtime, lambda status: model_status_of(status).state is ModelState.ABSENT)
        with anyio.fail_after(30):
            data_of(await client.call_tool("speak", {"text": "say a", "model": "m"}))
        again = model_status_of(runtime.status()).loads

    assert (loaded, again) == (1, 2)
