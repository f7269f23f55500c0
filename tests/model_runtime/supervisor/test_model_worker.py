"""When a worker was last seen to compute, and its processor time as the system counts it."""

import os
import time
from types import SimpleNamespace
from typing import Any, cast

import psutil
import pytest

from model_runtime.supervisor.model_worker import ModelWorker
from model_runtime.supervisor.processor_time import processor_seconds


def model_worker() -> ModelWorker:
    return ModelWorker(cast(Any, SimpleNamespace()), cast(Any, SimpleNamespace()), started_at=5.0, last_message_at=5.0)


def test_a_worker_computes_when_its_processor_time_grows() -> None:
    worker = model_worker()

    worker.count_processor_time(1.0, 10.0)
    worker.count_processor_time(1.0, 11.0)
    still = worker.last_computed_at
    worker.count_processor_time(1.01, 12.0)

    assert (still, worker.last_computed_at) == (10.0, 12.0)


def test_heartbeats_alone_are_no_computing() -> None:
    worker = model_worker()

    for second in range(100):
        worker.count_processor_time(second * 0.00005, float(second))

    assert worker.last_computed_at == 0.0


@pytest.mark.parametrize(
    ("arrived_at", "waited_seconds"),
    [(2.0, 3.0), (5.0, 3.0), (6.0, 2.0), (8.0, 0.0), (9.0, 0.0)],
)
def test_a_request_waited_for_the_part_of_the_load_after_its_arrival(arrived_at: float, waited_seconds: float) -> None:
    worker = model_worker()

    worker.loaded_at = 8.0

    assert worker.loading_seconds(arrived_at) == waited_seconds


def test_the_processor_time_of_a_process_grows_while_it_computes() -> None:
    before, deadline = processor_seconds(os.getpid()), time.process_time() + 0.05

    while time.process_time() < deadline:
        pass

    assert processor_seconds(os.getpid()) >= before + 0.02


@pytest.mark.parametrize("error", [psutil.NoSuchProcess(1), psutil.AccessDenied(1), OSError(24, "Too many open files")])
def test_a_process_that_cannot_be_measured_has_no_processor_time(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(pid: int) -> psutil.Process:
        raise error

    monkeypatch.setattr(psutil, "Process", fail)

    assert processor_seconds(1) == 0.0
