"""Folders that a person grants while Senses runs."""

import stat
from dataclasses import replace
from pathlib import Path

import pytest

from mcp_server.files.denials import Refusal
from mcp_server.files.folder_requests import MAX_REQUESTS, FolderControl, FolderRequests
from mcp_server.files.folders import FolderWish
from mcp_server.files.grants import FolderGrant, FolderGrantStore
from mcp_server.files.privacy import make_private
from model_runtime.errors import InvalidInput
from model_runtime.settings import Settings


@pytest.fixture
def grants(settings: Settings) -> FolderGrantStore:
    return FolderGrantStore(settings.folders)


def test_what_is_granted_is_listed_until_it_is_revoked(grants: FolderGrantStore, tmp_path: Path) -> None:
    first = grants.add("claude-code", "read", tmp_path / "a")
    second = grants.add("", "write", tmp_path / "b")

    assert grants.all() == [first, second]
    grants.revoke(first)
    grants.revoke(first)
    assert grants.all() == [second]


def test_the_same_grant_is_kept_once(grants: FolderGrantStore, tmp_path: Path) -> None:
    grants.add("claude-code", "read", tmp_path)
    again = grants.add("claude-code", "read", tmp_path)

    assert grants.all() == [again]


@pytest.mark.parametrize(
    ("grant", "client", "access", "allowed"),
    [
        (("a", "read"), "a", "read", True),
        (("a", "read"), "a", "write", False),
        (("a", "write"), "a", "read", True),
        (("a", "read"), "b", "read", False),
        (("", "read"), "b", "read", True),
    ],
)
def test_a_grant_is_for_one_client_or_for_all_and_writing_includes_reading(
    grant: tuple[str, str], client: str, access: str, allowed: bool
) -> None:
    assert FolderGrant(grant[0], grant[1], Path("/a"), 0.0).allows(client, access) is allowed  # type: ignore[arg-type]


def test_a_folder_with_secrets_is_refused_whoever_asks(grants: FolderGrantStore) -> None:
    for folder in (Path.home(), Path.home() / ".ssh", Path("/")):
        with pytest.raises(InvalidInput, match="private data") as refusal:
            grants.add("", "read", folder)
        assert refusal.value.code == "secret_folder"

    assert grants.all() == []


def test_files_that_are_no_grants_are_skipped(grants: FolderGrantStore, tmp_path: Path) -> None:
    kept = grants.add("a", "read", tmp_path / "a")
    file = grants.folder / f"{kept.id}.json"
    (grants.folder / "nonsense.json").write_text("{")
    (grants.folder / "copied.json").write_bytes(file.read_bytes())
    file.with_name("other.txt").write_text("x")

    assert grants.all() == [kept]


def test_grants_that_others_could_read_become_private_at_the_next_start(
    grants: FolderGrantStore, settings: Settings, tmp_path: Path
) -> None:
    grant = grants.add("a", "read", tmp_path)
    grants.folder.chmod(0o755)
    (grants.folder / f"{grant.id}.json").chmod(0o644)
    (settings.folders.logs / "folders.log").chmod(0o644)

    make_private(settings.folders)

    kept = [grants.folder, grants.folder / f"{grant.id}.json", settings.folders.logs / "folders.log"]
    assert [stat.S_IMODE(path.stat().st_mode) for path in kept] == [0o700, 0o600, 0o600]


def test_a_log_that_cannot_be_written_costs_no_grant(
    grants: FolderGrantStore, settings: Settings, tmp_path: Path
) -> None:
    settings.folders.logs.mkdir(parents=True)
    (settings.folders.logs / "folders.log").mkdir()

    granted = grants.add("a", "read", tmp_path)

    assert grants.all() == [granted]


def test_who_revokes_learns_whether_there_was_such_a_grant(grants: FolderGrantStore, tmp_path: Path) -> None:
    control = FolderControl(grants, FolderRequests())
    granted = grants.add("a", "read", tmp_path)

    assert control.revoke(granted.id)
    assert not control.revoke(granted.id)


@pytest.mark.parametrize("is_granted", [True, False])
def test_what_a_person_answers_on_the_page_is_granted_or_not(
    grants: FolderGrantStore, tmp_path: Path, is_granted: bool
) -> None:
    requests = FolderRequests()
    requests.note("http", FolderWish("read", tmp_path), now=0.0)
    control = FolderControl(grants, requests)
    (asked,) = control.requested()

    assert control.answer(asked.id, is_granted=is_granted)
    assert [grant.folder for grant in control.granted()] == ([tmp_path] if is_granted else [])
    assert not control.answer(asked.id, is_granted=True)


def test_over_http_a_refusal_names_ways_without_a_disk_in_common() -> None:
    refusal = Refusal("/a.png", "read", None, folders=(), inbox=Path("/inbox"), command="")

    assert "Or copy the file into /inbox/." in refusal.text
    assert "Or pass the file itself as data:<type>;base64" in replace(refusal, over_http=True).text


def test_the_newest_requests_are_kept_each_once() -> None:
    requests = FolderRequests()
    for number in [*range(MAX_REQUESTS + 2), 5]:
        requests.note("http", FolderWish("read", Path(f"/{number}")), now=0.0)

    asked = [request.folder.name for request in requests.all()]
    assert asked == [str(number) for number in (*range(2, 5), *range(6, MAX_REQUESTS + 2), 5)]
    assert requests.take(requests.all()[0].id) is not None
    assert requests.take("none") is None
    assert len(requests.all()) == MAX_REQUESTS - 1
