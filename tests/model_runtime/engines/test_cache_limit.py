"""Without a limit MLX keeps nearly all memory that was freed, and the next model finds none."""

import mlx.core as mx
import pytest

from model_runtime.engines.registry import BUFFER_CACHE_BYTES, ENGINE_CLASSES, create_engine

pytestmark = pytest.mark.engines


@pytest.mark.parametrize("name", BUFFER_CACHE_BYTES)
def test_every_engine_limits_the_buffers_that_mlx_keeps(name: str) -> None:
    before = mx.set_cache_limit(1 << 50)

    create_engine(name)
    limit_bytes = mx.set_cache_limit(before)

    assert limit_bytes == BUFFER_CACHE_BYTES[name]
    assert 100_000_000 < limit_bytes <= 1_000_000_000


def test_only_the_engine_that_computes_without_mlx_has_no_limit() -> None:
    assert set(ENGINE_CLASSES) - set(BUFFER_CACHE_BYTES) == {"rapidocr"}
