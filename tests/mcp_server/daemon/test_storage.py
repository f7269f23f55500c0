"""A full or read-only home: Senses serves without keeping results and says so, or says in a sentence why it cannot."""

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

import anyio
import httpx2
import pytest

from mcp_server.daemon import daemon
from mcp_server.daemon.lock import InstanceUnusable
from mcp_server.files.storage import reason_not_writable, watch_storage
from mcp_server.launcher.paths import InstancePaths
from model_runtime.problems import Problems
from model_runtime.settings import Settings
from tests.mcp_server.daemons import running_daemon

ERRNOS = (errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EMFILE, errno.EIO)


def refuse_writes(folder: Path, number: int) -> Callable[[Path, bytes], int]:
    """Return `Path.write_bytes` of a machine that refuses to write below `folder`."""
    write_bytes = Path.write_bytes

    def write(path: Path, data: bytes) -> int:
        if path.is_relative_to(folder):
            raise OSError(number, os.strerror(number))
        return write_bytes(path, data)

    return write


@pytest.mark.promise("reliability:no-storage")
@pytest.mark.parametrize("number", ERRNOS)
async def test_health_says_that_results_cannot_be_kept_before_there_is_one(
    settings: Settings, paths: InstancePaths, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(Path, "write_bytes", refuse_writes(settings.folders.artifacts, number))

    async with running_daemon(settings, paths) as info, httpx2.AsyncClient(base_url=info.url) as http:
        health = (await http.get("/health")).json()

    assert health["status"] == "degraded"
    assert os.strerror(number) in health["problems"][0]
    assert settings.folders.inbox.stat().st_mode & 0o777 == 0o700  # the inbox that errors name


@pytest.mark.parametrize("number", ERRNOS)
async def test_a_disk_that_is_full_for_a_while_is_reported_meanwhile(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder, problems, is_checked = settings.folders.artifacts, Problems(), anyio.Event()
    writable, refusing = Path.write_bytes, refuse_writes(folder, number)
    writes = iter([refusing, *[refusing] * 9, writable])
    reported: list[tuple[str, ...]] = []

    async def sleep(seconds: float) -> None:
        reported.append(problems.reasons())
        if len(reported) == 11:
            is_checked.set()
            await anyio.sleep_forever()

    monkeypatch.setattr(Path, "write_bytes", lambda path, data: next(writes)(path, data))
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch_storage, folder, problems, sleep)
            await is_checked.wait()
            tasks.cancel_scope.cancel()

    assert all(os.strerror(number) in reasons[0] for reasons in reported[:10])
    assert reported[10] == ()


@pytest.fixture
def blocked_home() -> Generator[Path]:
    """A home in which no folder can be made: the path leads through a file.

    It is short: the socket of a home with a long path is elsewhere, where it can be made.
    """
    with tempfile.TemporaryDirectory(prefix="senses-") as folder:
        (Path(folder) / "file").write_text("")
        yield Path(folder) / "file" / "home"


SERVE = """
import sys
from pathlib import Path
from mcp_server.daemon.daemon import run
from model_runtime.settings import InstanceFolders, Settings
from tests.mcp_server.daemons import service_opener
from tests.mcp_server.fake_daemon import ClosableFakeService

settings = Settings(InstanceFolders.from_home(Path(sys.argv[1])), port=0)
run(settings, auto=False, on_ready=lambda info: print(info.url, flush=True), open_service=service_opener(ClosableFakeService()))
"""


@pytest.mark.process
def test_a_person_gets_http_without_the_socket(blocked_home: Path) -> None:
    environ = {**os.environ, "SENSES_HOME": str(blocked_home), "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", SERVE, str(blocked_home)]

    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        url = served.stdout.readline().strip()
        health = httpx2.get(f"{url}/health").json()
        served.terminate()
        status = served.wait(15)

    problems = " ".join(health["problems"])
    assert health["status"] == "degraded"
    assert "Only HTTP is served" in problems
    assert "Results are not kept" in problems
    assert status == 0


def test_a_shim_is_told_in_one_sentence(
    blocked_home: Path, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    monkeypatch.setenv("SENSES_HOME", str(blocked_home))

    with pytest.raises(InstanceUnusable, match=r"cannot be used: Not a directory\. Make room or make the folder"):
        daemon.run(settings, auto=True, on_ready=lambda info: None)


@pytest.mark.process
def test_a_client_reads_one_line_when_its_home_cannot_be_written(blocked_home: Path) -> None:
    environ = {**os.environ, "SENSES_HOME": str(blocked_home)}

    shim = subprocess.run(
        [sys.executable, "-m", "mcp_server.launcher.shim"],
        env=environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert shim.returncode == 1
    assert shim.stderr.count("\n") == 1
    assert "cannot be used: Not a directory. Make room" in shim.stderr


@pytest.mark.process
def test_the_reason_of_a_daemon_that_cannot_start_reaches_the_client_without_a_log(tmp_path: Path) -> None:
    """The log cannot be written on a full disk, so the reason comes through the pipe."""
    home = tmp_path / "home"
    (home / "run").mkdir(parents=True, mode=0o700)
    (home / "run" / "d1.sock").mkdir()  # a folder where the socket belongs cannot be replaced
    (home / "logs").write_text("")

    shim = subprocess.run(
        [sys.executable, "-m", "tests.mcp_server.fake_shim"],
        env={**os.environ, "SENSES_HOME": str(home), "SENSES_PORT": "0"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )

    assert shim.returncode == 1
    assert "d1.sock cannot be used: Is a directory. Make room" in shim.stderr


def test_the_check_leaves_no_file(tmp_path: Path) -> None:
    assert reason_not_writable(tmp_path / "new") == ""
    assert list((tmp_path / "new").iterdir()) == []
