import os
import stat
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import platformdirs.macos
import platformdirs.unix
import pytest

from mcp_server.launcher.paths import MAX_SOCKET_PATH_BYTES, VERSION, InstancePaths, ensure_private_folder
from model_runtime.settings import APP_NAME, InstanceFolders, load_settings


def test_the_shim_and_the_settings_mean_the_same_instance(tmp_path: Path) -> None:
    environ = {"SENSES_HOME": str(tmp_path)}

    paths, folders = InstancePaths(environ), load_settings(environ).folders

    assert (paths.run_folder, paths.logs_folder) == (str(folders.run), str(folders.logs))


@pytest.mark.parametrize("xdg", [{}, {"XDG_DATA_HOME": "/data", "XDG_STATE_HOME": "/state"}, {"XDG_DATA_HOME": "x"}])
def test_without_an_instance_both_use_the_platforms_folders(
    monkeypatch: pytest.MonkeyPatch, xdg: dict[str, str]
) -> None:
    for name in ("XDG_DATA_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in xdg.items():
        monkeypatch.setenv(name, value)

    paths, folders = InstancePaths(os.environ), InstanceFolders.from_platform()

    assert (paths.run_folder, paths.logs_folder) == (str(folders.run), str(folders.logs))


@pytest.mark.darwin
@pytest.mark.parametrize("xdg", [{}, {"XDG_DATA_HOME": "/data"}])
def test_on_a_mac_too(monkeypatch: pytest.MonkeyPatch, xdg: dict[str, str]) -> None:
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    for name, value in xdg.items():
        monkeypatch.setenv(name, value)
    mac = platformdirs.macos.MacOS(APP_NAME, appauthor=False)
    monkeypatch.setattr(sys, "platform", "darwin")

    paths = InstancePaths(os.environ)

    assert (paths.run_folder, paths.logs_folder) == (f"{mac.user_data_dir}/run", mac.user_log_dir)


def test_the_version_is_that_of_the_package() -> None:
    assert version("mlx-senses") == VERSION


def test_a_long_home_still_gets_a_socket_that_fits(tmp_path: Path) -> None:
    near, far = (InstancePaths({"SENSES_HOME": str(tmp_path / ("x" * length))}) for length in (1, 120))
    other = InstancePaths({"SENSES_HOME": str(tmp_path / ("y" * 120))})

    assert far.socket_path != other.socket_path
    for paths in (near, far, other):
        assert len(os.fsencode(f"{paths.socket_path}.{2**22}")) <= MAX_SOCKET_PATH_BYTES


def test_a_folder_of_ours_is_for_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir(mode=0o755)

    ensure_private_folder(str(folder))

    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_folder_that_is_a_link_is_not_trusted(tmp_path: Path) -> None:
    (tmp_path / "run").symlink_to(tmp_path)

    with pytest.raises(PermissionError, match="is a link"):
        ensure_private_folder(str(tmp_path / "run"))


@pytest.mark.process
@pytest.mark.promise("shim:light")
def test_the_shim_loads_nothing_but_the_standard_library() -> None:
    code = "import sys; before = set(sys.modules); import mcp_server.launcher.shim; print(*(set(sys.modules) - before))"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()

    ours = {
        "mcp_server",
        "mcp_server.launcher",
        "mcp_server.launcher.shim",
        "mcp_server.launcher.connect",
        "mcp_server.launcher.broker_server",
        "mcp_server.launcher.file_lock",
        "mcp_server.launcher.file_requests",
        "mcp_server.launcher.relay",
        "mcp_server.launcher.session",
        "mcp_server.launcher.sockets",
        "mcp_server.launcher.paths",
    }
    assert {name for name in loaded if name.partition(".")[0] not in sys.stdlib_module_names} == ours
    assert not {"asyncio", "logging", "subprocess", "hashlib", "typing"} & set(loaded)


@pytest.mark.parametrize(("path_bytes", "is_in_home"), [(92, True), (93, False)])
def test_a_socket_is_in_the_home_if_its_path_and_a_process_number_fit_into_a_hundred_bytes(
    path_bytes: int, is_in_home: bool
) -> None:
    home = "/h".ljust(path_bytes - len("/run/d1.sock"), "x")

    path = InstancePaths({"SENSES_HOME": home}).socket_path

    assert (path == f"{home}/run/d1.sock") == is_in_home
    assert is_in_home or f"/senses-{os.getuid()}/" in path
