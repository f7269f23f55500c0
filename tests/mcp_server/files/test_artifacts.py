from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcp_server.files.artifacts import ArtifactKind, ArtifactNotSaved, ArtifactStore, StoredArtifact


def test_a_result_is_found_again_by_another_process(tmp_path: Path) -> None:
    added = ArtifactStore(tmp_path).add(ArtifactKind.AUDIO, b"RIFF")

    found = ArtifactStore(tmp_path).find(ArtifactKind.AUDIO, added.id)

    assert found == added
    assert added.uri == f"senses://audio/{added.id}"


def test_the_newest_results_come_first(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    names = ["20260101-000000-" + "0" * 16, "20260102-000000-" + "0" * 16, "20260103-000000-" + "0" * 16]
    for name in names:
        (tmp_path / "images").mkdir(exist_ok=True)
        (tmp_path / "images" / f"{name}.png").write_bytes(b"x")

    assert [artifact.id for artifact in store.recent(2)] == [names[2], names[1]]


def test_what_the_user_deleted_is_gone(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    added = store.add(ArtifactKind.TRANSCRIPTS, b"hello")

    added.path.unlink()

    assert store.find(ArtifactKind.TRANSCRIPTS, added.id) is None
    assert store.recent() == []


def test_a_new_result_is_reported(tmp_path: Path) -> None:
    reported: list[StoredArtifact] = []

    added = ArtifactStore(tmp_path, reported.append).add(ArtifactKind.IMAGES, b"x")

    assert reported == [added]


@given(st.text())
def test_no_name_reaches_outside_the_store(name: str) -> None:
    assert ArtifactStore(Path("/etc")).find(ArtifactKind.IMAGES, name) is None


def test_a_link_is_no_result(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    added = store.add(ArtifactKind.IMAGES, b"x")
    name = added.id[:-1] + ("0" if added.id[-1] != "0" else "1")
    added.path.with_name(f"{name}.png").symlink_to("/etc/passwd")

    assert store.find(ArtifactKind.IMAGES, name) is None
    assert store.recent() == [added]


def test_only_files_are_results(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path)
    added = store.add(ArtifactKind.IMAGES, b"x")
    other = "20990101-000000-" + "0" * 16
    (tmp_path / "images" / f"{other}.png").mkdir()

    assert store.find(ArtifactKind.IMAGES, other) is None
    assert store.recent(1) == [added]


def test_a_result_that_cannot_be_saved_says_where_and_why(tmp_path: Path) -> None:
    (tmp_path / "images").write_text("a file where a folder should be")

    with pytest.raises(ArtifactNotSaved, match=r"cannot be saved in .*/images: File exists\. Make room"):
        ArtifactStore(tmp_path).add(ArtifactKind.IMAGES, b"x")
