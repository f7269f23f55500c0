"""How soon it is over: a killed worker's caller has its error, and whoever leaves stops what was computed for it."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import httpx2
import psutil

from benchmarks.call import Call
from benchmarks.instance import Instance
from benchmarks.lab import Lab
from benchmarks.row import Row, median, missing
from benchmarks.works import CHAT, Work, works

KILLS = 3
ERROR_MS = 50
STOPPED_SECONDS = 1
SAMPLE_SECONDS = 0.05
BUSY_SECONDS = 0.015
"""A process that takes less processor time than this within a sample stands still."""
WATCH_SECONDS = 1.5
LONGEST_SECONDS = 20.0
CHAT_PIECES = 4


def measure(lab: Lab) -> list[Row]:
    """Kill and leave every engine in the middle of its work."""
    with lab.instance(spare=False) as instance:
        return [row for work in works() for row in _rows(instance, work, lab.rounds(KILLS))]


def _rows(instance: Instance, work: Work, kills: int) -> list[Row]:
    work.send(instance.url).body()
    rows = [
        _attempt(f"client gone → {work.engine} stops", partial(_leaving, instance, work)),
        _attempt(f"{work.engine} killed → caller has its error", partial(_killing, instance, work, kills)),
    ]
    instance.command(work.model, "stop")
    return rows


def _attempt(name: str, measure: Callable[[str], Row]) -> Row:
    try:
        return measure(name)
    except (StopIteration, RuntimeError, ValueError, OSError, httpx2.HTTPError) as error:
        return missing(name, f"did not run: {error!r}")


def worker_of(instance: Instance) -> psutil.Process:
    """The one process there is besides the daemon: no spare is kept here."""
    (worker,) = instance.process.children()
    return worker


def _killing(instance: Instance, work: Work, kills: int, name: str) -> Row:
    waits = [_killed(instance, work) for _ in range(kills)]
    how = f"worst of {kills}, p50 {median(waits):.0f} ms: SIGKILL in the middle of a stream → the error event is read"
    return Row(name, max(waits), "ms", ERROR_MS, how)


def _killed(instance: Instance, work: Work) -> float:
    """Return milliseconds from the kill to the error; then have the model back."""
    events = _in_the_middle(work.send(instance.url, long=True, stream=True), work)
    worker = worker_of(instance)
    killed = time.perf_counter()
    os.kill(worker.pid, signal.SIGKILL)
    if not any("error" in event for event in events):
        raise RuntimeError(f"the stream of {work.model} ended without an error")
    took = (time.perf_counter() - killed) * 1e3
    instance.command(work.model, "start")
    return took


def _in_the_middle(call: Call, work: Work) -> Iterator[dict[str, Any]]:
    """Wait until something of the answer is there; return the events that follow."""
    events = call.events()
    for _ in range(CHAT_PIECES if work.path == CHAT else 1):
        next(events)
    return events


def _leaving(instance: Instance, work: Work, name: str) -> Row:
    plain, streamed = (_left(instance, work, stream=stream) for stream in (False, True))
    how = f"plain {plain:.2f} s, streamed {streamed:.2f} s; job off /api/status and the worker's processor time still"
    return Row(name, max(plain, streamed), "s", STOPPED_SECONDS, how)


def _left(instance: Instance, work: Work, *, stream: bool) -> float:
    """Leave a call in the middle; return seconds until nothing is computed for it any more."""
    call = work.send(instance.url, long=True, stream=stream)
    if stream:
        _in_the_middle(call, work)
    else:
        _until_at_work(instance)
    left = time.perf_counter()
    call.leave()
    gone = _job_gone(instance, left)
    return max(gone, _still(worker_of(instance), left))


def _until_at_work(instance: Instance) -> None:
    deadline = time.perf_counter() + LONGEST_SECONDS
    while not any(job["state"] == "running" for job in instance.status()["jobs"]):
        if time.perf_counter() > deadline:
            raise RuntimeError(f"no job ran within {LONGEST_SECONDS:g} s")
        time.sleep(SAMPLE_SECONDS)
    time.sleep(SAMPLE_SECONDS * 2)


def _job_gone(instance: Instance, left: float) -> float:
    while instance.status()["jobs"]:
        if time.perf_counter() - left > LONGEST_SECONDS:
            raise RuntimeError(f"the job still ran after {LONGEST_SECONDS:g} s")
        time.sleep(SAMPLE_SECONDS / 10)
    return time.perf_counter() - left


def _still(worker: psutil.Process, left: float) -> float:
    """Return seconds from `left` to the end of the last sample in which the process computed."""
    last, used = 0.0, _processor_seconds(worker)
    while (now := time.perf_counter() - left) < max(WATCH_SECONDS, last + WATCH_SECONDS):
        time.sleep(SAMPLE_SECONDS)
        before, used = used, _processor_seconds(worker)
        if used - before > BUSY_SECONDS:
            last = now + SAMPLE_SECONDS
        if last > LONGEST_SECONDS:
            break
    return last


def _processor_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
