"""Whether results can be kept on this disk; if not, a temporary folder takes them until Senses stops."""

import logging
import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import anyio
import anyio.to_thread

from model_runtime.atomic_file import partial_path
from model_runtime.background import Sleep
from model_runtime.problems import Problems
from model_runtime.settings import Settings

PROBLEM = "results"
CHECK_SECONDS = 60.0
PROBE_BYTES = 4096

logger = logging.getLogger(__name__)


def reason_not_writable(folder: Path) -> str:
    """Return why no file can be written in `folder`, which is made if it does not exist; "" if one can. Blocks."""
    probe = partial_path(folder / "probe")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.write_bytes(bytes(PROBE_BYTES))
    except OSError as error:
        return error.strerror or str(error)
    finally:
        with suppress(OSError):
            probe.unlink(missing_ok=True)
    return ""


@contextmanager
def open_storage(settings: Settings) -> Generator[tuple[Settings, str]]:
    """Yield settings whose folder of results can be written, and what users should know; "" if results are kept.

    If the folder of the settings cannot be written, results go into a temporary folder that is deleted at the end. The
    inbox is made, since errors send people there.
    """
    with suppress(OSError):
        settings.folders.inbox.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder = settings.folders.artifacts
    reason = reason_not_writable(folder)
    temporary = _temporary_folder() if reason else None
    if temporary is None:
        yield settings, _not_saved_text(folder, reason) if reason else ""
        return
    usable = replace(settings, folders=replace(settings.folders, artifacts=temporary))
    try:
        yield usable, _not_kept_text(folder, reason, temporary)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


async def watch_storage(folder: Path, problems: Problems, sleep: Sleep = anyio.sleep) -> None:
    """Report a problem while no result can be written, checked once a minute, until cancelled."""
    while True:
        reason = await anyio.to_thread.run_sync(reason_not_writable, folder)
        if reason:
            problems.report(PROBLEM, _not_saved_text(folder, reason))
        else:
            problems.clear(PROBLEM)
        await sleep(CHECK_SECONDS)


def _not_saved_text(folder: Path, reason: str) -> str:
    return f"Results cannot be saved in {folder}: {reason}. Make room, or make the folder writable."


def _not_kept_text(folder: Path, reason: str, temporary: Path) -> str:
    return (
        f"Results are not kept: {folder} cannot be written ({reason}). They are in {temporary} until Senses stops. "
        "Make room or make the folder writable, then restart Senses."
    )


def _temporary_folder() -> Path | None:
    try:
        return Path(tempfile.mkdtemp(prefix="senses-results-"))
    except OSError as error:
        logger.warning("There is no temporary folder for results either: %s", error)
        return None
