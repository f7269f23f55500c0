"""What a vision tower saw in a picture, kept for the next question about the same picture."""

import hashlib
from collections import OrderedDict
from collections.abc import Callable

import mlx.core as mx

from model_runtime.media.types import Picture

LIMIT_BYTES = 64_000_000
"""About four screenshots of Qwen2.5-VL 7B, or twenty of Moondream2."""


class FeatureCache:
    """Least recently used features go first. It outlives idling: agents ask again after a while."""

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._kept: OrderedDict[bytes, mx.array] = OrderedDict()
        self.hits = 0

    def get(self, picture: Picture, compute: Callable[[], mx.array]) -> mx.array:
        """Return the picture's features, evaluated; compute them where they are not here."""
        key = _key(picture)
        if key in self._kept:
            self._kept.move_to_end(key)
            self.hits += 1
            return self._kept[key]
        features = compute()
        mx.eval(features)
        self._kept[key] = features
        while sum(kept.nbytes for kept in self._kept.values()) > self._limit_bytes:
            self._kept.popitem(last=False)
        return features


def _key(picture: Picture) -> bytes:
    size = f"{picture.width}x{picture.height}".encode()
    return hashlib.blake2b(picture.rgb, digest_size=16, key=size).digest()
