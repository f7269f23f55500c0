"""The one process that owns everything: settings, runtime, MCP over the socket, HTTP. Started by a shim or by people."""

import argparse
import gc
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Protocol

import anyio
from starlette.types import ASGIApp

from mcp_server.client_setup.snippets import clients, installed
from mcp_server.daemon.http_server import WebServer, address, artifact_routes, bind, is_local, mcp_routes
from mcp_server.daemon.lock import AlreadyRunning, Facts, hold, write_facts
from mcp_server.daemon.socket_server import Door, newer
from mcp_server.files.artifacts import ArtifactStore
from mcp_server.files.retention import keep_house
from mcp_server.launcher.paths import VERSION, Places, own_folder
from mcp_server.server import SensesServer, create_server
from model_runtime.errors import SensesError
from model_runtime.service import Service
from model_runtime.settings import Settings, SettingsError, load_settings
from model_runtime.status import ModelState

logger = logging.getLogger(__name__)

IDLE_EXIT_SECONDS = 1800.0
IDLE_CHECK_SECONDS = 15.0
DRAIN_SECONDS = 2.0
"""How long running work may go on after the first signal."""
FAREWELL_SECONDS = 4.5
"""After this the process leaves whatever still hangs; the workers end with it."""
LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


class ClosableService(Service, Protocol):
    """A runtime that can be closed."""

    async def close(self, grace_seconds: float) -> None:
        """Refuse new work, let running work go on for a while, cancel the rest and stop every worker."""
        ...


OpenService = Callable[[Settings], AbstractAsyncContextManager[ClosableService]]


def main(open_service: OpenService | None = None) -> None:
    """Run as the daemon that a shim starts: silent, in the background, gone when idle."""
    parser = argparse.ArgumentParser(prog="python -m mcp_server.daemon", description=__doc__)
    parser.add_argument("--ready-fd", type=int, default=-1, help="write R here when ready, L if another daemon lives")
    ready_fd = parser.parse_args().ready_fd
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT, stream=sys.stderr)
    try:
        settings = load_settings(os.environ)
        run(settings, auto=True, open_service=open_service, on_ready=lambda facts: _say(ready_fd, b"R"))
    except AlreadyRunning:
        _say(ready_fd, b"L")
        sys.exit(3)
    except SensesError as error:
        logger.error("%s", error.message)
        sys.exit(2)


def run(
    settings: Settings,
    *,
    auto: bool,
    on_ready: Callable[[Facts], None],
    open_service: OpenService | None = None,
    idle_exit_seconds: float = IDLE_EXIT_SECONDS,
) -> None:
    """Serve until a signal, or until idle where `auto`; `on_ready` hears where.

    Raises:
        AlreadyRunning: another daemon of this instance lives.
        SettingsError: the HTTP port is taken and `auto` is false, or a setting cannot be used.
    """
    places = Places(os.environ)
    for folder in (places.run, places.logs, os.path.dirname(places.socket)):  # noqa: PTH120
        own_folder(folder)
    lock = hold(places.life_lock)
    os.chdir("/")
    try:
        daemon = Daemon(settings, places, auto=auto, on_ready=on_ready, idle_exit_seconds=idle_exit_seconds)
        anyio.run(daemon.live, open_service or _open_runtime)
    finally:
        with suppress(FileNotFoundError):
            os.unlink(places.facts)  # noqa: PTH108
        os.close(lock)


class Daemon:
    """Starts all parts in order and stops them in the other order."""

    def __init__(
        self,
        settings: Settings,
        places: Places,
        *,
        auto: bool,
        on_ready: Callable[[Facts], None],
        idle_exit_seconds: float = IDLE_EXIT_SECONDS,
    ) -> None:
        self._settings = settings
        self._places = places
        self._auto = auto
        self._on_ready = on_ready
        self._idle_exit_seconds = idle_exit_seconds
        self._leaving = anyio.Event()

    async def live(self, open_service: OpenService) -> None:
        """Serve until told to leave."""
        sockets = self.bind()
        url = address(self._settings.host, sockets[0].getsockname()[1])
        artifacts = ArtifactStore(self._settings.folders.artifacts)
        async with open_service(self._settings) as service, anyio.create_task_group() as tasks:
            tasks.start_soon(self._listen_for_signals)
            server = create_server(service, self._settings, artifacts, tasks, address=url)
            web = WebServer(_application(service, self._settings, artifacts, server), sockets)
            door = Door(server, self._places.socket, lambda version: self._makes_way(version, server, door))
            tasks.start_soon(web.run_until_stopped)
            await web.ready.wait()
            await door.open()
            tasks.start_soon(door.serve)
            tasks.start_soon(keep_house, self._settings)
            spare_the_collector()
            self._announce(url)
            if self._auto:
                tasks.start_soon(self._leave_when_idle, server, door, web)
            await self._leaving.wait()
            await self._stop(door, web, service)
            tasks.cancel_scope.cancel()

    def leave(self) -> None:
        """Stop as on a signal."""
        self._leaving.set()

    def bind(self) -> list[socket.socket]:
        """Open the HTTP port: the one of the settings, or a free one where a shim started us; raises `SettingsError`."""
        settings = self._settings
        if not is_local(settings.host) and not settings.api_key:
            raise SettingsError(
                f"host is {settings.host!r}, which others can reach; set api_key in config.toml first, or use 127.0.0.1."
            )
        try:
            return bind(settings.host, settings.port)
        except SettingsError as error:
            if not self._auto:
                raise
            logger.warning("%s Taking a free port instead.", error.message)
            return bind(settings.host, 0)

    def _announce(self, url: str) -> None:
        facts = Facts(os.getpid(), VERSION, url, self._auto, time.time())
        write_facts(self._places, facts)
        logger.info("Senses %s serves %s and %s", VERSION, url, self._places.socket)
        self._on_ready(facts)

    async def _stop(self, door: Door, web: WebServer, service: ClosableService) -> None:
        """Take the socket away first, answer everyone, then end the workers."""
        with anyio.move_on_after(FAREWELL_SECONDS, shield=True) as limit:
            await door.close()
            web.stop()
            await service.close(DRAIN_SECONDS)
            await web.ended.wait()
        if limit.cancelled_caught:
            logger.warning("Not everything ended within %.1f s; leaving anyway", FAREWELL_SECONDS)
            os._exit(1)

    async def _listen_for_signals(self) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as signals:
            async for number in signals:
                if self._leaving.is_set():
                    os._exit(128 + number)
                logger.info("Stopping on %s; once more stops at once", number.name)
                self._leaving.set()

    def _makes_way(self, version: str, server: SensesServer, door: Door) -> bool:
        """Leave for a newer client where nothing is going on; a busy daemon serves it as it is."""
        working = door.connections > 1 or server.desk.jobs.running or server.desk.service.status().jobs
        if not self._auto or not newer(version, VERSION) or working:
            return False
        logger.info("Making way for Senses %s", version)
        self._leaving.set()
        return True

    async def _leave_when_idle(self, server: SensesServer, door: Door, web: WebServer) -> None:
        idle_since = time.monotonic()
        while time.monotonic() - idle_since < self._idle_exit_seconds:
            await anyio.sleep(min(IDLE_CHECK_SECONDS, self._idle_exit_seconds / 4))
            if door.connections or web.server_state.connections or is_busy(server):
                idle_since = time.monotonic()
        logger.info("Nothing to do for %.0f s; leaving", self._idle_exit_seconds)
        self._leaving.set()


def spare_the_collector() -> None:
    """Take what there is now, libraries mostly, for living as long as the process.

    A full collection then looks at what calls leave behind: it takes 2 ms instead of 60, in which nobody is answered.
    """
    gc.collect()
    gc.freeze()


def is_busy(server: SensesServer) -> bool:
    """Whether a job runs, a request waits or a model is in memory."""
    status = server.desk.service.status()
    loaded = any(model.state not in (ModelState.ABSENT, ModelState.BACKOFF) for model in status.models)
    return loaded or bool(status.jobs) or server.desk.jobs.running > 0


@asynccontextmanager
async def _open_runtime(settings: Settings) -> AsyncGenerator[ClosableService]:
    from model_runtime.catalog.catalog import open_catalog
    from model_runtime.hub.cache import HubCache, hub_folder
    from model_runtime.runtime import Runtime

    catalog = open_catalog(settings, HubCache(hub_folder(os.environ)))
    async with Runtime(catalog, settings, version=VERSION) as runtime:
        yield runtime


def _application(service: Service, settings: Settings, artifacts: ArtifactStore, server: SensesServer) -> ASGIApp:
    from openai_compat.app import create_app

    routes = [*mcp_routes(server), *artifact_routes(artifacts)]
    contexts = [server.session_manager.run]
    return create_app(
        service,
        settings,
        artifacts=artifacts,
        clients=lambda: clients(installed(settings)),
        extra_routes=routes,
        contexts=contexts,
    )


def _say(descriptor: int, byte: bytes) -> None:
    """Tell the shim that waits; it may be gone."""
    if descriptor >= 0:
        with suppress(OSError):
            os.write(descriptor, byte)
            os.close(descriptor)
