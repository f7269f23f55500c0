"""The memory budget, the memory of processes, and the release of unused memory."""

import errno
import logging
import os
import subprocess
import sys
import weakref

import psutil
import pytest

from model_runtime.release_memory import release_memory
from model_runtime.supervisor import memory

GIB = 1 << 30


@pytest.mark.parametrize(
    ("configured", "total", "budget"),
    [
        (0, 32 * GIB, int(32 * GIB - 0.2 * 32 * GIB)),
        (0, 16 * GIB, 12 * GIB),
        (0, 4 * GIB, 2 * GIB),
        (10 * GIB, 32 * GIB, 10 * GIB),
        (64 * GIB, 16 * GIB, 12 * GIB),
    ],
)
def test_the_budget_leaves_memory_for_other_programs_whatever_is_configured(
    configured: int, total: int, budget: int
) -> None:
    assert abs(memory.budget_bytes(configured, total) - budget) <= 1


@pytest.mark.process
def test_the_footprint_of_a_living_process_is_measured_and_that_of_an_exited_one_is_zero() -> None:
    program = "print(flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()  # its first line: it runs
    alive = memory.footprint_bytes(child.pid)
    child.communicate(b"\n")

    assert 1 << 20 < alive < 1 << 30
    assert memory.footprint_bytes(child.pid) == 0
    assert memory.footprint_bytes(os.getpid()) > 1 << 20


HOLES = """
import os
from model_runtime.release_memory import release_memory
from model_runtime.supervisor import memory
blocks = [bytes(60_000) for _ in range(1000)]  # too small to be mapped one by one
last = bytearray(1_000)
del blocks
before = memory.footprint_bytes(os.getpid())
release_memory()
print(before - memory.footprint_bytes(os.getpid()), len(last))
"""


@pytest.mark.process
@pytest.mark.promise("runtime:memory-returned")
def test_freed_memory_that_the_allocator_keeps_is_released() -> None:
    environ = {**os.environ, "MALLOC_TOP_PAD_": "100000000"}  # the allocator keeps freed memory, as after long use

    result = subprocess.run([sys.executable, "-c", HOLES], env=environ, capture_output=True, text=True, check=True)

    assert int(result.stdout.split()[0]) > 30_000_000


BLOCK_OF_A_THREAD = """
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from model_runtime.release_memory import share_one_heap
share_one_heap()
with ThreadPoolExecutor(1) as pool:
    block = pool.submit(bytes, 60_000).result()
heap = next(line for line in Path("/proc/self/maps").read_text().splitlines() if line.endswith("[heap]"))
first, end = (int(address, 16) for address in heap.split()[0].split("-"))
print(first <= id(block) < end)
"""


@pytest.mark.process
@pytest.mark.promise("runtime:memory-returned")
@pytest.mark.skipif(sys.platform != "linux", reason="heaps of threads are glibc's")
def test_threads_allocate_from_the_heap_that_is_released() -> None:
    result = subprocess.run([sys.executable, "-c", BLOCK_OF_A_THREAD], capture_output=True, text=True, check=True)

    assert result.stdout.strip() == "True"


@pytest.mark.promise("runtime:memory-returned")
def test_reference_cycles_are_released() -> None:
    class Call:
        """It refers to itself, as a request and its output queue refer to each other."""

        def __init__(self) -> None:
            self.itself = self

    reference = weakref.ref(Call())
    release_memory()

    assert reference() is None


def test_the_machine_has_more_memory_than_is_available() -> None:
    assert 0 < memory.available_bytes() < memory.total_bytes() == psutil.virtual_memory().total


@pytest.mark.skipif(sys.platform != "darwin", reason="the physical footprint is macOS's")
def test_the_physical_footprint_is_near_the_resident_memory_of_a_small_process() -> None:
    resident = psutil.Process().memory_info().rss

    assert resident / 4 < memory.footprint_bytes(os.getpid()) < resident * 4


class FailingMeasurement:
    """Returns 7, then fails `failures` times, then returns 8."""

    def __init__(self, failures: int, number: int) -> None:
        self._steps: list[int | OSError] = [7, *(OSError(number, os.strerror(number)) for _ in range(failures)), 8]

    def __call__(self) -> int:
        step = self._steps.pop(0)
        if isinstance(step, OSError):
            raise step
        return step


@pytest.mark.promise("reliability:measured")
@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOSPC, errno.EACCES, errno.ENOMEM, errno.EIO])
@pytest.mark.parametrize("failures", [1, 10, 60])
def test_a_measurement_that_fails_keeps_its_last_reading_and_is_logged_once(
    failures: int, number: int, caplog: pytest.LogCaptureFixture
) -> None:
    gauge = memory.Gauge("available memory", FailingMeasurement(failures, number))

    readings = [gauge.read() for _ in range(failures + 2)]

    assert readings == [7] * (failures + 1) + [8]
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EIO])
def test_the_memory_of_a_process_that_cannot_be_measured_is_unknown(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(pid: int) -> psutil.Process:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(psutil, "Process", fail)

    assert memory.footprint_bytes(os.getpid()) == 0
