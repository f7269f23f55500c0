import os
import stat
from pathlib import Path

import pytest

from model_runtime.atomic_file import write_atomically


def test_the_new_content_replaces_the_old_and_nothing_else_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    write_atomically(path, b"new")

    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.txt", "new")]


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("old")

    with pytest.raises(TypeError):
        write_atomically(path, "not bytes")  # type: ignore[arg-type]

    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("a.txt", "old")]


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    (tmp_path / "target.txt").write_text("kept")
    (tmp_path / "link.txt").symlink_to(tmp_path / "target.txt")

    write_atomically(tmp_path / "link.txt", b"new")

    assert not (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "target.txt").read_text() == "kept"


def test_a_mode_holds_whatever_the_umask_is_and_without_one_the_umask_decides(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "given", b"", mode=0o666)
        write_atomically(tmp_path / "left", b"")
    finally:
        os.umask(before)

    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"given": 0o666, "left": 0o640}
