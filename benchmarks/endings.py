"""How soon it is over: a killed worker's caller has its error, and whoever leaves stops what was computed for it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx2
import psutil

from benchmarks.call import HttpCall
from benchmarks.instance import Instance
from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row, median, missing
from benchmarks.works import CHAT_PATH, Workload, all_workloads

KILLS = 3
ERROR_TARGET_MS = 50
STOP_TARGET_SECONDS = 1
SAMPLE_SECONDS = 0.05
BUSY_SECONDS = 0.015
"""A process that takes less processor time than this within a sample stands still."""
IDLE_WINDOW_SECONDS = 1.5
TIMEOUT_SECONDS = 20.0
FIRST_CHUNKS = 4


def measure(context: BenchmarkContext) -> list[Row]:
    """Kill and leave every engine in the middle of its work."""
    with context.instance(spare=False) as instance:
        return [row for work in all_workloads() for row in _rows(instance, work, context.rounds(KILLS))]


def _rows(instance: Instance, work: Workload, kills: int) -> list[Row]:
    work.send(instance.url).body()
    rows = [
        _measure_or_explain(f"client gone → {work.engine} stops", partial(_measure_disconnects, instance, work)),
        _measure_or_explain(
            f"{work.engine} killed → caller has its error", partial(_measure_kills, instance, work, kills)
        ),
    ]
    instance.command(work.model, "stop")
    return rows


def _measure_or_explain(name: str, measure: Callable[[str], Row]) -> Row:
    try:
        return measure(name)
    except (StopIteration, RuntimeError, ValueError, OSError, httpx2.HTTPError) as error:
        return missing(name, f"did not run: {error!r}")


def worker_of(instance: Instance) -> psutil.Process:
    """The one process there is besides the daemon: no spare is kept here."""
    (worker,) = instance.process.children()
    return worker


def _measure_kills(instance: Instance, work: Workload, kills: int, name: str) -> Row:
    waits = [_milliseconds_until_error(instance, work) for _ in range(kills)]
    how = f"worst of {kills}, p50 {median(waits):.0f} ms: SIGKILL in the middle of a stream → the error event is read"
    return Row(name, max(waits), "ms", ERROR_TARGET_MS, how)


def _milliseconds_until_error(instance: Instance, work: Workload) -> float:
    """Return milliseconds from the kill to the error; then have the model back."""
    events = _after_first_events(work.send(instance.url, long=True, stream=True), work)
    worker = worker_of(instance)
    killed = time.perf_counter()
    os.kill(worker.pid, signal.SIGKILL)
    if not any("error" in event for event in events):
        raise RuntimeError(f"the stream of {work.model} ended without an error")
    took = (time.perf_counter() - killed) * 1e3
    instance.command(work.model, "start")
    return took


def _after_first_events(call: HttpCall, work: Workload) -> Iterator[dict[str, Any]]:
    """Wait until something of the answer is there; return the events that follow."""
    events = call.events()
    for _ in range(FIRST_CHUNKS if work.path == CHAT_PATH else 1):
        next(events)
    return events


def _measure_disconnects(instance: Instance, work: Workload, name: str) -> Row:
    plain, streamed = (_seconds_until_stopped(instance, work, stream=stream) for stream in (False, True))
    how = f"plain {plain:.2f} s, streamed {streamed:.2f} s; job off /api/status and the worker's processor time still"
    return Row(name, max(plain, streamed), "s", STOP_TARGET_SECONDS, how)


def _seconds_until_stopped(instance: Instance, work: Workload, *, stream: bool) -> float:
    """Leave a call in the middle; return seconds until nothing is computed for it any more."""
    call = work.send(instance.url, long=True, stream=stream)
    if stream:
        _after_first_events(call, work)
    else:
        _wait_until_running(instance)
    disconnected_at = time.perf_counter()
    call.disconnect()
    removed_seconds = _seconds_until_removed(instance, disconnected_at)
    return max(removed_seconds, _seconds_until_idle(worker_of(instance), disconnected_at))


def _wait_until_running(instance: Instance) -> None:
    deadline = time.perf_counter() + TIMEOUT_SECONDS
    while not any(job["state"] == "running" for job in instance.status()["jobs"]):
        if time.perf_counter() > deadline:
            raise RuntimeError(f"no job ran within {TIMEOUT_SECONDS:g} s")
        time.sleep(SAMPLE_SECONDS)
    time.sleep(SAMPLE_SECONDS * 2)


def _seconds_until_removed(instance: Instance, disconnected_at: float) -> float:
    while instance.status()["jobs"]:
        if time.perf_counter() - disconnected_at > TIMEOUT_SECONDS:
            raise RuntimeError(f"the job still ran after {TIMEOUT_SECONDS:g} s")
        time.sleep(SAMPLE_SECONDS / 10)
    return time.perf_counter() - disconnected_at


def _seconds_until_idle(worker: psutil.Process, disconnected_at: float) -> float:
    """Return the seconds from `disconnected_at` to the end of the last sample in which the process computed."""
    last_busy, used = 0.0, _processor_seconds(worker)
    while (now := time.perf_counter() - disconnected_at) < max(IDLE_WINDOW_SECONDS, last_busy + IDLE_WINDOW_SECONDS):
        time.sleep(SAMPLE_SECONDS)
        before, used = used, _processor_seconds(worker)
        if used - before > BUSY_SECONDS:
            last_busy = now + SAMPLE_SECONDS
        if last_busy > TIMEOUT_SECONDS:
            break
    return last_busy


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
