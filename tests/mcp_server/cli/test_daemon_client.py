"""How the command line finds the daemon, and asks it directly, whatever proxy the system has."""

import json
import threading
import urllib.request
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mcp_server.cli import api as api_module
from mcp_server.cli.api import DaemonApi, RequestFailed, open_api
from mcp_server.cli.daemon_client import DaemonNotRunning, running_daemon
from mcp_server.launcher.connect import DaemonUnreachable
from mcp_server.launcher.paths import InstancePaths
from model_runtime.settings import Settings

PROXY = "http://127.0.0.1:9"
"""The discard port: nothing answers there."""


class Answer(BaseHTTPRequestHandler):
    """Answers each request with the key that it has; one for a text, with a text."""

    def do_GET(self) -> None:
        """Answer."""
        key = json.dumps({"key": self.headers.get("authorization", "")})
        body = b"It works!" if self.path == "/text" else key.encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the name of the standard library
        """Print nothing."""


@pytest.fixture
def url() -> Generator[str]:
    """A server on this machine."""
    with HTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.promise("reliability:no-proxy")
def test_a_proxy_of_the_system_is_not_asked_for_the_daemon(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Mac `getproxies` reads the network settings, and `proxy_bypass` their list of exceptions."""
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"http": PROXY})
    monkeypatch.setattr(urllib.request, "proxy_bypass", lambda host, proxies=None: False)
    monkeypatch.setenv("http_proxy", PROXY)

    with DaemonApi(url, "secret") as api:
        assert api.get("/") == {"key": "Bearer secret"}


def test_a_daemon_that_does_not_answer_or_not_in_json_is_reported(url: str) -> None:
    for address, path in ((PROXY, "/"), (url, "/text")):
        with DaemonApi(address, "") as api, pytest.raises(RequestFailed, match="`senses logs` shows why"):
            api.get(path)


def test_why_no_daemon_can_be_started_is_told_in_the_words_of_the_shim(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors = [OSError(30, "Read-only file system", "/run/senses"), DaemonUnreachable("it is broken.")]
    monkeypatch.setattr(api_module, "connect_or_start", lambda *arguments: (_ for _ in ()).throw(errors.pop()))

    for sentence in ("it is broken.", "/run/senses cannot be used: Read-only file system. Make room"):
        with pytest.raises(DaemonNotRunning, match=f"Senses cannot be started: {sentence}"), open_api(settings, {}):
            pass


def test_where_no_daemon_runs_the_two_ways_to_start_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(DaemonNotRunning) as missing:
        running_daemon(InstancePaths({"SENSES_HOME": str(tmp_path)}))

    assert missing.value.code == "not_running"
    assert "`senses serve` starts it in this terminal" in missing.value.message


def test_a_request_has_a_key_only_where_one_is_set_and_ten_seconds_for_its_answer(url: str) -> None:
    with DaemonApi(url, "") as api:
        assert api.get("/") == {"key": ""}
    assert api_module.REPLY_TIMEOUT_SECONDS == 10
