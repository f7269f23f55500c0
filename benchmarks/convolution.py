"""Kokoro's convolutions on a CPU: ours, sums of matrix products, against MLX's own."""

import json
import subprocess
import sys

from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row

SCRIPT = """
import json, time
from model_runtime.engines.blas import load_fast_blas
load_fast_blas()
import mlx.core as mx
from model_runtime.engines import cpu_convolution as ours
x, dilated, transposed = (mx.random.normal(shape) for shape in ((1, 2400, 128), (128, 11, 128), (128, 12, 128)))
mx.eval(x, dilated, transposed)
def shortest_seconds(convolve):
    seconds = []
    for _ in range(5):
        start = time.perf_counter()
        mx.eval(convolve())
        seconds.append(time.perf_counter() - start)
    return min(seconds)
pairs = {
    "dilated": (ours.library_conv1d, ours.conv1d, dilated, {"dilation": 5, "padding": 25}),
    "transposed": (ours.library_conv_transpose1d, ours.conv_transpose1d, transposed, {"stride": 6, "padding": 3}),
}
print(json.dumps({
    name: [shortest_seconds(lambda: call(x, w, **options)) for call in (library, own)]
    for name, (library, own, w, options) in pairs.items()
}))
"""


def measure(context: BenchmarkContext) -> list[Row]:
    """Measure both in one fresh process; while MLX's own is slower, ours has its place."""
    answer = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    seconds = json.loads(answer.stdout.splitlines()[-1])
    how = "0.1 s of Kokoro's last stage, 128 channels, shortest of 5"
    return [
        Row(f"{name} convolution, MLX's own over ours", library / own, "×", 2.0, how, at_least=True)
        for name, (library, own) in seconds.items()
    ]
