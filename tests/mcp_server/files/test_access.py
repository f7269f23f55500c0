import base64
import os
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.files.access import ClientFiles
from mcp_server.files.artifacts import ArtifactKind, ArtifactStore
from mcp_server.files.client import ClientConnection, connection_from_handshake
from model_runtime.errors import InvalidInput
from model_runtime.settings import InstanceFolders, Settings

BYTES = b"some bytes"


@pytest.fixture
def files(settings: Settings, project: Path) -> ClientFiles:
    (project / "notes.txt").write_bytes(BYTES)
    return ClientFiles(ClientConnection(project, (project,)), settings, ArtifactStore(settings.folders.artifacts))


def read(files: ClientFiles, address: str, limit_bytes: int = 1000) -> bytes:
    with files.open(address, param="image", limit_bytes=limit_bytes) as file:
        return file.read()


def test_every_accepted_form_names_the_same_file(
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

    assert [read(files, form) for form in forms] == [BYTES] * len(forms)


def test_a_file_uri_may_escape_what_a_path_may_not(files: ClientFiles, project: Path) -> None:
    (project / "two words.txt").write_bytes(BYTES)

    assert read(files, f"file://{project}/two%20words.txt") == BYTES


def test_an_earlier_result_is_an_input(files: ClientFiles) -> None:
    artifact = files.artifacts.add(ArtifactKind.IMAGES, BYTES)

    assert read(files, artifact.uri) == BYTES
    assert read(files, artifact.uri.replace("images", "previews")) == BYTES
    assert read(files, str(artifact.path)) == BYTES


@given(st.binary(max_size=200))
def test_a_data_address_carries_its_bytes(data: bytes) -> None:
    files = ClientFiles(
        ClientConnection(),
        Settings(InstanceFolders.from_home(Path("/nowhere"))),
        ArtifactStore(Path("/nowhere/artifacts")),
    )

    assert read(files, f"data:image/png;base64,{base64.b64encode(data).decode()}") == data


@pytest.mark.promise("mcp:folders")
@pytest.mark.parametrize(
    "address", ["/etc/passwd", "../outside.txt", "project/../../../etc/passwd", "file:///etc/passwd"]
)
def test_what_is_outside_the_clients_folders_is_refused_whether_or_not_it_exists(
    files: ClientFiles, address: str
) -> None:
    with pytest.raises(InvalidInput, match="is not in a folder that this client may read") as refusal:
        read(files, address)

    assert refusal.value.code == "path_not_allowed"


def test_a_link_inside_does_not_lead_outside(files: ClientFiles, project: Path) -> None:
    secret = project.parent / "secret.txt"
    secret.write_text("secret")
    (project / "innocent.png").symlink_to(secret)
    (project / "folder").symlink_to(project.parent)

    for address in ("innocent.png", "folder/secret.txt"):
        with pytest.raises(InvalidInput, match="may read"):
            read(files, address)


def test_a_link_inside_to_the_inside_is_followed(files: ClientFiles, project: Path) -> None:
    (project / "alias.txt").symlink_to(project / "notes.txt")

    assert read(files, "alias.txt") == BYTES


@pytest.mark.parametrize("name", [".env", ".ssh/id_ed25519", ".git/config"])
def test_hidden_files_are_refused_even_inside(files: ClientFiles, project: Path, name: str) -> None:
    (project / name).parent.mkdir(exist_ok=True)
    (project / name).write_text("secret")

    with pytest.raises(InvalidInput, match="hidden files never are"):
        read(files, name)


def test_a_fifo_is_refused_without_waiting_for_its_writer(files: ClientFiles, project: Path) -> None:
    os.mkfifo(project / "pipe.png")

    with pytest.raises(InvalidInput, match="not a regular file"):
        read(files, "pipe.png")


def test_a_folder_is_refused(files: ClientFiles, project: Path) -> None:
    (project / "pictures").mkdir()

    with pytest.raises(InvalidInput, match="not a regular file"):
        read(files, "pictures")


def test_too_large_a_file_is_refused_before_it_is_read(files: ClientFiles) -> None:
    with pytest.raises(InvalidInput, match="at most 0 MB") as refusal:
        read(files, "notes.txt", limit_bytes=3)

    assert refusal.value.code == "too_large"


def test_a_missing_file_is_named_with_the_one_that_was_meant(files: ClientFiles) -> None:
    with pytest.raises(InvalidInput, match=r"There is no file Notes\.png in .*; perhaps notes\.txt\."):
        read(files, "Notes.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_a_file_the_system_refuses_names_the_ways_out(files: ClientFiles, project: Path) -> None:
    (project / "notes.txt").chmod(0)

    with pytest.raises(InvalidInput, match="System Settings"):
        read(files, "notes.txt")


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
def test_an_address_of_no_accepted_form_says_what_to_pass(files: ClientFiles, address: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        read(files, address)


def test_over_http_a_relative_path_has_no_meaning(settings: Settings) -> None:
    files = ClientFiles(ClientConnection(), settings, ArtifactStore(settings.folders.artifacts))

    with pytest.raises(InvalidInput, match="pass an absolute path"):
        read(files, "notes.txt")


def test_the_inbox_and_configured_folders_are_open_to_everyone(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    settings = Settings(InstanceFolders.from_home(tmp_path / "home"), allowed_folders=(shared,))
    files = ClientFiles(ClientConnection(), settings, ArtifactStore(settings.folders.artifacts))
    for folder in (shared, settings.folders.inbox):
        folder.mkdir(parents=True)
        (folder / "a.txt").write_bytes(BYTES)

    assert read(files, str(shared / "a.txt")) == BYTES
    assert read(files, str(settings.folders.inbox / "a.txt")) == BYTES


@pytest.mark.parametrize("address", ["/etc/out.png", "../out.png", ".hidden.png", "sub/../../out.png"])
def test_nothing_is_written_outside_the_clients_folders(files: ClientFiles, address: str) -> None:
    with pytest.raises(InvalidInput, match="may write"):
        files.resolve_destination(address, (".png",), overwrite=True)


def test_a_destination_must_fit_the_format_and_its_folder_exist(files: ClientFiles) -> None:
    with pytest.raises(InvalidInput, match=r"must end in \.png"):
        files.resolve_destination("out.gif", (".png",), overwrite=False)
    with pytest.raises(InvalidInput, match=r"The folder .*/missing does not exist"):
        files.resolve_destination("missing/out.png", (".png",), overwrite=False)


def test_writing_over_a_link_replaces_the_link_and_not_its_target(files: ClientFiles, project: Path) -> None:
    target = project.parent / "target.png"
    target.write_text("mine")
    (project / "out.png").symlink_to(target)

    files.write(files.resolve_destination("out.png", (".png",), overwrite=True), BYTES)

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


def test_the_home_itself_is_open_when_a_client_works_there() -> None:
    assert connection_from_handshake({"cwd": "/home/ann"}, Path("/home/ann")).folders == (Path("/home/ann"),)


def test_the_library_folder_of_a_mac_stays_closed_in_an_open_home(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "Library").mkdir()
    (tmp_path / "Library" / "cookies.png").write_bytes(BYTES)
    files = ClientFiles(ClientConnection(tmp_path, (tmp_path,)), settings, ArtifactStore(settings.folders.artifacts))

    with pytest.raises(InvalidInput, match="may read"):
        read(files, "Library/cookies.png")


def test_on_a_mac_one_file_has_many_spellings(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = tmp_path / unicodedata.normalize("NFD", "그림")
    typed = tmp_path / unicodedata.normalize("NFC", "그림")
    files = ClientFiles(ClientConnection(stored, (stored,)), settings, ArtifactStore(settings.folders.artifacts))
    monkeypatch.setattr(sys, "platform", "darwin")

    with pytest.raises(InvalidInput, match="There is no file"):  # rather than: not allowed
        read(files, str(typed / "A.png"))
