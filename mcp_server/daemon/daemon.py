"""The daemon: one process with the model runtime, MCP over a socket, and HTTP. A shim or `senses serve` starts it."""

import argparse
import gc
import logging
import os
import secrets
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import KW_ONLY, dataclass, field
from functools import partial

import anyio
from starlette.types import ASGIApp

from mcp_server.client_setup.snippets import client_snippets, installed_commands
from mcp_server.daemon.background_tasks import background_tasks
from mcp_server.daemon.descriptors import DescriptorReserve, raise_descriptor_limit
from mcp_server.daemon.http_server import HttpServer, artifact_routes, base_url, bind_sockets, is_loopback, mcp_routes
from mcp_server.daemon.lock import AlreadyRunning, DaemonInfo, InstanceUnusable, lock_if_possible, write_daemon_info
from mcp_server.daemon.service_manager import notify
from mcp_server.daemon.socket_server import SocketServer, is_newer
from mcp_server.files.artifacts import ArtifactStore
from mcp_server.files.client import ClientConnection
from mcp_server.files.folder_requests import FolderConsents
from mcp_server.files.grants import FolderGrantStore
from mcp_server.files.storage import check_storage, make_inbox
from mcp_server.launcher.paths import VERSION, InstancePaths
from mcp_server.server import SensesServer, create_server
from model_runtime.background import keep_running
from model_runtime.errors import SensesError, expected_error
from model_runtime.log_format import configure_logging
from model_runtime.problems import Problems
from model_runtime.service import Service
from model_runtime.settings import Settings, SettingsError, load_settings
from model_runtime.status import ModelState

logger = logging.getLogger(__name__)

IDLE_EXIT_SECONDS = 1800.0
IDLE_CHECK_SECONDS = 15.0
DRAIN_CHECK_SECONDS = 0.25
"""How often a daemon that a newer client waits for looks whether its work is done."""
DRAIN_TIMEOUT_SECONDS = 2.0
"""How long running requests may continue after the first signal."""
SHUTDOWN_TIMEOUT_SECONDS = 4.5
"""After this the process exits in any case; the workers end with it."""
MAX_FIRST_REQUEST_ID = 1_000_000


ServiceFactory = Callable[[Settings], AbstractAsyncContextManager[Service]]


def main(open_service: ServiceFactory | None = None) -> None:
    """Run the daemon that a shim starts: in the background, until it is idle."""
    parser = argparse.ArgumentParser(prog="python -m mcp_server.daemon", description=__doc__)
    parser.add_argument(
        "--ready-fd",
        type=int,
        default=-1,
        help="write R here when ready, L if another daemon is running, E and the reason after a failure",
    )
    ready_fd = parser.parse_args().ready_fd
    configure_logging()
    try:
        settings = load_settings(os.environ)
        run(settings, auto=True, open_service=open_service, on_ready=lambda info: _write_startup_byte(ready_fd, b"R"))
    except AlreadyRunning:
        _write_startup_byte(ready_fd, b"L")
        sys.exit(3)
    except SensesError as error:
        logger.error("%s", error.message)
        _write_startup_byte(ready_fd, b"E" + error.message.encode())
        sys.exit(2)


def run(
    settings: Settings,
    *,
    auto: bool,
    on_ready: Callable[[DaemonInfo], None],
    open_service: ServiceFactory | None = None,
    idle_exit_seconds: float = IDLE_EXIT_SECONDS,
) -> None:
    """Serve until a signal arrives or, with `auto`, until the daemon is idle; call `on_ready(info)` once it serves.

    Raises:
        AlreadyRunning: another daemon of this instance is running.
        InstanceUnusable: the folder of the socket cannot be used, and `auto` is true.
        SettingsError: the HTTP port is in use and `auto` is false, or a setting cannot be used.
    """
    paths = InstancePaths(os.environ)
    lock = lock_if_possible(paths, is_required=auto)
    os.chdir("/")  # a daemon in the folder that started it would keep that disk from being unmounted
    try:
        daemon = Daemon(settings, paths, auto=auto, on_ready=on_ready, idle_exit_seconds=idle_exit_seconds)
        anyio.run(daemon.serve, open_service or _open_runtime)
    except ExceptionGroup as group:  # the daemon's task group wraps errors
        expected = expected_error(group)
        if expected is None:
            raise
        raise expected from group
    finally:
        with suppress(OSError):
            os.unlink(paths.daemon_json)  # noqa: PTH108
        if lock is not None:
            os.close(lock)


@dataclass(slots=True, eq=False)
class Daemon:
    """Starts runtime, HTTP and socket in this order and stops them in reverse."""

    settings: Settings
    paths: InstancePaths
    _: KW_ONLY
    auto: bool
    on_ready: Callable[[DaemonInfo], None]
    idle_exit_seconds: float = IDLE_EXIT_SECONDS
    _stop_requested: anyio.Event = field(default_factory=anyio.Event, init=False)
    _newer_waits: anyio.Event = field(default_factory=anyio.Event, init=False)

    async def serve(self, open_service: ServiceFactory) -> None:
        """Serve until `stop`, a signal, idle time or a newer client ends it.

        Raises:
            SettingsError: the HTTP port cannot be opened, or a setting cannot be used.
        """
        reserve = DescriptorReserve(raise_descriptor_limit())
        sockets = self.bind_http()
        http_origin = base_url(self.settings.host, sockets[0].getsockname()[1])
        async with open_service(self.settings) as service, anyio.create_task_group() as task_group:
            artifacts = ArtifactStore(self.settings.folders.artifacts, problems=service.problems)
            task_group.start_soon(self._listen_for_signals)
            over_http = ClientConnection(over_http=True)
            server = create_server(
                service, self.settings, artifacts, task_group, http_origin=http_origin, client=over_http
            )
            app, problems = _create_http_app(service, self.settings, artifacts, server), service.problems
            await anyio.to_thread.run_sync(server.open_records)
            http_server = HttpServer(app, sockets, reserve, problems)
            socket_server = SocketServer(
                server,
                self.paths.socket_path,
                reserve,
                problems,
                lambda version: self._yield_to(version, server),
            )
            task_group.start_soon(http_server.run_until_stopped)
            await http_server.ready.wait()
            if await self._listen(socket_server, problems):
                task_group.start_soon(socket_server.serve)
            tasks = background_tasks(self.settings, problems, partial(is_working, server))
            for name, task in tasks.items():
                task_group.start_soon(keep_running, name, task, problems)
            await anyio.to_thread.run_sync(make_inbox, self.settings.folders.inbox)
            await check_storage(self.settings.folders.artifacts, problems)
            freeze_gc_heap()
            self._announce_ready(http_origin, problems)
            if self.auto:
                idle_check = partial(self._stop_when_idle, server, socket_server, http_server)
                task_group.start_soon(keep_running, "idle check", idle_check, problems)
                task_group.start_soon(keep_running, "drain", partial(self._stop_for_newer, server), problems)
            await self._stop_requested.wait()
            await self._shut_down(socket_server, http_server, service)
            artifacts.close()
            task_group.cancel_scope.cancel()

    async def _listen(self, socket_server: SocketServer, problems: Problems) -> bool:
        """Listen for shims. Return False if that is impossible and HTTP alone is of use.

        Raises:
            InstanceUnusable: it is impossible, and a shim waits for this daemon.
        """
        try:
            await socket_server.listen()
        except OSError as error:
            unusable = InstanceUnusable(self.paths.socket_path, error)
            if self.auto:
                raise unusable from error
            problems.report("socket", f"Only HTTP is served; MCP clients cannot start. {unusable.message}")
            return False
        return True

    def stop(self) -> None:
        """Stop as after a signal."""
        self._stop_requested.set()

    def bind_http(self) -> list[socket.socket]:
        """Open the HTTP port of the settings; with `auto` any free port if that one is in use.

        Raises:
            SettingsError: other machines could reach the host without a key, or the port cannot be opened.
        """
        settings = self.settings
        if not is_loopback(settings.host) and not settings.api_key:
            raise SettingsError(
                f"host is {settings.host!r}, which other machines can reach without a key. "
                "Set api_key in config.toml, or use host 127.0.0.1."
            )
        try:
            return bind_sockets(settings.host, settings.port)
        except SettingsError as error:
            if not self.auto:
                raise
            logger.warning("%s Using a free port instead.", error.message)
            return bind_sockets(settings.host, 0)

    def _announce_ready(self, url: str, problems: Problems) -> None:
        info = DaemonInfo(os.getpid(), VERSION, url, self.auto, time.time())
        try:
            write_daemon_info(self.paths, info)
        except OSError as error:
            text = f"`senses status` and `senses stop` do not find Senses: {self.paths.daemon_json}: {error.strerror}."
            problems.report("daemon.json", text)
        logger.info("Senses %s serves at %s and %s", VERSION, url, self.paths.socket_path)
        self.on_ready(info)
        notify("READY=1", os.environ)

    async def _shut_down(self, socket_server: SocketServer, http_server: HttpServer, service: Service) -> None:
        """Remove the socket, so that new clients start another daemon, then end HTTP and the workers."""
        notify("STOPPING=1", os.environ)
        with anyio.move_on_after(SHUTDOWN_TIMEOUT_SECONDS, shield=True) as timeout:
            await socket_server.close()
            http_server.stop()
            await service.close(DRAIN_TIMEOUT_SECONDS)
            await http_server.stopped.wait()
        if timeout.cancelled_caught:
            logger.warning("Shutdown did not finish within %.1f s; exiting", SHUTDOWN_TIMEOUT_SECONDS)
            os._exit(1)

    async def _listen_for_signals(self) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for number in signals:
                if self._stop_requested.is_set():
                    os._exit(128 + number)
                logger.info("Stopping on %s; a second signal stops at once", number.name)
                self._stop_requested.set()

    def _yield_to(self, version: str, server: SensesServer) -> bool:
        """Stop for a newer client, so that it starts the newer daemon; shims of other clients then connect to that one.

        A daemon that works serves that client itself, and stops when the work is done.
        """
        if not self.auto or not is_newer(version, VERSION):
            return False
        self._newer_waits.set()
        if is_working(server):
            return False
        logger.info("Shutting down so that Senses %s can take over", version)
        self._stop_requested.set()
        return True

    async def _stop_for_newer(self, server: SensesServer) -> None:
        await self._newer_waits.wait()
        while is_working(server):  # noqa: ASYNC110 - no event says that both jobs and requests have ended
            await anyio.sleep(DRAIN_CHECK_SECONDS)
        self._stop_requested.set()

    async def _stop_when_idle(self, server: SensesServer, socket_server: SocketServer, http_server: HttpServer) -> None:
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < self.idle_exit_seconds:
            await anyio.sleep(min(IDLE_CHECK_SECONDS, self.idle_exit_seconds / 4))
            if socket_server.connection_count or http_server.server_state.connections or is_busy(server):
                idle_since = time.monotonic()
        logger.info("Idle for %.0f s; exiting", self.idle_exit_seconds)
        self._stop_requested.set()


def freeze_gc_heap() -> None:
    """Exclude the objects that exist now, most of them of libraries, from garbage collection.

    A full collection then takes 2 ms instead of 60; no client is answered meanwhile.
    """
    gc.collect()
    gc.freeze()


def is_working(server: SensesServer) -> bool:
    """Return whether a job or a request runs or waits, or a text is read aloud."""
    app = server.app_context
    return app.jobs.running_count > 0 or app.player.is_playing or bool(app.service.status().jobs)


def is_busy(server: SensesServer) -> bool:
    """Return whether a job runs, a request waits or a model is in memory."""
    models = server.app_context.service.status().models
    return is_working(server) or any(model.state not in (ModelState.ABSENT, ModelState.BACKOFF) for model in models)


@asynccontextmanager
async def _open_runtime(settings: Settings) -> AsyncGenerator[Service]:
    from model_runtime.catalog.catalog import create_catalog
    from model_runtime.hub.cache import HubCache, hub_folder
    from model_runtime.runtime import Runtime

    catalog = create_catalog(settings, HubCache(hub_folder(os.environ)))
    # a stale job_id of an earlier daemon must not name a job of this one
    first_request_id = 1 + secrets.randbelow(MAX_FIRST_REQUEST_ID)
    async with Runtime(catalog, settings, version=VERSION, first_request_id=first_request_id) as runtime:
        yield runtime


def _create_http_app(service: Service, settings: Settings, artifacts: ArtifactStore, server: SensesServer) -> ASGIApp:
    from openai_compat.app import create_app

    routes = [*mcp_routes(server), *artifact_routes(artifacts)]
    contexts = [server.session_manager.run]
    return create_app(
        service,
        settings,
        artifacts=artifacts,
        client_snippets=lambda: client_snippets(installed_commands(settings)),
        folders=FolderConsents(FolderGrantStore(settings.folders), server.app_context.folder_requests),
        extra_routes=routes,
        contexts=contexts,
    )


def _write_startup_byte(descriptor: int, byte: bytes) -> None:
    """Report the start to the shim that waits on `--ready-fd`."""
    if descriptor >= 0:
        with suppress(OSError):  # the shim may have exited
            os.write(descriptor, byte)
            os.close(descriptor)
