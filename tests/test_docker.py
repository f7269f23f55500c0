"""The Dockerfile: what it copies, sets and starts exists, and its health check tells a healthy daemon from none."""

import json
import re
import subprocess
import sys
import threading
import tomllib
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from model_runtime.settings.table import SETTINGS

ROOT = Path(__file__).parent.parent
LINES = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()
HEALTH = "http://127.0.0.1:7367/health"


def instructions(name: str) -> list[str]:
    """What follows each instruction of this name."""
    return [line.removeprefix(f"{name} ") for line in LINES if line.startswith(f"{name} ")]


@pytest.fixture
def healthy() -> Generator[str]:
    """Serve 200 at /health, and return its URL."""

    class Healthy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/health" else 404)
            self.end_headers()

        def log_message(self, *_arguments: object) -> None: ...

    with HTTPServer(("127.0.0.1", 0), Healthy) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/health"
        server.shutdown()
        thread.join()


@pytest.mark.promise("packaging:docker")
def test_it_copies_what_the_package_is_built_of_and_no_more() -> None:
    copied = [word for words in instructions("COPY") for word in words.split()[:-1]]
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]

    assert [name for name in copied if not (ROOT / name).exists()] == []
    assert sorted(f"!{name}" for name in copied) == sorted(line for line in allowed if line.startswith("!"))
    assert {"pyproject.toml", project["readme"]} <= set(copied)


def test_no_link_of_the_package_leads_to_what_it_does_not_copy() -> None:
    copied = [ROOT / word for words in instructions("COPY") for word in words.split()[:-1]]
    links = [path for folder in copied if folder.is_dir() for path in folder.rglob("*") if path.is_symlink()]

    assert links
    assert all(any(link.resolve().is_relative_to(place) for place in copied) for link in links)


def test_it_installs_as_make_does_and_starts_a_command_that_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    (command,) = [line for line in instructions("CMD")]
    installer = re.search(r"'(uv[^']+)'", (ROOT / "Makefile").read_text(encoding="utf-8"))

    assert installer
    assert any(installer[0] in line for line in instructions("RUN"))
    assert json.loads(command)[0] in project["scripts"]


def test_its_variables_are_settings() -> None:
    names = [pair.partition("=")[0] for line in instructions("ENV") for pair in line.split()]

    assert {name for name in names if name.startswith("SENSES_")} <= {
        *(setting.variable for setting in SETTINGS.values()),
        "SENSES_HOME",
    }


@pytest.mark.process
def test_its_health_check_fails_without_a_daemon_and_passes_with_one(healthy: str) -> None:
    (check,) = [line.partition("CMD ")[2] for line in instructions("HEALTHCHECK")]
    _python, *arguments = json.loads(check)
    assert HEALTH in arguments[-1]

    codes = [
        subprocess.run(
            [sys.executable, *arguments[:-1], arguments[-1].replace(HEALTH, url)],
            stderr=subprocess.DEVNULL,
            check=False,
        ).returncode
        for url in (healthy, healthy + "/missing")
    ]

    assert codes == [0, 1]
