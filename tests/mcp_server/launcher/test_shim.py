"""The shim as clients start it: real processes, the real daemon over the fake runtime."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from mcp import Client, StdioServerParameters

from mcp_server.daemon.lock import acquire_lock, read_daemon_info
from mcp_server.launcher import connect
from mcp_server.launcher.paths import InstancePaths, ensure_private_folder
from tests.mcp_server.conftest import ProtocolMode
from tests.mcp_server.tools.test_consent import Person
from tests.mcp_server.tools.test_tools import data_of

pytestmark = pytest.mark.process

REPOSITORY = Path(__file__).parents[3]
SHIM = [sys.executable, "-m", "tests.mcp_server.fake_shim"]
INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "raw", "version": "1"}},
}


class Instance:
    """One instance of Senses in a folder of its own; its daemon is ended with the test."""

    def __init__(self, home: Path) -> None:
        home.mkdir(parents=True)
        self.home = home
        self.environ = {
            "SENSES_HOME": str(home),
            "SENSES_PORT": "0",
            "PYTHONPATH": str(REPOSITORY),
            "PATH": os.environ["PATH"],
            "HOME": os.environ["HOME"],
        }
        self.paths = InstancePaths(self.environ)
        self.shims: list[subprocess.Popen[bytes]] = []

    def shim(self, *folders: str) -> subprocess.Popen[bytes]:
        """Start a shim and send it the first message."""
        pipe = subprocess.PIPE
        process = subprocess.Popen([*SHIM, *folders], stdin=pipe, stdout=pipe, stderr=pipe, env=self.environ)
        self.shims.append(process)
        send(process, INITIALIZE)
        return process

    @property
    def daemon(self) -> psutil.Process:
        """The daemon that runs."""
        info = read_daemon_info(self.paths)
        assert info is not None
        return psutil.Process(info.pid)

    @property
    def starts(self) -> int:
        """How many daemons were ever started."""
        return len((self.home / "starts").read_text().splitlines())

    def end(self) -> None:
        """End every process."""
        for process in self.shims:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout, process.stderr):
                if pipe is not None:
                    with suppress(BrokenPipeError):
                        pipe.close()
        if read_daemon_info(self.paths):
            self.daemon.kill()


@pytest.fixture
def instance(tmp_path: Path) -> Generator[Instance]:
    made = Instance(tmp_path / "home")
    yield made
    made.end()


def send(process: subprocess.Popen[bytes], message: dict[str, Any]) -> None:
    assert process.stdin is not None
    process.stdin.write(json.dumps(message).encode() + b"\n")
    process.stdin.flush()


def receive(process: subprocess.Popen[bytes]) -> dict[str, Any]:
    assert process.stdout is not None
    message: dict[str, Any] = json.loads(process.stdout.readline())
    return message


@pytest.mark.promise("shim:stdio")
async def test_the_official_client_works_through_the_shim_in_its_own_folder(
    instance: Instance, era: ProtocolMode, project: Path
) -> None:
    parameters = StdioServerParameters(command=SHIM[0], args=SHIM[1:], env=instance.environ, cwd=project)

    async with Client(parameters, mode=era) as client:
        seen = data_of(await client.call_tool("describe_image", {"image": "red.png"}))
        outside = await client.call_tool("describe_image", {"image": "/etc/hostname"})

    assert seen["image"] == {"width": 64, "height": 48}
    assert outside.is_error


@pytest.mark.promise("consent:asked")
async def test_a_person_is_asked_through_the_shim_which_then_opens_the_file(
    instance: Instance, era: ProtocolMode, project: Path, tmp_path: Path
) -> None:
    parameters = StdioServerParameters(command=SHIM[0], args=SHIM[1:], env=instance.environ, cwd=project)
    person, shot = Person("this folder"), tmp_path / "Desktop" / "shot.png"
    shot.parent.mkdir()
    shutil.copy(project / "red.png", shot)

    async with Client(parameters, mode=era, elicitation_callback=person) as client:
        seen = [data_of(await client.call_tool("describe_image", {"image": str(shot)})) for _ in range(2)]

    assert [result["image"] for result in seen] == [{"width": 64, "height": 48}] * 2
    assert len(person.questions) == 1
    assert f"read pictures and recordings in {shot.parent}?" in person.questions[0]
    assert (instance.home / "file_requests").read_text().splitlines() == ["open .png"] * 2


@pytest.mark.promise("shim:rights")
async def test_files_of_the_client_are_opened_and_written_with_its_rights(instance: Instance, project: Path) -> None:
    parameters = StdioServerParameters(command=SHIM[0], args=SHIM[1:], env=instance.environ, cwd=project)

    async with Client(parameters) as client:
        data_of(await client.call_tool("describe_image", {"image": "red.png"}))
        data_of(await client.call_tool("generate_image", {"prompt": "a circle", "output_path": "new.webp"}))

    requests = (instance.home / "file_requests").read_text().splitlines()
    changing = [request for request in requests if not request.startswith("stat")]
    assert changing == ["open .png", "create .part", "commit .part"]
    assert (project / "new.webp").read_bytes()[8:12] == b"WEBP"


@pytest.mark.promise("shim:one-daemon")
def test_eight_clients_at_once_share_one_daemon(instance: Instance) -> None:
    shims = [instance.shim() for _ in range(8)]

    names = {receive(shim)["result"]["serverInfo"]["name"] for shim in shims}

    assert names == {"senses"}
    assert instance.starts == 1


@pytest.mark.promise("shim:recovers")
async def test_a_client_goes_on_after_its_daemon_was_killed_in_the_middle_of_a_call(
    instance: Instance, era: ProtocolMode, project: Path
) -> None:
    parameters = StdioServerParameters(command=SHIM[0], args=SHIM[1:], env=instance.environ, cwd=project)
    (instance.home / "gated").touch()
    said: list[str] = []
    is_working = anyio.Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        is_working.set()

    async def speak() -> None:
        said.append(data_of(await client.call_tool("speak", {"text": "x"}, progress_callback=hear))["path"])

    async with Client(parameters, mode=era) as client, anyio.create_task_group() as calls:
        calls.start_soon(speak)
        await is_working.wait()
        killed = instance.daemon
        (instance.home / "gated").unlink()
        left_its_socket = await anyio.Path(instance.paths.socket_path).exists()
        killed.kill()

    assert left_its_socket, "a crash leaves its socket behind, which the next start replaces"
    assert Path(said[0]).exists()  # noqa: ASYNC240
    assert instance.starts == 2


def test_a_shim_ends_with_its_client_and_the_daemon_stays(instance: Instance) -> None:
    shim = instance.shim()
    receive(shim)

    assert shim.stdin is not None
    shim.stdin.close()

    assert shim.wait(10) == 0
    assert instance.daemon.is_running()


@pytest.mark.promise("shim:no-orphans")
def test_a_client_that_is_killed_leaves_no_process_and_its_work_is_stopped(instance: Instance) -> None:
    (instance.home / "gated").touch()
    client = subprocess.Popen(
        [sys.executable, "-c", CLIENT, *SHIM], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=instance.environ
    )
    assert client.stdout is not None
    shim = psutil.Process(int(client.stdout.readline()))
    client.stdout.readline()

    client.kill()
    client.communicate()

    assert shim.wait(10) in (0, None)
    status = receive_call(instance.shim(), "media_status", {"section": "jobs"})
    assert [call["state"] for call in status["jobs"]["calls"]] == ["cancelled"]


CLIENT = """
import json, subprocess, sys
shim = subprocess.Popen(sys.argv[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
print(shim.pid, flush=True)
def send(message):
    shim.stdin.write(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\\n")
    shim.stdin.flush()
client = {"name": "raw", "version": "1"}
send({"id": 0, "method": "initialize",
      "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client}})
shim.stdout.readline()
send({"method": "notifications/initialized"})
arguments = {"text": "for ever"}
send({"id": 1, "method": "tools/call",
      "params": {"name": "speak", "arguments": arguments, "_meta": {"progressToken": 1}}})
print(shim.stdout.readline(), flush=True)
shim.wait()
"""


def receive_call(shim: subprocess.Popen[bytes], tool: str, arguments: dict[str, Any]) -> dict[str, Any]:
    receive(shim)
    send(shim, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    send(shim, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": tool, "arguments": arguments}})
    structured: dict[str, Any] = receive(shim)["result"]["structuredContent"]
    return structured


@pytest.mark.promise("shim:explains")
def test_a_daemon_that_cannot_start_is_explained_at_once(instance: Instance) -> None:
    (instance.home / "broken").touch()

    shim = instance.shim()
    _, said = shim.communicate(timeout=20)

    assert shim.returncode == 1
    assert b"exited before it was ready" in said
    assert b"the fake runtime is broken" in said
    assert instance.paths.log_file.encode() in said


def test_a_setting_that_cannot_be_used_reaches_the_client(instance: Instance) -> None:
    (instance.home / "config.toml").write_text("memory.eviction = 'random'\n")

    shim = instance.shim()
    _, said = shim.communicate(timeout=20)

    assert b"config.toml line 1: memory.eviction is 'random'. It must be one of lru, cost." in said


def test_while_another_daemon_leaves_no_further_one_is_tried(instance: Instance) -> None:
    ensure_private_folder(instance.paths.run_folder)
    lock = acquire_lock(instance.paths.instance_lock)

    with pytest.raises(connect.DaemonUnreachable, match="did not answer within 0 s; `senses stop` ends it"):
        connect.connect_or_start(instance.paths, b"{}\n", timeout_seconds=0.2)

    os.close(lock)
    assert not (instance.home / "starts").exists()


@pytest.mark.promise("shim:explains")
def test_a_shim_does_not_wait_for_ever_for_another_that_hangs(instance: Instance) -> None:
    ensure_private_folder(instance.paths.run_folder)
    lock = acquire_lock(instance.paths.start_lock)

    with pytest.raises(connect.DaemonUnreachable, match="did not answer within 0 s"):
        connect.connect_or_start(instance.paths, b"{}\n", timeout_seconds=0.2)

    os.close(lock)
    assert not (instance.home / "starts").exists()


def test_a_home_too_long_for_a_socket_works(tmp_path: Path) -> None:
    instance = Instance(tmp_path / ("long" * 30))

    name = receive(instance.shim())["result"]["serverInfo"]["name"]
    socket_path = instance.paths.socket_path
    daemon = instance.daemon
    daemon.send_signal(signal.SIGTERM)
    daemon.wait(10)
    has_ended = instance.shims[0].poll()
    instance.end()

    assert name == "senses"
    assert has_ended is None, "a shim outlives its daemon"
    assert not socket_path.startswith(str(tmp_path))
    assert not Path(socket_path).exists()


@pytest.mark.promise("shim:memory")
def test_a_shim_holds_at_most_fourteen_megabytes(instance: Instance) -> None:
    receive(instance.shim())

    command = [sys.executable, "-c", "from mcp_server.launcher.shim import main; main()"]
    shim = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=instance.environ)
    instance.shims.append(shim)
    send(shim, INITIALIZE)
    receive(shim)

    assert psutil.Process(shim.pid).memory_info().rss < 14 * 2**20


@pytest.mark.promise("shim:folders")
async def test_folders_named_in_the_clients_configuration_are_open_to_it(instance: Instance, project: Path) -> None:
    arguments = [*SHIM[1:], str(project), "${user_config.folders}"]
    parameters = StdioServerParameters(command=SHIM[0], args=arguments, env=instance.environ, cwd="/")

    async with Client(parameters) as client:
        seen = data_of(await client.call_tool("describe_image", {"image": str(project / "red.png")}))
        other = await client.call_tool("describe_image", {"image": str(project.parent / "x.png")})

    assert seen["image"] == {"width": 64, "height": 48}
    assert other.is_error


@pytest.mark.promise("daemon:light")
async def test_the_daemon_holds_no_engine_and_little_memory(instance: Instance) -> None:
    receive(await anyio.to_thread.run_sync(instance.shim))

    maps = Path(f"/proc/{instance.daemon.pid}/maps")

    assert instance.daemon.memory_info().rss < 85 * 2**20
    if sys.platform == "linux":
        assert "libmlx" not in await anyio.Path(maps).read_text()


@pytest.mark.promise("daemon:no-engine")
def test_nothing_the_daemon_is_made_of_imports_an_engine() -> None:
    code = """
import sys
import mcp_server.daemon.daemon, model_runtime.runtime, model_runtime.catalog.catalog, openai_compat.app
import model_runtime.media.images, model_runtime.media.audio, model_runtime.media.speech_encoder
engines = {"mlx", "mlx_vlm", "mlx_lm", "mlx_whisper", "mlx_audio", "mflux", "transformers", "torch"}
print(sorted(engines & {name.partition(".")[0] for name in sys.modules}))
"""

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded == "[]\n"


def test_a_second_signal_ends_a_daemon_that_hangs(instance: Instance) -> None:
    (instance.home / "hanging").touch()
    receive(instance.shim())
    daemon = instance.daemon

    daemon.terminate()
    instance.shims[0].poll()
    with pytest.raises(psutil.TimeoutExpired):
        daemon.wait(0.5)
    daemon.terminate()

    daemon.wait(2)
