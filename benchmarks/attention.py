"""One token's attention on a CPU: ours, which groups the queries that share keys, against MLX's own."""

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
from model_runtime.engines.chat.grouped_attention import grouped_attention, ungrouped_attention
sequences, heads, shared_heads, tokens, size = 8, 16, 2, 256, 64
q = mx.random.normal((sequences, heads, 1, size))
k, v = (mx.random.normal((sequences, shared_heads, tokens, size)) for _ in range(2))
mx.eval(q, k, v)
def shortest_seconds(attention):
    seconds = []
    for _ in range(100):
        start = time.perf_counter()
        mx.eval(attention(q, k, v, scale=0.1))
        seconds.append(time.perf_counter() - start)
    return min(seconds)
print(json.dumps([shortest_seconds(ungrouped_attention), shortest_seconds(grouped_attention)]))
"""


def measure(context: BenchmarkContext) -> list[Row]:
    """Measure both in one fresh process; while MLX's own is slower, ours has its place."""
    answer = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    library_seconds, own_seconds = json.loads(answer.stdout.splitlines()[-1])
    how = "8 sequences of 256 tokens, 16 query heads on 2 of keys, shortest of 100"
    return [
        Row("attention of one token, MLX's own over ours", library_seconds / own_seconds, "×", 1.2, how, at_least=True)
    ]
