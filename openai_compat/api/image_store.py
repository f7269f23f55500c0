"""Stores images that clients request as URLs: in memory, for an hour, under unguessable names."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

TTL_SECONDS = 3600.0
CAPACITY_BYTES = 256_000_000


@dataclass(frozen=True, slots=True)
class StoredImage:
    """One image. `expires_at` is in seconds of the store's clock."""

    data: bytes
    content_type: str
    expires_at: float


class TemporaryImageStore:
    """Holds at most `capacity_bytes`. A new image evicts the oldest ones."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, capacity_bytes: int = CAPACITY_BYTES) -> None:
        self._clock = clock
        self._capacity_bytes = capacity_bytes
        self._images: dict[str, StoredImage] = {}

    def put(self, data: bytes, content_type: str) -> str:
        """Store an image and return its name."""
        self._evict(len(data))
        name = f"{secrets.token_urlsafe(24)}.{content_type.partition('/')[2]}"
        self._images[name] = StoredImage(data, content_type, self._clock() + TTL_SECONDS)
        return name

    def get(self, name: str) -> StoredImage | None:
        """Return an image, or None if it does not exist or has expired."""
        self._evict(0)
        return self._images.get(name)

    def _evict(self, needed_bytes: int) -> None:
        now = self._clock()
        used_bytes = sum(len(image.data) for image in self._images.values())
        for name, image in list(self._images.items()):  # oldest first: a dict keeps the order of insertion
            if image.expires_at <= now or used_bytes + needed_bytes > self._capacity_bytes:
                used_bytes -= len(self._images.pop(name).data)
