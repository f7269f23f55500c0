"""The command line asks the daemon directly, whatever proxy the system has."""

import json
import threading
import urllib.request
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from mcp_server.cli import daemon_client
from mcp_server.cli.daemon_client import DaemonNotRunning, fetch_json, running_daemon
from mcp_server.launcher.paths import InstancePaths

PROXY = "http://127.0.0.1:9"
"""The discard port: nothing answers there."""


class Answer(BaseHTTPRequestHandler):
    """Answers each request with the key that it has."""

    def do_GET(self) -> None:
        """Answer."""
        body = json.dumps({"key": self.headers.get("authorization", "")}).encode()
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
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.promise("reliability:no-proxy")
def test_a_proxy_of_the_system_is_not_asked_for_the_daemon(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a Mac `getproxies` reads the network settings, and `proxy_bypass` their list of exceptions."""
    monkeypatch.setattr(urllib.request, "getproxies", lambda: {"http": PROXY})
    monkeypatch.setattr(urllib.request, "proxy_bypass", lambda host, proxies=None: False)
    monkeypatch.setenv("http_proxy", PROXY)

    assert fetch_json(url, "secret") == {"key": "Bearer secret"}


def test_a_daemon_that_does_not_answer_is_reported() -> None:
    with pytest.raises(DaemonNotRunning, match=r"Senses does not answer at http://127\.0\.0\.1:9"):
        fetch_json(PROXY, "")


def test_where_no_daemon_runs_the_two_ways_to_start_one_are_told(tmp_path: Path) -> None:
    with pytest.raises(DaemonNotRunning) as missing:
        running_daemon(InstancePaths({"SENSES_HOME": str(tmp_path)}))

    assert missing.value.code == "not_running"
    assert "`senses serve` starts it in this terminal" in missing.value.message


def test_a_request_has_a_key_only_where_one_is_set_and_five_seconds_for_its_answer(url: str) -> None:
    assert fetch_json(url, "") == {"key": ""}
    assert daemon_client.REPLY_TIMEOUT_SECONDS == 5
