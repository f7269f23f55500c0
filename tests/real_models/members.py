"""Read files out of packages without unpacking or running them: wheels, npm's and Debian's archives.

A .deb is an `ar` archive: "!<arch>\\n", then members with a header of 60 bytes, padded to even sizes
(https://manpages.debian.org/bookworm/dpkg-dev/deb.5.en.html).
"""

import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

AR_MAGIC = b"!<arch>\n"
AR_HEADER_BYTES = 60


def read_members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Yield the name and content of each file in the archive whose name is wanted, in the archive's order."""
    if archive.suffix in {".whl", ".zip"}:
        with zipfile.ZipFile(archive) as opened:
            yield from ((name, opened.read(name)) for name in opened.namelist() if wanted(name))
        return
    source = io.BytesIO(_data_of_deb(archive.read_bytes())) if archive.suffix == ".deb" else archive.open("rb")
    with source, tarfile.open(fileobj=source) as opened:
        for member in opened:
            if member.isfile() and wanted(member.name) and (content := opened.extractfile(member)):
                yield member.name, content.read()


def read_member(archive: Path, name: str) -> bytes:
    """Return one file of an archive.

    Raises:
        KeyError: the archive does not have it.
    """
    for _, content in read_members(archive, lambda other: other == name):
        return content
    raise KeyError(f"{archive.name} has no {name}")


def _data_of_deb(content: bytes) -> bytes:
    """Return the data.tar.* of a Debian package."""
    at = len(AR_MAGIC)
    while content.startswith(AR_MAGIC) and at + AR_HEADER_BYTES <= len(content):
        header = content[at : at + AR_HEADER_BYTES]
        name, size = header[:16].decode().strip(), int(header[48:58])
        at += AR_HEADER_BYTES
        if name.startswith("data.tar"):
            return content[at : at + size]
        at += size + size % 2
    raise ValueError("The Debian package has no data.tar.")
