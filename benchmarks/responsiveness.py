"""Whether the daemon answers while a model loads and generates: the longest wait for /health."""

import threading
import time

import httpx2

from benchmarks.instance import Instance
from benchmarks.row import Row, median, percentile

PROBE_SECONDS = 0.005
PICTURE = {"model": "image-starter", "prompt": "a red circle", "size": "128x128"}


def measure(instance: Instance) -> list[Row]:
    """Probe without a pause from a thread while a cold model loads and draws."""
    instance.command("image-starter", "stop")
    waits: list[float] = []
    done = threading.Event()
    prober = threading.Thread(target=_probe, args=(instance.url, waits, done))
    prober.start()
    try:
        for _ in range(2):
            httpx2.post(f"{instance.url}/v1/images/generations", json=PICTURE, timeout=300).raise_for_status()
    finally:
        done.set()
        prober.join()
    how = f"{len(waits)} probes of /health while image-starter loads and draws twice; all share the machine's cores"
    return [
        Row("/health p50 while loading and generating", median(waits), "ms", None, how),
        Row("/health p99 while loading and generating", percentile(waits, 99), "ms", 20, how),
        Row("/health worst while loading and generating", max(waits), "ms", None, how),
    ]


def _probe(url: str, waits: list[float], done: threading.Event) -> None:
    with httpx2.Client(timeout=60) as client:
        while not done.is_set():
            started = time.perf_counter()
            client.get(f"{url}/health").raise_for_status()
            waits.append((time.perf_counter() - started) * 1e3)
            time.sleep(PROBE_SECONDS)
