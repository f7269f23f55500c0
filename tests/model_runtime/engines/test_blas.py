"""The fast matrix library on Linux, in processes of their own since it must come before MLX."""

import subprocess
import sys

import pytest

TIMED = """
import time
from model_runtime.engines.blas import load_fast_blas
library = load_fast_blas()
import mlx.core as mx
square = mx.ones((512, 512))
mx.eval(square @ square)
def seconds():
    started = time.perf_counter()
    product = square @ square
    mx.eval(product)
    return time.perf_counter() - started
print(f"{library}|{min(seconds() for _ in range(5))}|{(square @ square)[0, 0].item()}|{load_fast_blas()}")
"""


@pytest.mark.engines
@pytest.mark.skipif(sys.platform != "linux", reason="a Mac has Accelerate and Metal")
def test_a_worker_multiplies_with_openblas_and_loads_it_only_before_mlx() -> None:
    run = subprocess.run([sys.executable, "-c", TIMED], capture_output=True, text=True, check=True, encoding="utf-8")
    library, seconds, corner, again = run.stdout.strip().split("|")

    assert "openblas" in library
    assert float(corner) == 512.0
    assert float(seconds) < 0.05  # the reference library takes about 0.1 s, this one a few milliseconds
    assert again == ""
