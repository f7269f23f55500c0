"""/api/connections and the envelopes of kind "clients"."""

import json
from typing import Any

import anyio
import httpx2

from model_runtime.settings import Settings
from openai_compat.app import create_app
from tests.fakes import FakeService
from tests.openai_compat.conftest import SwitchableApp


class Clients:
    """A list that a test changes."""

    def __init__(self) -> None:
        self.names: list[str] = ["editor"]

    async def listed(self) -> list[dict[str, Any]]:
        """See `ConnectedClientsProtocol`."""
        return [{"name": name} for name in self.names]


async def test_clients_come_whole_each_time_one_changes(
    server: tuple[SwitchableApp, str], service: FakeService, settings: Settings
) -> None:
    clients, (switch, address) = Clients(), server
    switch.app = create_app(service, settings, clients=clients)

    envelopes: list[dict[str, Any]] = []
    async with httpx2.AsyncClient(base_url=address) as http:
        listed = (await http.get("/api/connections")).json()
        async with http.stream("GET", "/api/events?follow=clients") as stream:
            with anyio.fail_after(10):
                async for line in stream.aiter_lines():
                    if line.startswith("data: "):
                        envelopes.append(json.loads(line[6:]))
                    if len(envelopes) == 2 and not line:
                        clients.names.append("phone")
                    if len(envelopes) < 4 and not line:
                        service.update_models(lambda models: models)
                    if [one["kind"] for one in envelopes].count("clients") == 2:
                        break

    assert listed == {"clients": [{"name": "editor"}]}
    changed = [one for one in envelopes if one["kind"] == "clients"]
    assert [one["reset"] for one in changed] == [True, True]
    assert changed[-1]["clients"] == [{"name": "editor"}, {"name": "phone"}]
