"""Nothing that was tuned for Linux reaches a worker of a Mac: not by its environment, its arguments or its libraries."""

import ctypes
import os
import sys
from typing import Any

import pytest

from mcp_server.launcher.paths import InstancePaths
from model_runtime.engines.blas import load_fast_blas
from model_runtime.process.spawn import spawn_worker
from model_runtime.worker.__main__ import ENVIRONMENT, die_with_parent

LINUX_TUNING = ("LD_", "DYLD_", "OPENBLAS_", "OMP_", "MKL_", "VECLIB_", "MALLOC_", "GLIBC_", "MLX_")
"""Beginnings of variables that load libraries, or change threads, allocator or MLX."""

pytestmark = pytest.mark.usefixtures("mac")


@pytest.fixture
def environ(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of a daemon that an app started, and nothing else."""
    environ = {"HOME": "/Users/ada", "PATH": "/usr/bin:/bin", "TMPDIR": "/var/folders/xx/T/"}
    monkeypatch.setattr(os, "environ", environ)
    return environ


@pytest.fixture
def spawned(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the system is asked to start."""
    request: dict[str, Any] = {}

    def posix_spawn(program: str, arguments: list[str], environment: dict[str, str], **options: Any) -> int:
        request.update(options, program=program, arguments=arguments, environment=environment)
        return 4711

    monkeypatch.setattr(os, "posix_spawn", posix_spawn)
    worker = spawn_worker("vlm-best")
    worker.socket.close()
    os.close(worker.log)
    return request


@pytest.mark.promise("macos:untuned")
def test_a_worker_is_spawned_with_the_daemons_environment_and_no_tuning(
    spawned: dict[str, Any], environ: dict[str, str]
) -> None:
    added = set(spawned["environment"]) - set(environ)

    assert added == {"PYTHONPATH"}
    assert spawned["arguments"] == [sys.executable, "-u", "-P", "-m", "model_runtime.worker", "vlm-best"]


def test_a_worker_is_spawned_by_options_that_macos_has(spawned: dict[str, Any]) -> None:
    options = set(spawned) - {"program", "arguments", "environment"}

    assert options == {"file_actions", "setpgroup", "setsigmask", "setsigdef"}  # no `setsid`, no scheduler: spawn.h


@pytest.mark.promise("macos:untuned")
def test_a_worker_sets_nothing_for_libraries_of_linux() -> None:
    assert [name for name in ENVIRONMENT if name.startswith(LINUX_TUNING)] == []


@pytest.mark.promise("macos:untuned")
def test_a_worker_loads_no_blas_and_limits_no_threads(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    before = dict(environ)
    monkeypatch.setattr(ctypes, "CDLL", refuse)
    monkeypatch.delitem(sys.modules, "mlx.core", raising=False)

    assert load_fast_blas() == ""
    assert environ == before


@pytest.mark.promise("macos:untuned")
def test_a_worker_asks_for_no_signal_that_only_linux_sends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", refuse)

    die_with_parent()


def test_no_folder_of_linux_is_used(environ: dict[str, str]) -> None:
    paths = InstancePaths(environ)

    assert all("/Library/" in folder for folder in (paths.run_folder, paths.logs_folder))


def refuse(name: object, mode: int = 0) -> None:
    """Stand in for the loading of a library."""
    raise AssertionError(f"{name} is loaded")
