"""File descriptors of the daemon: raise their limit, keep a reserve, and pause accepting while only it is left."""

import logging
import os
import resource
import sys
from collections.abc import Awaitable, Callable
from typing import TypeVar

import anyio
from anyio.lowlevel import checkpoint

from model_runtime.background import Sleep
from model_runtime.problems import Problems

WANTED_DESCRIPTORS = 8192
MAC_MAX_DESCRIPTORS = 10_240
"""OPEN_MAX: macOS refuses a larger limit although it reports the hard one as unlimited (setrlimit(2))."""
MAX_RESERVE = 64
"""Descriptors that connections never take: workers, files and measurements need them."""
PAUSE_SECONDS = 0.5
PROBLEM = "descriptors"
ACCEPT_PROBLEM = "accept"

logger = logging.getLogger(__name__)
T = TypeVar("T")


def raise_descriptor_limit(wanted: int = WANTED_DESCRIPTORS) -> int:
    """Raise the limit of open descriptors to `wanted`, as far as the system allows, and return the limit now."""
    limit, hard_limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = min(wanted, MAC_MAX_DESCRIPTORS) if sys.platform == "darwin" else wanted
    target = allowed if hard_limit == resource.RLIM_INFINITY else min(allowed, hard_limit)
    if limit == resource.RLIM_INFINITY or limit >= target:
        return allowed if limit == resource.RLIM_INFINITY else limit
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard_limit))
    except (OSError, ValueError) as error:
        logger.warning("At most %d files and connections can be open: the limit cannot be raised: %s", limit, error)
        return limit
    return target


class DescriptorReserve:
    """The last descriptors below `limit`: a quarter of it, at most `MAX_RESERVE`."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._first = limit - min(limit // 4, MAX_RESERVE)

    def is_reached(self) -> bool:
        """Return whether only the reserve is left: the system gives each new descriptor the lowest free number."""
        try:
            descriptor = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return True
        os.close(descriptor)
        return descriptor >= self._first


async def accept_connections(
    accept: Callable[[], Awaitable[T | None]],
    handle: Callable[[T], object],
    reserve: DescriptorReserve,
    problems: Problems,
    *,
    sleep: Sleep = anyio.sleep,
) -> None:
    """Call `handle` for each connection until `accept` returns None; pause while descriptors or memory are short."""
    while True:
        while reserve.is_reached():
            problems.report(PROBLEM, _shortage_text(reserve.limit))
            await sleep(PAUSE_SECONDS)
        problems.clear(PROBLEM)
        try:
            connection = await accept()
        except OSError as error:
            problems.report(ACCEPT_PROBLEM, f"No connection can be accepted: {error.strerror}. Senses tries again.")
            await sleep(PAUSE_SECONDS)
            continue
        problems.clear(ACCEPT_PROBLEM)
        if connection is None:
            return
        handle(connection)
        await checkpoint()  # many waiting connections must not keep the event loop from everything else


def _shortage_text(limit: int) -> str:
    return (
        f"Almost all of the {limit} files and connections that may be open are in use; new connections wait until "
        "others close. Close idle clients, or raise the limit (`ulimit -n`)."
    )
