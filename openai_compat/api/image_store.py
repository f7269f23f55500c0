"""Pictures that clients asked for as a URL: kept in memory for an hour under names nobody can guess."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

LIFE_SECONDS = 3600.0
ROOM_BYTES = 256_000_000


@dataclass(frozen=True, slots=True)
class Kept:
    """One picture and when it goes."""

    data: bytes
    content_type: str
    leaves_at: float


class Shelf:
    """At most 256 MB; the oldest picture makes room for the newest."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, room_bytes: int = ROOM_BYTES) -> None:
        self._clock = clock
        self._room_bytes = room_bytes
        self._kept: dict[str, Kept] = {}

    def put(self, data: bytes, content_type: str) -> str:
        """Keep a picture and return its name."""
        self._sweep(len(data))
        name = f"{secrets.token_urlsafe(24)}.{content_type.partition('/')[2]}"
        self._kept[name] = Kept(data, content_type, self._clock() + LIFE_SECONDS)
        return name

    def find(self, name: str) -> Kept | None:
        """Return the picture of that name, None where there is none (any more)."""
        self._sweep(0)
        return self._kept.get(name)

    def _sweep(self, needed_bytes: int) -> None:
        now = self._clock()
        used = sum(len(kept.data) for kept in self._kept.values())
        for name, kept in list(self._kept.items()):
            if kept.leaves_at <= now or used + needed_bytes > self._room_bytes:
                used -= len(self._kept.pop(name).data)
