"""Pictures that clients asked for as a URL: kept in memory for an hour under names nobody can guess."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

TTL_SECONDS = 3600.0
CAPACITY_BYTES = 256_000_000


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One picture and when it goes."""

    data: bytes
    content_type: str
    expires_at: float


class TemporaryImageStore:
    """At most 256 MB; the oldest picture makes room for the newest."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self._clock = clock
        self._capacity_bytes = capacity_bytes
        self._images: dict[str, StoredImage] = {}

    def put(self, data: bytes, content_type: str) -> str:
        """Keep a picture and return its name."""
        self._evict(len(data))
        name = f"{secrets.token_urlsafe(24)}.{content_type.partition('/')[2]}"
        self._images[name] = StoredImage(data, content_type, self._clock() + TTL_SECONDS)
        return name

    def get(self, name: str) -> StoredImage | None:
        """Return the picture of that name, None where there is none (any more)."""
        self._evict(0)
        return self._images.get(name)

    def _evict(self, needed_bytes: int) -> None:
        now = self._clock()
        used_bytes = sum(len(kept.data) for kept in self._images.values())
        for name, stored in list(self._images.items()):
            if stored.expires_at <= now or used_bytes + needed_bytes > self._capacity_bytes:
                used_bytes -= len(self._images.pop(name).data)
