"""The daemon: one process with the model runtime, MCP over a socket, and HTTP. A shim or `senses serve` starts it."""

import argparse
import gc
import logging
import os
import secrets
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext, suppress
from dataclasses import KW_ONLY, dataclass, field
from functools import partial
from pathlib import Path

import anyio
from anyio.abc import TaskGroup
from starlette.types import ASGIApp

from mcp_server.client_setup.snippets import client_snippets, installed_commands
from mcp_server.daemon.background_tasks import background_tasks
from mcp_server.daemon.descriptors import DescriptorReserve, raise_descriptor_limit
from mcp_server.daemon.http_server import HttpServer, artifact_routes, base_url, bind_sockets, is_loopback, mcp_routes
from mcp_server.daemon.lifetime import IDLE_EXIT_SECONDS, Lifetime, is_working
from mcp_server.daemon.live_settings import LiveSettings
from mcp_server.daemon.lock import AlreadyRunning, DaemonInfo, InstanceUnusable, lock_if_possible, write_daemon_info
from mcp_server.daemon.log_file import logging_to_file
from mcp_server.daemon.model_storage import ModelStorage
from mcp_server.daemon.service_manager import notify
from mcp_server.daemon.socket_server import SocketServer
from mcp_server.daemon.tls import server_context
from mcp_server.files.artifacts import ArtifactStore
from mcp_server.files.client import ClientConnection
from mcp_server.files.connected_clients import ClientList
from mcp_server.files.folder_requests import FolderControl
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

logger = logging.getLogger(__name__)

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
        with (
            nullcontext() if auto else logging_to_file(Path(paths.log_file))
        ):  # a shim has opened the log for its daemon
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
    _lifetime: Lifetime = field(init=False)

    def __post_init__(self) -> None:
        self._lifetime = Lifetime(auto=self.auto, idle_exit_seconds=self.idle_exit_seconds)

    async def serve(self, open_service: ServiceFactory) -> None:
        """Serve until `stop`, a signal, idle time or a newer client ends it.

        Raises:
            SettingsError: the HTTP port cannot be opened, or a setting cannot be used.
        """
        reserve = DescriptorReserve(raise_descriptor_limit())
        tls = server_context(self.settings)
        sockets = self.bind_http()
        http_origin = base_url(self.settings.host, sockets[0].getsockname()[1], "https" if tls else "http")
        async with (
            AsyncExitStack() as stack,
            open_service(self.settings) as service,
            anyio.create_task_group() as task_group,
        ):
            artifacts = ArtifactStore(self.settings.folders.artifacts, problems=service.problems)
            task_group.start_soon(self._lifetime.listen_for_signals)
            over_http = ClientConnection(over_http=True)
            server = create_server(
                service, self.settings, artifacts, task_group, http_origin=http_origin, client=over_http
            )
            problems = service.problems
            live_settings = LiveSettings(self.settings, os.environ, service.apply, problems)
            app = _create_http_app(service, live_settings, artifacts, server, task_group)
            await anyio.to_thread.run_sync(server.open_records)
            http_server = HttpServer(app, sockets, reserve, problems, tls)
            socket_server = SocketServer(
                server,
                self.paths.socket_path,
                reserve,
                problems,
                lambda version: self._lifetime.yield_to(version, server),
                server.app_context.clients.connected,
            )
            task_group.start_soon(http_server.run_until_stopped)
            await http_server.ready.wait()
            tasks = background_tasks(live_settings, problems, partial(is_working, server))
            for name, task in tasks.items():
                task_group.start_soon(keep_running, name, task, problems)
            await anyio.to_thread.run_sync(make_inbox, self.settings.folders.inbox)
            await check_storage(self.settings.folders.artifacts, problems)
            freeze_gc_heap()
            # the address before a client that has connected reads it, and both last: who starts a daemon gives up if it
            # ends before it is ready, and who finds its address takes it for ready
            info = self._write_info(http_origin, problems)
            if await self._listen(socket_server, problems):
                stack.push_async_callback(socket_server.stop_listening)
                task_group.start_soon(socket_server.serve)
            logger.info("Senses %s serves at %s and %s", VERSION, http_origin, self.paths.socket_path)
            self.on_ready(info)
            notify("READY=1", os.environ)
            if self.auto:
                count_connections = partial(_count_connections, socket_server, http_server)
                idle_check = partial(self._lifetime.stop_when_idle, server, count_connections)
                task_group.start_soon(keep_running, "idle check", idle_check, problems)
                task_group.start_soon(keep_running, "drain", partial(self._lifetime.stop_for_newer, server), problems)
            await self._lifetime.stop_requested.wait()
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
        self._lifetime.stop_requested.set()

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

    def _write_info(self, url: str, problems: Problems) -> DaemonInfo:
        info = DaemonInfo(os.getpid(), VERSION, url, self.auto, time.time())
        try:
            write_daemon_info(self.paths, info)
        except OSError as error:
            text = f"`senses status` and `senses stop` do not find Senses: {self.paths.daemon_json}: {error.strerror}."
            problems.report("daemon.json", text)
        return info

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
            os._exit(0)  # it was told to end; a service manager would start again what ends otherwise


def _count_connections(socket_server: SocketServer, http_server: HttpServer) -> int:
    return socket_server.connection_count + len(http_server.server_state.connections)


def freeze_gc_heap() -> None:
    """Exclude the objects that exist now, most of them of libraries, from garbage collection.

    A full collection then takes 2 ms instead of 60; no client is answered meanwhile.
    """
    gc.collect()
    gc.freeze()


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


def _create_http_app(
    service: Service, live_settings: LiveSettings, artifacts: ArtifactStore, server: SensesServer, task_group: TaskGroup
) -> ASGIApp:
    from openai_compat.app import create_app

    settings = live_settings.current
    routes = [*mcp_routes(server), *artifact_routes(artifacts)]
    contexts = [server.session_manager.run]
    return create_app(
        service,
        settings,
        artifacts=artifacts,
        client_snippets=lambda: client_snippets(installed_commands(settings)),
        folders=FolderControl(FolderGrantStore(settings.folders), server.app_context.folder_requests),
        clients=ClientList(server.app_context.clients, settings),
        live_settings=live_settings,
        model_files=ModelStorage(service, settings, server.app_context.download, task_group),
        extra_routes=routes,
        contexts=contexts,
    )


def _write_startup_byte(descriptor: int, byte: bytes) -> None:
    """Report the start to the shim that waits on `--ready-fd`."""
    if descriptor >= 0:
        with suppress(OSError):  # the shim may have exited
            os.write(descriptor, byte)
            os.close(descriptor)
