"""Cache of a vision tower's features, for the next question about the same picture."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

import mlx.core as mx

from model_runtime.media.types import ImageData

DEFAULT_LIMIT_BYTES = 64_000_000
"""About four screenshots of Qwen2.5-VL 7B, or twenty of Moondream2."""


class VisionFeatureCache:
    """Features by picture; evicts the least recently used. `idle` does not clear it: agents ask again after a while."""

    def __init__(self, limit_bytes: int = DEFAULT_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._entries: OrderedDict[bytes, mx.array] = OrderedDict()
        self.hits = 0

    def get_or_compute(self, picture: ImageData, compute: Callable[[], mx.array]) -> mx.array:
        """Return the picture's features, evaluated, as `compute` returns them; it is called if they are not cached."""
        key = _picture_key(picture)
        if key in self._entries:
            self._entries.move_to_end(key)
            self.hits += 1
            return self._entries[key]
        features = compute()
        mx.eval(features)
        self._entries[key] = features
        while sum(entry.nbytes for entry in self._entries.values()) > self._limit_bytes:
            self._entries.popitem(last=False)
        return features


def _picture_key(picture: ImageData) -> bytes:
    size = f"{picture.width}x{picture.height}".encode()
    return hashlib.blake2b(picture.rgb, digest_size=16, key=size).digest()
