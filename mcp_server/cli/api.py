"""The daemon's HTTP API, as the commands of the terminal call it. The connection of a command keeps its daemon awake.

The end of a command closes its connections, by which the daemon cancels what it still does for it.
"""

import json
import ssl
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Self

import httpx2

from mcp_server.cli.daemon_client import DaemonNotRunning, running_daemon
from mcp_server.daemon.tls import client_context
from mcp_server.launcher.connect import DaemonUnreachable, connect_or_start
from mcp_server.launcher.paths import VERSION, InstancePaths
from mcp_server.launcher.relay import reason
from mcp_server.launcher.shim import encode_handshake
from model_runtime.errors import SensesError
from model_runtime.settings import Settings

CLIENT = "senses"
"""The name of this client in the status."""
TIMEOUT = httpx2.Timeout(10, read=None)
"""Seconds. The daemon ends what hangs, so an answer may take as long as a model works."""
REPLY_TIMEOUT_SECONDS = 10.0
"""For what needs no model."""


class RequestFailed(SensesError):
    """The daemon refused a request or failed at it; the message is the daemon's."""

    code = "request_failed"


@contextmanager
def open_api(settings: Settings, environ: Mapping[str, str]) -> Generator["DaemonApi"]:
    """Connect to the daemon, start it if none runs, and yield its API.

    Raises:
        DaemonNotRunning: it cannot be started.
    """
    try:
        connection = connect_or_start(InstancePaths(environ), encode_handshake(environ, []))
    except (DaemonUnreachable, OSError) as error:
        raise DaemonNotRunning(f"Senses cannot be started: {reason(error)}") from error
    with connection, running_api(settings, environ) as api:
        yield api


def running_api(settings: Settings, environ: Mapping[str, str]) -> "DaemonApi":
    """Return the API of the daemon that runs.

    Raises:
        DaemonNotRunning: none runs.
    """
    return api_at(running_daemon(InstancePaths(environ)).url, settings)


def api_at(url: str, settings: Settings) -> "DaemonApi":
    """Return the API of the daemon at a URL, with the key of the settings.

    Raises:
        SettingsError: the certificate that the daemon must have cannot be read.
    """
    return DaemonApi(url, settings.api_key, verify=verification(url, settings))


class DaemonApi:
    """Requests to a daemon at `url`. No proxy is asked for an address of this machine."""

    def __init__(self, url: str, api_key: str, *, verify: ssl.SSLContext | bool = True) -> None:
        """`verify` says how the certificate of the daemon is checked, as httpx takes it."""
        key = {"authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx2.Client(
            base_url=url,
            headers={"user-agent": f"{CLIENT}/{VERSION}"} | key,
            timeout=TIMEOUT,
            trust_env=False,
            verify=verify,
        )

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Close the connections."""
        self._http.close()

    def get(self, path: str) -> dict[str, Any]:
        """Return the JSON object at a path.

        Raises:
            RequestFailed: the daemon answers with an error, or not at all.
        """
        return self._json("GET", path, timeout=REPLY_TIMEOUT_SECONDS)

    def post(self, path: str, **request: Any) -> dict[str, Any]:
        """Send a request, with httpx's arguments for its body, and return the JSON object that answers it.

        Raises:
            RequestFailed: the daemon answers with an error, or not at all.
        """
        return self._json("POST", path, **request)

    @contextmanager
    def stream(self, path: str, **request: Any) -> Generator[httpx2.Response]:
        """Send a request and yield its answer as soon as it begins.

        Raises:
            RequestFailed: the daemon answers with an error, or the answer ends in its middle.
        """
        with failures(), self._http.stream("POST", path, **request) as response:
            if response.is_error:
                response.read()
                raise RequestFailed(error_text(response))
            yield response

    def events(self, path: str, **request: Any) -> Generator[dict[str, Any]]:
        """Send a request and yield the server-sent events of its answer as they come.

        Raises:
            RequestFailed: the daemon answers with an error, or an event is one.
        """
        with self.stream(path, **request) as response:
            for line in response.iter_lines():
                if not line.startswith("data: {"):
                    continue
                event: dict[str, Any] = json.loads(line.removeprefix("data: "))
                if error := event.get("error"):
                    raise RequestFailed(str(error["message"]))
                yield event

    def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        with failures():
            response = self._http.request(method, path, **request)
            if response.is_error:
                raise RequestFailed(error_text(response))
            document: dict[str, Any] = response.json()
        return document


def verification(url: str, settings: Settings) -> ssl.SSLContext | bool:
    """Return how httpx checks the server at a URL of this machine.

    Raises:
        SettingsError: the certificate cannot be read.
    """
    return client_context(settings.tls_cert) if url.startswith("https:") and settings.tls_cert else True


@contextmanager
def failures() -> Generator[None]:
    """Turn an error of the connection, or an answer that is no JSON, into a sentence.

    Raises:
        RequestFailed: there was one.
    """
    try:
        yield
    except (httpx2.HTTPError, json.JSONDecodeError) as error:
        raise RequestFailed(
            f"Senses did not finish its answer: {error}. `senses logs` shows why; `senses stop` stops it."
        ) from error


def error_text(response: httpx2.Response) -> str:
    """Return the daemon's sentence of an answer that is an error."""
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return f"Senses answered with HTTP {response.status_code}."
