"""Whether results can be kept on this disk, checked again and again, so that health says it before and after a call."""

from contextlib import suppress
from pathlib import Path

import anyio
import anyio.to_thread

from mcp_server.files.artifacts import PROBLEM, not_kept_text
from model_runtime.atomic_file import partial_path
from model_runtime.background import Sleep
from model_runtime.problems import Problems

CHECK_SECONDS = 60.0
PROBE_BYTES = 4096


def make_inbox(folder: Path) -> None:
    """Make the inbox, since errors send people there; a home that cannot be written has none. Blocks."""
    with suppress(OSError):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)


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


async def watch_storage(folder: Path, problems: Problems, sleep: Sleep = anyio.sleep) -> None:
    """Report a problem while no result can be written, checked once a minute, until cancelled."""
    while True:
        await check_storage(folder, problems)
        await sleep(CHECK_SECONDS)


async def check_storage(folder: Path, problems: Problems) -> None:
    """Report a problem if no result can be written, else clear it."""
    reason = await anyio.to_thread.run_sync(reason_not_writable, folder)
    if reason:
        problems.report(PROBLEM, not_kept_text(folder, reason))
    else:
        problems.clear(PROBLEM)
