"""Who is connected, with which folders, and what each read and wrote."""

from pathlib import Path

import pytest
from mcp import Client
from mcp_types import Implementation

from mcp_server.files.client import ClientConnection
from mcp_server.files.connected_clients import HTTP_SECONDS, MAX_FILES, MAX_HTTP_CLIENTS, ClientList, ConnectedClients
from mcp_server.files.grants import HTTP_CLIENTS, FolderGrantStore
from model_runtime.settings import Settings
from tests.fakes import FakeService
from tests.mcp_server.conftest import ProtocolMode, open_server

OVER_HTTP = ClientConnection(over_http=True)


@pytest.mark.promise("clients:listed")
async def test_a_client_is_listed_with_its_folders_and_the_files_that_it_used(
    service: FakeService, settings: Settings, project: Path, era: ProtocolMode
) -> None:
    connection = ClientConnection(project, (project,))
    async with open_server(service, settings, connection) as server:
        clients = server.app_context.clients
        listing = ClientList(clients, settings)
        with clients.connected(connection):
            before = await listing.listed()
            async with Client(server, mode=era, client_info=Implementation(name="editor", version="1")) as client:
                await client.call_tool("describe_image", {"image": str(project / "red.png")})
                await client.call_tool(
                    "generate_image", {"prompt": "secret words", "output_path": str(project / "a.png")}
                )
            (listed,) = await listing.listed()
        after = await listing.listed()

    assert (before, after) == ([], [])
    assert (listed["name"], listed["transport"]) == ("editor", "stdio")
    assert listed["since"] <= listed["last_call_at"]
    assert listed["folders"] == [{"folder": str(project), "access": "write", "source": "client", "grant_id": None}]
    used = [(use["access"], use["path"]) for use in listed["files"]]
    assert used == [("write", str(project / "a.png")), ("read", str(project / "red.png"))]
    assert "secret words" not in str(listed)


@pytest.mark.promise("clients:listed")
async def test_granted_folders_are_those_of_the_clients_name(settings: Settings, tmp_path: Path) -> None:
    grants, connection = FolderGrantStore(settings.folders), ClientConnection()
    granted = grants.add("editor", "read", tmp_path)
    grants.add("another", "write", tmp_path)
    remote = grants.add(HTTP_CLIENTS, "write", tmp_path)
    clients = ConnectedClients()

    with clients.connected(connection):
        clients.note_call(connection, "editor")
        clients.note_call(OVER_HTTP, "editor")  # what it calls itself is only its word
        local, over_http = await ClientList(clients, settings).listed()

    assert [folder["grant_id"] for folder in local["folders"]] == [granted.id]
    assert [folder["grant_id"] for folder in over_http["folders"]] == [remote.id]


async def test_a_client_over_http_is_listed_for_a_while_after_its_last_call() -> None:
    now = 1000.0
    clients = ConnectedClients(lambda: now)
    clients.note_call(OVER_HTTP, "phone")
    clients.note_file(OVER_HTTP, "phone", "read", Path("/a.png"))

    now += HTTP_SECONDS
    (listed,) = clients.all()
    now += 1
    gone = clients.all()

    assert (listed.name, listed.since, [use.path for use in listed.files]) == ("phone", 1000.0, ["/a.png"])
    assert gone == []


def test_what_is_remembered_is_bounded() -> None:
    clients = ConnectedClients()
    for number in range(2 * MAX_HTTP_CLIENTS):
        clients.note_call(OVER_HTTP, f"client {number} " + "x" * 1000)
    for number in range(2 * MAX_FILES):
        clients.note_file(OVER_HTTP, "reader", "read", Path(f"/{number}"))
    clients.note_call(OVER_HTTP, "reader")

    listed = clients.all()

    assert len(listed) == MAX_HTTP_CLIENTS
    assert max(len(client.name) for client in listed) == 64
    assert [use.path for use in listed[-1].files] == [
        f"/{number}" for number in reversed(range(MAX_FILES, 2 * MAX_FILES))
    ]
