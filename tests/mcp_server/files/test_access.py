import base64
import os
import sys
import unicodedata
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.files import access, addresses
from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactKind, ArtifactStore
from mcp_server.files.client import ClientConnection, connection_from_handshake
from mcp_server.files.file_access import FileAccess, FileAnswer, FileRequest, answer_of
from mcp_server.files.file_calls import FileThreads
from mcp_server.launcher.file_requests import execute
from model_runtime.errors import InvalidInput
from model_runtime.formats.fetch import Fetcher
from model_runtime.settings import InstanceFolders, Settings

BYTES = b"some bytes"


@pytest.fixture
def files(settings: Settings, project: Path) -> ClientFiles:
    (project / "notes.txt").write_bytes(BYTES)
    return ClientFiles(ClientConnection(project, (project,)), settings, ArtifactStore(settings.folders.artifacts))


async def read(files: ClientFiles, address: str, limit_bytes: int = 1000) -> bytes:
    with await files.open(address, param="image", limit_bytes=limit_bytes) as file:
        return file.read()


async def test_every_accepted_form_names_the_same_file(
    files: ClientFiles, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(project.parent))
    absolute = project / "notes.txt"

    forms = [
        "notes.txt",
        "./notes.txt",
        "../project/notes.txt",
        str(absolute),
        f"file://{absolute}",
        "~/project/notes.txt",
    ]

    assert [await read(files, form) for form in forms] == [BYTES] * len(forms)


async def test_a_file_uri_may_escape_what_a_path_may_not(files: ClientFiles, project: Path) -> None:
    (project / "two words.txt").write_bytes(BYTES)

    assert await read(files, f"file://{project}/two%20words.txt") == BYTES


async def test_an_earlier_result_is_an_input(files: ClientFiles) -> None:
    artifact = files.artifacts.add(ArtifactKind.IMAGES, BYTES)

    assert await read(files, artifact.uri) == BYTES
    assert await read(files, artifact.uri.replace("images", "previews")) == BYTES
    assert await read(files, str(artifact.path)) == BYTES


@given(st.binary(max_size=200))
async def test_a_data_address_carries_its_bytes(data: bytes) -> None:
    files = ClientFiles(
        ClientConnection(),
        Settings(InstanceFolders.from_home(Path("/nowhere"))),
        ArtifactStore(Path("/nowhere/artifacts")),
    )

    assert await read(files, f"data:image/png;base64,{base64.b64encode(data).decode()}") == data


@pytest.mark.promise("mcp:folders")
@pytest.mark.parametrize(
    "address", ["/etc/passwd", "../outside.txt", "project/../../../etc/passwd", "file:///etc/passwd"]
)
async def test_what_is_outside_the_clients_folders_is_refused_whether_or_not_it_exists(
    files: ClientFiles, address: str
) -> None:
    with pytest.raises(InvalidInput, match="is not in a folder that this client may read") as refusal:
        await read(files, address)

    assert refusal.value.code == "path_not_allowed"


async def test_a_link_inside_does_not_lead_outside(files: ClientFiles, project: Path) -> None:
    secret = project.parent / "secret.txt"
    secret.write_text("secret")
    (project / "innocent.png").symlink_to(secret)
    (project / "folder").symlink_to(project.parent)

    for address in ("innocent.png", "folder/secret.txt"):
        with pytest.raises(InvalidInput, match="may read"):
            await read(files, address)


async def test_a_link_inside_to_the_inside_is_followed(files: ClientFiles, project: Path) -> None:
    (project / "alias.txt").symlink_to(project / "notes.txt")

    assert await read(files, "alias.txt") == BYTES


@pytest.mark.parametrize("name", [".env", ".ssh/id_ed25519", ".git/config"])
async def test_hidden_files_are_refused_even_inside(files: ClientFiles, project: Path, name: str) -> None:
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text("secret")

    with pytest.raises(InvalidInput, match="hidden files never are"):
        await read(files, name)


async def test_a_fifo_is_refused_without_waiting_for_its_writer(files: ClientFiles, project: Path) -> None:
    os.mkfifo(project / "pipe.png")

    with pytest.raises(InvalidInput, match="not a regular file"):
        await read(files, "pipe.png")


async def test_a_folder_is_refused(files: ClientFiles, project: Path) -> None:
    (project / "pictures").mkdir()

    with pytest.raises(InvalidInput, match="not a regular file"):
        await read(files, "pictures")


async def test_too_large_a_file_is_refused_before_it_is_read(files: ClientFiles) -> None:
    with pytest.raises(InvalidInput, match="at most 0 MB") as refusal:
        await read(files, "notes.txt", limit_bytes=3)

    assert refusal.value.code == "too_large"


async def test_a_missing_file_is_named_with_the_one_that_was_meant(files: ClientFiles) -> None:
    with pytest.raises(InvalidInput, match=r"There is no file Notes\.png in .*; perhaps notes\.txt\."):
        await read(files, "Notes.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
async def test_a_file_the_system_refuses_names_the_ways_out(files: ClientFiles, project: Path) -> None:
    (project / "notes.txt").chmod(0)

    with pytest.raises(InvalidInput, match="change the permissions of the file"):
        await read(files, "notes.txt")


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("", "is empty"),
        ("a\0b", "NUL"),
        ("file://server/share/a.png", "another machine"),
        ("iVBORw0KGgo" * 1000, "data:<type>;base64"),
        ("data:image/png;base64,@@@", "is not valid base64"),
        ("data:image/png", "without a comma"),
        ("senses://images/../../etc/passwd", "does not exist or has expired"),
        ("senses://nothing/1", "does not exist or has expired"),
    ],
)
async def test_an_address_of_no_accepted_form_says_what_to_pass(files: ClientFiles, address: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        await read(files, address)


async def test_over_http_a_relative_path_has_no_meaning(settings: Settings) -> None:
    client = ClientConnection(over_http=True)
    files = ClientFiles(client, settings, ArtifactStore(settings.folders.artifacts))

    with pytest.raises(InvalidInput, match="pass an absolute path"):
        await read(files, "notes.txt")


async def test_the_inbox_and_configured_folders_are_open_to_everyone(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    settings = Settings(InstanceFolders.from_home(tmp_path / "home"), allowed_folders=(shared,))
    files = ClientFiles(ClientConnection(), settings, ArtifactStore(settings.folders.artifacts))
    for folder in (shared, settings.folders.inbox):
        folder.mkdir(parents=True)
        (folder / "a.txt").write_bytes(BYTES)

    assert await read(files, str(shared / "a.txt")) == BYTES
    assert await read(files, str(settings.folders.inbox / "a.txt")) == BYTES


@pytest.mark.parametrize("address", ["/etc/out.png", "../out.png", ".hidden.png", "sub/../../out.png"])
async def test_nothing_is_written_outside_the_clients_folders(files: ClientFiles, address: str) -> None:
    with pytest.raises(InvalidInput, match="may write"):
        await files.resolve_destination(address, (".png",), overwrite=True)


async def test_a_destination_must_fit_the_format(files: ClientFiles) -> None:
    with pytest.raises(InvalidInput, match=r"must end in \.png"):
        await files.resolve_destination("out.gif", (".png",), overwrite=False)


@pytest.mark.promise("files:folders-made")
async def test_missing_folders_are_made_when_the_result_is_written_and_not_before(
    files: ClientFiles, project: Path
) -> None:
    destination = await files.resolve_destination("assets/icons/out.png", (".png",), overwrite=False)
    made_early = (project / "assets").exists()

    await files.write(destination, BYTES)

    assert not made_early
    assert (project / "assets" / "icons" / "out.png").read_bytes() == BYTES
    assert [path.name for path in (project / "assets" / "icons").iterdir()] == ["out.png"]


async def test_a_folder_that_cannot_be_made_because_a_file_is_there_is_told_before_any_work(
    files: ClientFiles, project: Path
) -> None:
    with pytest.raises(InvalidInput, match=r"notes\.txt is a file, so notes\.txt/icons/out\.png cannot be in it"):
        await files.resolve_destination("notes.txt/icons/out.png", (".png",), overwrite=False)


async def test_no_folder_is_made_outside_what_the_client_may_write(files: ClientFiles, project: Path) -> None:
    with pytest.raises(InvalidInput, match="may write"):
        await files.resolve_destination("../other/out.png", (".png",), overwrite=False)
    with pytest.raises(InvalidInput, match="may write"):
        await files.resolve_destination(".hidden/out.png", (".png",), overwrite=False)

    assert not (project.parent / "other").exists()


@pytest.mark.promise("files:name-length")
@pytest.mark.parametrize(("name", "size_bytes"), [("n" * 300 + ".png", 304), ("그" * 90 + ".png", 274)])
async def test_too_long_a_name_is_told_with_the_rule_and_the_number(
    files: ClientFiles, name: str, size_bytes: int
) -> None:
    for address in (name, f"missing/{name}", f"{name}/out.png", f"file:///{name}"):
        with pytest.raises(InvalidInput, match=rf"has {size_bytes} bytes; .* has at most 255") as refusal:
            await files.resolve_destination(address, (".png",), overwrite=False)
        assert (refusal.value.param, refusal.value.code) == ("output_path", "name_too_long")


@pytest.mark.parametrize("name", ["n" * 251 + ".png", "그" * 83 + "ab.png"])
async def test_a_name_of_255_bytes_is_written(files: ClientFiles, project: Path, name: str) -> None:
    await files.write(await files.resolve_destination(name, (".png",), overwrite=False), BYTES)

    assert (project / name).read_bytes() == BYTES


async def test_too_long_a_path_is_told_with_the_rule(files: ClientFiles) -> None:
    with pytest.raises(InvalidInput, match="at most 1024 bytes on macOS, 4096 on Linux"):
        await files.resolve_destination("/".join(["n" * 203] * 20) + "/out.png", (".png",), overwrite=False)


async def test_writing_over_a_link_replaces_the_link_and_not_its_target(files: ClientFiles, project: Path) -> None:
    target = project.parent / "target.png"
    target.write_text("mine")
    (project / "out.png").symlink_to(target)

    await files.write(await files.resolve_destination("out.png", (".png",), overwrite=True), BYTES)

    assert target.read_text() == "mine"
    assert (project / "out.png").read_bytes() == BYTES
    assert not (project / "out.png").is_symlink()


def test_a_clients_folders_are_its_working_folder_its_project_and_what_its_user_opened() -> None:
    handshake = {"cwd": "/home/ann/site/src", "project": "/home/ann/site", "folders": ["/data", "relative"]}

    client = connection_from_handshake(handshake, Path("/home/ann"))

    assert client == ClientConnection(
        Path("/home/ann/site/src"), (Path("/home/ann/site/src"), Path("/home/ann/site"), Path("/data"))
    )


@pytest.mark.parametrize("cwd", ["/", "/home", "", "relative", None, 7])
def test_a_working_folder_above_the_home_opens_nothing(cwd: object) -> None:
    assert connection_from_handshake({"cwd": cwd}, Path("/home/ann")).folders == ()


async def test_a_project_may_have_the_name_of_a_macs_folder_of_temporary_items(
    settings: Settings, tmp_path: Path
) -> None:
    project = tmp_path / "TemporaryItems"
    project.mkdir()
    (project / "notes.txt").write_bytes(BYTES)
    files = ClientFiles(ClientConnection(project, (project,)), settings, ArtifactStore(settings.folders.artifacts))

    assert await read(files, "notes.txt") == BYTES


@pytest.mark.promise("files:relative")
async def test_a_client_without_a_working_folder_means_its_first_folder_and_is_told_so(
    settings: Settings, project: Path, tmp_path: Path
) -> None:
    (project / "notes.txt").write_bytes(BYTES)
    handshake = {"cwd": "/", "folders": [str(project), str(tmp_path)]}
    client = connection_from_handshake(handshake, Path("/home/ann"))
    files = ClientFiles(client, settings, ArtifactStore(settings.folders.artifacts))

    seen = await read(files, "notes.txt")
    destination = await files.resolve_destination("out/a.png", (".png",), overwrite=False)

    assert seen == BYTES
    assert destination == project / "out" / "a.png"
    assert files.notes == [f"This client has no working folder: relative paths are in {project}."]


@pytest.mark.parametrize(("configured", "expected"), [(("shared",), "shared"), ((), "home/inbox")])
async def test_a_client_without_any_folder_means_the_configured_one_or_the_inbox(
    settings: Settings, tmp_path: Path, configured: tuple[str, ...], expected: str
) -> None:
    allowing = replace(settings, allowed_folders=tuple(tmp_path / name for name in configured))
    client = connection_from_handshake({"cwd": "/"}, Path("/home/ann"))
    files = ClientFiles(client, allowing, ArtifactStore(settings.folders.artifacts))

    assert await files.resolve_destination("a.png", (".png",), overwrite=False) == tmp_path / expected / "a.png"


async def test_a_client_with_a_working_folder_is_told_nothing(files: ClientFiles) -> None:
    await read(files, "notes.txt")

    assert files.notes == []


def test_the_home_itself_is_open_when_a_client_works_there() -> None:
    assert connection_from_handshake({"cwd": "/home/ann"}, Path("/home/ann")).folders == (Path("/home/ann"),)


async def test_the_library_folder_of_a_mac_stays_closed_in_an_open_home(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "Library").mkdir()
    (tmp_path / "Library" / "cookies.png").write_bytes(BYTES)
    files = ClientFiles(ClientConnection(tmp_path, (tmp_path,)), settings, ArtifactStore(settings.folders.artifacts))

    with pytest.raises(InvalidInput, match="may read"):
        await read(files, "Library/cookies.png")


async def test_a_destination_outside_the_folders_is_one_that_the_client_may_not_write(files: ClientFiles) -> None:
    with pytest.raises(InvalidInput, match="may write") as refusal:
        await files.resolve_destination("/etc/out.png", (".png",), overwrite=True)

    assert (refusal.value.param, refusal.value.code) == ("output_path", "path_not_allowed")


@pytest.mark.darwin
async def test_on_a_mac_one_file_has_many_spellings(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / unicodedata.normalize("NFD", "그림")
    typed = tmp_path / unicodedata.normalize("NFC", "그림")
    files = ClientFiles(ClientConnection(stored, (stored,)), settings, ArtifactStore(settings.folders.artifacts))
    monkeypatch.setattr(sys, "platform", "darwin")

    with pytest.raises(InvalidInput, match="There is no file"):  # rather than: not allowed
        await read(files, str(typed / "A.png"))


# -- limits, forms and errors -----------------------------------------------------------------------------------------


class RecordingFiles:
    """Executes requests and keeps their paths."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, Path]] = []

    async def execute(self, request: FileRequest, folder: Path) -> FileAnswer:
        self.requests.append((request["do"], Path(request["path"])))
        return answer_of(execute(request))


class OtherFile:
    """Opens another file than the one asked for, as if a folder above it had become a link in the meantime."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    async def execute(self, request: FileRequest, folder: Path) -> FileAnswer:
        return FileAnswer(self._descriptor)


class FailingFiles:
    """Fails every request."""

    def __init__(self, error: OSError) -> None:
        self._error = error

    async def execute(self, request: FileRequest, folder: Path) -> FileAnswer:
        raise self._error


def opened_by(files: ClientFiles, file_access: FileAccess) -> ClientFiles:
    return replace(files, client=replace(files.client, file_access=file_access))


class FakeFetcher(Fetcher):
    """Answers every address with its own text."""

    async def fetch(self, address: str, *, param: str) -> bytes:
        return f"{param}: {address}".encode()


async def refused(files: ClientFiles, address: str, limit_bytes: int = 1000) -> InvalidInput:
    with pytest.raises(InvalidInput) as refusal:
        await read(files, address, limit_bytes)
    return refusal.value


async def test_a_file_as_large_as_the_limit_is_read(files: ClientFiles) -> None:
    assert await read(files, "notes.txt", limit_bytes=len(BYTES)) == BYTES
    assert (await refused(files, "notes.txt", limit_bytes=len(BYTES) - 1)).code == "too_large"


def test_the_limits_are_50_megabytes_for_an_image_2_gigabytes_for_audio_and_8_for_a_data_address() -> None:
    assert (access.MAX_IMAGE_BYTES, access.MAX_AUDIO_BYTES) == (50_000_000, 2_000_000_000)
    assert addresses.MAX_DATA_URI_CHARS == 11_000_000
    assert addresses.MAX_PATH_CHARS == 4096


async def test_a_data_address_may_be_as_long_as_its_limit_and_no_longer(
    files: ClientFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"DATA:text/plain;base64,{base64.b64encode(BYTES).decode()}"
    monkeypatch.setattr(addresses, "MAX_DATA_URI_CHARS", len(address))

    assert await read(files, address) == BYTES
    assert "at most 8 MB" in str(await refused(files, address + "A"))


async def test_a_path_may_be_as_long_as_its_limit_and_no_longer(files: ClientFiles) -> None:
    assert "base64" not in str(await refused(files, "a" * 4096))
    assert "is not a path" in str(await refused(files, "a" * 4097))


async def test_a_file_uri_may_name_this_machine(files: ClientFiles, project: Path) -> None:
    assert await read(files, f"file://localhost{project}/notes.txt") == BYTES


async def test_blanks_are_no_address(files: ClientFiles) -> None:
    assert "is empty" in str(await refused(files, "  "))


@pytest.mark.parametrize(
    ("address", "code"),
    [
        ("/etc/passwd", "path_not_allowed"),
        ("nothing.png", "not_found"),
        ("senses://images/nothing", "not_found"),
        ("a\0b", "invalid_value"),
        ("a" * 5000, "invalid_value"),
        ("file://server/a.png", "invalid_value"),
        ("data:image/png", "invalid_value"),
        ("", "invalid_value"),
    ],
)
async def test_every_refusal_names_the_argument_and_has_a_code(files: ClientFiles, address: str, code: str) -> None:
    refusal = await refused(files, address)

    assert (refusal.param, refusal.code) == ("image", code)


async def test_a_refusal_outside_the_folders_names_the_folders_of_the_client(files: ClientFiles, project: Path) -> None:
    without = ClientFiles(ClientConnection(project), files.settings, files.artifacts)

    inbox = files.settings.folders.inbox
    assert f"may read ({project}; hidden files never are)" in str(await refused(files, "/etc/passwd"))
    assert f"may read (only {inbox}; hidden files never are)" in str(await refused(without, "/etc/passwd"))


async def test_only_a_file_of_the_client_is_opened_and_written_with_the_rights_of_the_client(
    settings: Settings, project: Path
) -> None:
    (project / "notes.txt").write_bytes(BYTES)
    settings.folders.inbox.mkdir(parents=True, exist_ok=True)
    (settings.folders.inbox / "a.txt").write_bytes(BYTES)
    rights = RecordingFiles()
    store = ArtifactStore(settings.folders.artifacts)
    files = ClientFiles(ClientConnection(project, (project,), rights), settings, store)

    await read(files, "notes.txt")
    await read(files, str(settings.folders.inbox / "a.txt"))
    await read(files, store.add(ArtifactKind.IMAGES, BYTES).uri)
    await files.write(project / "out.png", BYTES)
    await files.write(settings.folders.inbox / "out.png", BYTES)

    created = rights.requests[1][1]
    assert created.parent == project
    assert rights.requests == [("open", project / "notes.txt"), ("create", created), ("commit", Path(created.name))]


async def test_a_folder_that_becomes_a_link_after_its_check_does_not_lead_outside(
    files: ClientFiles, project: Path
) -> None:
    (project.parent / "secret.txt").write_text("secret")
    swapped = OtherFile(os.open(project.parent / "secret.txt", os.O_RDONLY))

    refusal = await refused(opened_by(files, swapped), "notes.txt")

    assert refusal.code == "path_not_allowed"
    assert "may read" in str(refusal)


@pytest.mark.parametrize(
    ("error", "says", "code"),
    [
        (
            PermissionError(13, "Permission denied"),
            "notes.txt cannot be opened: Permission denied. Copy the file to",
            "permission_denied",
        ),
        (TimeoutError(), "notes.txt cannot be opened: there is no answer within 120 s", "timeout"),
        (
            OSError(40, "Too many levels"),
            "notes.txt cannot be opened: a part of its path is a link now",
            "invalid_value",
        ),
    ],
)
async def test_a_file_that_cannot_be_opened_says_why(files: ClientFiles, error: OSError, says: str, code: str) -> None:
    refusal = await refused(opened_by(files, FailingFiles(error)), "notes.txt")

    assert (refusal.param, refusal.code) == ("image", code)
    assert says in str(refusal)


async def test_the_descriptor_of_a_refused_file_is_closed(files: ClientFiles, project: Path) -> None:
    opened = os.open(project / "notes.txt", os.O_RDONLY)

    await refused(opened_by(files, OtherFile(opened)), "notes.txt", limit_bytes=1)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(opened)


async def test_a_destination_is_new_or_may_be_overwritten_and_is_no_folder(files: ClientFiles, project: Path) -> None:
    (project / "old.PNG").write_bytes(BYTES)
    (project / "folder.png").mkdir()
    (project / "dangling.png").symlink_to(project / "nothing")

    assert await files.resolve_destination("old.PNG", (".png",), overwrite=True) == project / "old.PNG"
    assert await files.resolve_destination("new.png", (".png",), overwrite=False) == project / "new.png"
    for address in ("old.PNG", "dangling.png"):
        with pytest.raises(InvalidInput, match="exists") as refusal:
            await files.resolve_destination(address, (".png",), overwrite=False)
        assert refusal.value.param == "output_path"
    with pytest.raises(InvalidInput, match="is a folder"):
        await files.resolve_destination("folder.png", (".png",), overwrite=True)


async def test_the_uri_of_a_result_is_found_and_any_other_address_is_refused(files: ClientFiles) -> None:
    artifact = files.artifacts.add(ArtifactKind.IMAGES, BYTES)

    assert (await files.artifact_at(artifact.uri)).path == artifact.path
    for address in ("notes.txt", "senses://images/nothing"):
        with pytest.raises(InvalidInput) as refusal:
            await files.artifact_at(address)
        assert refusal.value.param == "uri"


async def test_a_web_address_is_fetched_only_if_the_settings_allow_it(files: ClientFiles) -> None:
    allowing = replace(files.settings, allow_urls=True)
    open_files = ClientFiles(files.client, allowing, files.artifacts, FakeFetcher())

    assert await files.fetch("notes.txt", param="image") is None
    assert await open_files.fetch("https://a.example/b.png", param="image") == b"image: https://a.example/b.png"
    with pytest.raises(InvalidInput, match=r"allow_urls = true in .*config\.toml and") as refusal:
        await files.fetch("https://a.example/b.png", param="image")
    assert (refusal.value.param, refusal.value.code) == ("image", "url_not_allowed")


async def test_a_missing_file_suggests_one_visible_name_and_never_chooses_between_two(
    files: ClientFiles, project: Path
) -> None:
    (project / ".plan.txt").write_bytes(BYTES)
    (project / "two.txt").write_bytes(BYTES)
    (project / "Two.md").write_bytes(BYTES)

    assert "check its name and folder" in str(await refused(files, str(project / "other.txt")))
    assert "perhaps" not in str(await refused(files, "two.png"))
    assert f" in {project}" not in str(await refused(files, str(project / "other.txt"))).partition("other.txt")[2]


@pytest.mark.parametrize("folder", ["Library", "library"])
async def test_only_the_library_folder_of_the_home_is_closed(files: ClientFiles, project: Path, folder: str) -> None:
    (project / folder).mkdir()
    (project / folder / "a.txt").write_bytes(BYTES)

    assert await read(files, f"{folder}/a.txt") == BYTES


async def test_in_the_home_every_other_folder_is_open(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "a.txt").write_bytes(BYTES)
    (tmp_path / "library").mkdir()
    (tmp_path / "library" / "a.txt").write_bytes(BYTES)
    files = ClientFiles(ClientConnection(tmp_path, (tmp_path,)), settings, ArtifactStore(settings.folders.artifacts))

    assert await read(files, "a.txt") == BYTES
    assert (await refused(files, "library/a.txt")).code == "path_not_allowed"


@pytest.mark.parametrize("granted", ["home", "homes", "link", "link/home"])
async def test_the_library_of_a_home_behind_a_link_stays_closed(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, granted: str
) -> None:
    library = tmp_path / "homes" / "home" / "Library"
    library.mkdir(parents=True)
    (library / "a.txt").write_bytes(BYTES)
    (tmp_path / "link").symlink_to(tmp_path / "homes")
    (tmp_path / "home").symlink_to(tmp_path / "homes" / "home")
    monkeypatch.setenv("HOME", str(tmp_path / "link" / "home"))
    folder = tmp_path / granted
    files = ClientFiles(ClientConnection(None, (folder,)), settings, ArtifactStore(settings.folders.artifacts))

    assert (await refused(files, str(library / "a.txt"))).code == "path_not_allowed"


async def test_a_folder_in_the_library_that_was_granted_shows_its_files(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    inbox = tmp_path / "Library" / "Senses" / "inbox"
    inbox.mkdir(parents=True)
    (inbox / "a.txt").write_bytes(BYTES)
    files = ClientFiles(ClientConnection(tmp_path, (tmp_path, inbox)), settings, ArtifactStore(tmp_path / "artifacts"))

    assert await read(files, str(inbox / "a.txt")) == BYTES


async def test_a_file_is_open_if_one_of_two_overlapping_folders_shows_it(settings: Settings, project: Path) -> None:
    hidden = project / ".cache"
    hidden.mkdir()
    (hidden / "a.txt").write_bytes(BYTES)
    files = ClientFiles(
        ClientConnection(project, (project, hidden)), settings, ArtifactStore(settings.folders.artifacts)
    )

    assert await read(files, ".cache/a.txt") == BYTES


async def test_a_path_that_leads_into_a_folder_of_the_client_is_open_however_it_is_spelled(
    files: ClientFiles, project: Path, tmp_path: Path
) -> None:
    (tmp_path / "shortcut").symlink_to(project)

    assert await read(files, str(tmp_path / "shortcut" / "notes.txt")) == BYTES


class RecordingThreads(FileThreads):
    """Keeps the folders for which it is asked to work."""

    def __init__(self) -> None:
        super().__init__()
        self.folders: list[Path] = []

    async def run(self, folder: Path, *arguments: Any, **options: Any) -> Any:
        """Keep the folder, and do as the others."""
        self.folders.append(folder)
        return await super().run(folder, *arguments, **options)


async def test_a_stored_result_counts_only_against_the_folder_of_results(files: ClientFiles) -> None:
    artifact, threads = files.artifacts.add(ArtifactKind.IMAGES, BYTES), RecordingThreads()
    recorded = replace(files, client=replace(files.client, threads=threads))

    assert await read(recorded, artifact.uri) == BYTES

    assert set(threads.folders) == {files.artifacts.folder}


@pytest.mark.promise("mcp:opened-once")
async def test_a_file_that_was_looked_up_for_a_question_is_opened_without_another_look(
    files: ClientFiles, project: Path
) -> None:
    threads = RecordingThreads()
    recorded = replace(files, client=replace(files.client, threads=threads))

    await recorded.look_up(["notes.txt"])
    for _ in range(2):
        assert await read(recorded, "notes.txt") == BYTES

    assert recorded.paths.missing == ()
    assert not recorded.paths.needs_consent
    look, first_open, second_look_and_open = [project], [project] * 2, [project] * 3
    assert threads.folders == [*look, *first_open, *second_look_and_open]


async def test_what_was_looked_up_for_reading_is_not_taken_for_writing(files: ClientFiles, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.png").write_bytes(BYTES)
    files.paths.grants.add("", "read", elsewhere)

    await files.look_up([str(elsewhere / "a.png")])

    assert files.paths.needs_consent
    with pytest.raises(InvalidInput, match="may write"):
        await files.resolve_destination(str(elsewhere / "a.png"), (".png",), overwrite=True)


async def test_a_file_is_looked_up_again_for_each_further_time_it_is_opened(files: ClientFiles, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "a.txt").write_bytes(BYTES)
    grant = files.paths.grants.add("", "read", elsewhere)
    await files.look_up([str(elsewhere / "a.txt")])
    first = await read(files, str(elsewhere / "a.txt"))

    files.paths.grants.revoke(grant)

    assert first == BYTES
    with pytest.raises(InvalidInput, match="not in a folder"):
        await read(files, str(elsewhere / "a.txt"))
    with pytest.raises(InvalidInput, match="withdrew the consent"):
        await files.paths.require_consent()
