"""How long a client waits for the first picture: the first preview of a stream, against the finished drawing."""

import time

from benchmarks.instance import Instance
from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row, median
from benchmarks.works import image_workload

ROUNDS = 10
STEPS = 4
SIDE_PIXELS = 256


def measure(context: BenchmarkContext) -> list[Row]:
    """Draw with a warm starter and note when the first preview and the drawing arrive; other servers send no previews."""
    with context.instance() as instance:
        _seconds(instance)
        rounds = [_seconds(instance) for _ in range(context.rounds(ROUNDS))]
    first, whole = (median([one[side] for one in rounds]) for side in (0, 1))
    how = f"image-starter, warm, {STEPS} steps, three previews over HTTP, median of {len(rounds)}"
    return [
        Row("first preview of a drawing", first * 1e3, "ms", None, how),
        Row("first preview over the finished drawing", first / whole, "×", 0.6, how),
    ]


def _seconds(instance: Instance) -> tuple[float, float]:
    """Return the seconds to the first preview and to the drawing."""
    work, started = image_workload(STEPS, SIDE_PIXELS), time.perf_counter()
    arrivals = [
        (event["type"], time.perf_counter() - started) for event in work.send(instance.url, stream=True).events()
    ]
    (kind, first), (last_kind, last) = arrivals[0], arrivals[-1]
    if (kind, last_kind) != ("image_generation.partial_image", "image_generation.completed"):
        raise RuntimeError(f"the stream has {kind} first and {last_kind} last")
    return first, last
