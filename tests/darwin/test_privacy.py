"""Files that macOS protects, for a client whose shim and whose daemon have rights of their own.

What a Mac does here was never observed by us: the fake says what Apple documents and people report.
"""

import json
import os
import socket
import sys
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest

from mcp_server.calls.context import save_copy
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactNotSaved, ArtifactStore
from mcp_server.files.broker_client import FileBrokerClient
from mcp_server.files.client import ClientConnection, connection_from_handshake
from mcp_server.files.denials import OWN_PROGRAM
from mcp_server.files.file_calls import MAX_CALLS_PER_FOLDER
from mcp_server.launcher.broker_server import serve_file_requests
from mcp_server.launcher.shim import encode_handshake
from model_runtime.errors import InvalidInput
from model_runtime.settings import Settings
from tests.darwin.privacy import PrivacyLayer, be_darwin

SHIM_PROGRAM = "/opt/shim/bin/python3.12"


@dataclass
class Desk:
    """A client that works in ~/Documents and in ~/elsewhere, on a Mac that protects the first."""

    documents: Path
    elsewhere: Path
    files: ClientFiles
    layer: PrivacyLayer


def run_shim(connection: socket.socket) -> None:
    with suppress(ConnectionResetError):  # the daemon left while requests waited
        serve_file_requests(connection)


@pytest.fixture
async def desk(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncGenerator[Desk]:
    documents, elsewhere = tmp_path / "Documents", tmp_path / "elsewhere"
    for folder in (documents, elsewhere):
        folder.mkdir()
        (folder / "a.png").write_bytes(b"picture")
    ours, theirs = socket.socketpair()
    shim = threading.Thread(target=run_shim, args=(theirs,))
    shim.start()
    broker = FileBrokerClient(ours)
    client = ClientConnection(documents, (documents, elsewhere), broker, SHIM_PROGRAM)
    files = ClientFiles(client, settings, ArtifactStore(settings.folders.artifacts))
    layer = PrivacyLayer(documents)
    with monkeypatch.context() as patched:
        be_darwin(patched)
        layer.install(patched)
        yield Desk(documents, elsewhere, files, layer)
        layer.answered.set()
        broker.close()
        await anyio.to_thread.run_sync(shim.join, 5)
    theirs.close()


async def read(files: ClientFiles, address: str) -> bytes:
    with await files.open(address, param="image", limit_bytes=100) as file:
        return file.read()


async def refused(files: ClientFiles, address: str) -> InvalidInput:
    with pytest.raises(InvalidInput) as refusal:
        await read(files, address)
    return refusal.value


@pytest.mark.promise("files:denied-shim")
async def test_what_is_denied_to_the_shim_the_daemon_opens_and_writes_itself(desk: Desk) -> None:
    desk.layer.denied = {"shim"}

    seen = await read(desk.files, "a.png")
    destination = await desk.files.resolve_destination("b.png", (".png",), overwrite=False)
    await desk.files.write(destination, b"drawn")

    assert seen == b"picture"
    assert sorted(path.name for path in desk.documents.iterdir()) == ["a.png", "b.png"]
    assert (desk.documents / "b.png").read_bytes() == b"drawn"


async def test_what_is_denied_to_the_daemon_the_shim_opens_and_writes(desk: Desk) -> None:
    desk.layer.denied = {"daemon"}

    seen = await read(desk.files, "a.png")
    destination = await desk.files.resolve_destination("b.png", (".png",), overwrite=False)
    await desk.files.write(destination, b"drawn")
    with pytest.raises(InvalidInput, match="exists"):
        await desk.files.resolve_destination("a.png", (".png",), overwrite=False)

    desk.layer.denied = set()
    assert seen == b"picture"
    assert (desk.documents / "b.png").read_bytes() == b"drawn"


async def test_on_other_systems_the_daemon_opens_nothing_that_is_denied_to_the_shim(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.layer.denied = {"shim"}

    with monkeypatch.context() as patched:
        patched.setattr("sys.platform", "linux")
        refusal = await refused(desk.files, "a.png")

    assert refusal.code == "permission_denied"


@pytest.mark.promise("files:denied-says")
async def test_a_denial_names_the_folder_that_needs_no_right_then_the_program_and_where_to_allow_it(desk: Desk) -> None:
    desk.layer.denied = {"shim", "daemon"}

    refusal = await refused(desk.files, "a.png")
    text = str(refusal)
    mentions = [str(desk.files.settings.folders.inbox), SHIM_PROGRAM, OWN_PROGRAM, "Privacy & Security", "Full Disk"]

    assert refusal.code == "permission_denied"
    assert text.startswith("a.png cannot be opened: macOS does not permit it.")
    assert [text.index(mention) for mention in mentions] == sorted(text.index(mention) for mention in mentions)


def test_the_program_that_a_denial_names_is_the_executable_behind_every_link() -> None:
    assert os.path.realpath(sys.executable) == OWN_PROGRAM
    assert json.loads(encode_handshake({}, []))["program"] == OWN_PROGRAM


async def test_a_destination_that_nobody_may_look_at_is_refused_before_any_work(desk: Desk) -> None:
    desk.layer.denied = {"shim", "daemon"}

    with pytest.raises(InvalidInput, match=r"b\.png cannot be written: macOS does not permit it") as refusal:
        await desk.files.resolve_destination("b.png", (".png",), overwrite=False)

    assert (refusal.value.param, refusal.value.code) == ("output_path", "permission_denied")


async def test_a_result_whose_copy_is_denied_stays_where_it_is_and_says_so(desk: Desk) -> None:
    destination = await desk.files.resolve_destination("b.png", (".png",), overwrite=False)
    desk.layer.denied = {"shim", "daemon"}

    with pytest.raises(ArtifactNotSaved, match="macOS does not permit it") as failure:
        await save_copy(destination, Path("/kept/b.png"), desk.files, b"drawn")

    assert str(failure.value).endswith("The result is kept as /kept/b.png.")


async def test_a_link_that_the_daemon_may_not_look_at_does_not_lead_outside(desk: Desk, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.png").write_bytes(b"not for you")
    (desk.documents / "link").symlink_to(outside)
    desk.layer.denied = {"daemon"}

    codes = [(await refused(desk.files, f"link/{name}")).code for name in ("secret.png", "none.png")]
    with pytest.raises(InvalidInput, match="may write"):
        await desk.files.resolve_destination("link/new.png", (".png",), overwrite=False)

    assert codes == ["path_not_allowed"] * 2


async def test_a_link_to_the_inside_is_followed_although_the_daemon_may_not_look_at_it(desk: Desk) -> None:
    (desk.documents / "pictures").mkdir()
    (desk.documents / "pictures" / "b.png").write_bytes(b"behind")
    (desk.documents / "link").symlink_to(desk.documents / "pictures")
    desk.layer.denied = {"daemon"}

    seen = await read(desk.files, "link/b.png")
    destination = await desk.files.resolve_destination("link/new.png", (".png",), overwrite=False)

    assert seen == b"behind"
    assert destination == desk.documents / "pictures" / "new.png"


@pytest.mark.promise("files:no-dialog-for-a-typo")
async def test_the_daemon_lists_no_folder_that_the_shim_serves(desk: Desk) -> None:
    refusal = await refused(desk.files, "a.gif")

    assert "perhaps a.png" in str(refusal)
    listings = [touch.program for touch in desk.layer.touches if touch.function in ("listdir", "scandir")]
    assert listings == ["shim"]


async def test_a_typo_in_a_folder_that_nobody_may_list_is_still_told(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def deny(path: str) -> list[str]:
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patched:
        patched.setattr("os.listdir", deny)
        refusal = await refused(desk.files, "a.gif")

    assert "check its name and folder" in str(refusal)


@pytest.mark.promise("files:dialog")
async def test_while_a_dialog_waits_for_a_person_the_same_client_opens_other_files(desk: Desk) -> None:
    desk.layer.asked = {"shim"}
    seen: list[bytes] = []

    async def read_protected() -> None:
        seen.append(await read(desk.files, "a.png"))

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(read_protected)
            await anyio.to_thread.run_sync(desk.layer.asking.wait, 10)
            seen.append(await read(desk.files, str(desk.elsewhere / "a.png")) + b" elsewhere")
            desk.layer.answered.set()

    assert seen == [b"picture elsewhere", b"picture"]


@pytest.mark.parametrize("served_by_shim", [True, False])
async def test_a_file_that_is_made_after_its_caller_has_left_is_deleted(desk: Desk, served_by_shim: bool) -> None:
    files = desk.files if served_by_shim else replace(desk.files, client=replace(desk.files.client, file_access=None))
    desk.layer.asked = {"shim", "daemon"}

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(files.write, desk.documents / "b.png", b"drawn")
        await anyio.to_thread.run_sync(desk.layer.asking.wait, 10)
        tasks.cancel_scope.cancel()
    desk.layer.answered.set()
    with anyio.fail_after(10):
        while sorted(path.name for path in desk.documents.iterdir()) != ["a.png"] or not unlinked(desk):
            await anyio.lowlevel.checkpoint()


def unlinked(desk: Desk) -> bool:
    return any(touch.function == "unlink" for touch in desk.layer.touches)


@pytest.mark.promise("files:off-the-event-loop")
async def test_nothing_in_a_clients_folder_is_touched_on_the_event_loop(desk: Desk) -> None:
    await read(desk.files, "a.png")
    await refused(desk.files, "none.png")
    destination = await desk.files.resolve_destination("b.png", (".png",), overwrite=False)
    await desk.files.write(destination, b"drawn")

    assert {touch.function for touch in desk.layer.touches} >= {"open", "listdir", "lstat", "replace"}
    assert [touch for touch in desk.layer.touches if touch.on_event_loop] == []


async def until_hanging(desk: Desk, count: int) -> None:
    """Wait until this many calls of `open` hang."""
    while sum(touch.function == "open" for touch in desk.layer.touches) < count:
        await anyio.lowlevel.checkpoint()


@pytest.mark.promise("files:hanging-volume")
@pytest.mark.parametrize("served_by_shim", [True, False])
async def test_a_volume_that_hangs_delays_only_the_calls_that_use_it(desk: Desk, served_by_shim: bool) -> None:
    files = desk.files if served_by_shim else replace(desk.files, client=replace(desk.files.client, file_access=None))
    desk.layer.asked = {"shim", "daemon"}  # an open that a dialog holds hangs as on a network volume
    limiter = anyio.to_thread.current_default_thread_limiter()
    threads_before = threading.active_count()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(50):
                tasks.start_soon(read, files, "a.png")
            await until_hanging(desk, MAX_CALLS_PER_FOLDER)
            seen = [await read(files, str(desk.elsewhere / "a.png")) for _ in range(50)]
            borrowed, threads = limiter.borrowed_tokens, threading.active_count() - threads_before
            tasks.cancel_scope.cancel()

    assert seen == [b"picture"] * 50
    assert borrowed == 0
    assert threads <= 2 * MAX_CALLS_PER_FOLDER + 2


async def test_a_granted_volume_that_hangs_inside_another_granted_folder_takes_nothing_of_it(desk: Desk) -> None:
    client = replace(desk.files.client, folders=(desk.documents.parent, desk.documents))
    files = replace(desk.files, client=client)
    desk.layer.asked = {"shim"}

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for _ in range(2 * MAX_CALLS_PER_FOLDER):
                tasks.start_soon(read, files, "a.png")
            await until_hanging(desk, MAX_CALLS_PER_FOLDER)
            seen = await read(files, str(desk.elsewhere / "a.png"))
            tasks.cancel_scope.cancel()

    assert seen == b"picture"


@pytest.mark.parametrize("folder", ["users/me", "USERS/ME", "users", "Users"])
@pytest.mark.promise("files:home-spelling")
async def test_the_library_of_a_home_stays_closed_whatever_the_spelling_of_the_folder_that_holds_it(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    be_darwin(monkeypatch)
    monkeypatch.setenv("HOME", str(tmp_path / "Users" / "me"))
    granted = tmp_path / folder
    files = ClientFiles(ClientConnection(None, (granted,)), settings, ArtifactStore(settings.folders.artifacts))
    home = granted if granted.name.lower() == "me" else granted / "me"

    codes = {name: (await refused(files, str(home / name))).code for name in ("Library/a.png", ".ssh/id", "a.png")}

    assert codes == {"Library/a.png": "path_not_allowed", ".ssh/id": "path_not_allowed", "a.png": "not_found"}


@pytest.mark.parametrize("cwd", ["/users", "/USERS", "/Users", "/"])
def test_a_working_folder_above_the_home_opens_nothing_in_any_spelling(
    cwd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.platform", "darwin")

    assert connection_from_handshake({"cwd": cwd}, Path("/Users/me")).folders == ()
    assert connection_from_handshake({"cwd": "/users/me"}, Path("/Users/me")).folders == (Path("/users/me"),)
