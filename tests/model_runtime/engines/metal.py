"""Make MLX report a Metal GPU to this process, or none. It computes where it did before: on Linux, on the CPU."""

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module

import mlx.core as mx
import pytest

from model_runtime.engines.chat.grouped_attention import ungrouped_attention
from model_runtime.engines.cpu_convolution import library_conv1d, library_conv_transpose1d
from model_runtime.engines.registry import ENGINE_CLASSES, preload_engine

WORKING_SET_BYTES = 12_713_115_648
"""A working set such as a Mac with 16 GB reports."""

MAY_COMPILE = pytest.mark.skipif(
    sys.platform != "darwin" and shutil.which("g++") is None, reason="MLX compiles for a CPU with g++"
)

# These modules decide when they are imported whether to use kernels in Metal's own language.
for _engine in ENGINE_CLASSES:
    preload_engine(_engine)
import_module("mlx_vlm.models.kernels")


@contextmanager
def report_metal(*, available: bool) -> Iterator[None]:
    """Let `mx.metal.is_available` answer so inside the block, which starts with MLX's own functions.

    With Metal, `mx.device_info` has the working set, as MLX's metal/device_info.cpp fills it in. Kernels that libraries
    write in Metal's own language do not run: Linux has no compiler for them.
    """
    info = dict(mx.device_info())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(mx.metal, "is_available", lambda: available)
        patch.setattr(mx.fast, "scaled_dot_product_attention", ungrouped_attention)
        patch.setattr(mx, "conv1d", library_conv1d)
        patch.setattr(mx, "conv_transpose1d", library_conv_transpose1d)
        if available:
            info = {"max_recommended_working_set_size": WORKING_SET_BYTES, **info}
            patch.setattr(mx, "device_info", lambda *_: info)
        yield


@contextmanager
def compiled() -> Iterator[None]:
    """Let `mx.compile` compile inside the block, as on a Mac; the other tests switch it off, which is faster here."""
    mx.enable_compile()
    try:
        yield
    finally:
        mx.disable_compile()
