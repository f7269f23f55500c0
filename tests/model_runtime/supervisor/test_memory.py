"""How much of the machine's memory models may take."""

import os
import subprocess
import sys
import weakref

import psutil
import pytest

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
def test_the_budget_leaves_room_for_everything_else_whatever_is_configured(
    configured: int, total: int, budget: int
) -> None:
    assert abs(memory.budget_bytes(configured, total) - budget) <= 1


@pytest.mark.process
def test_the_footprint_of_a_living_process_is_known_and_that_of_a_dead_one_is_nothing() -> None:
    program = "print(flush=True); input()"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert child.stdout is not None
    child.stdout.readline()  # it lives once it has spoken
    alive = memory.footprint_bytes(child.pid)
    child.communicate(b"\n")

    assert 1 << 20 < alive < 1 << 30
    assert memory.footprint_bytes(child.pid) == 0
    assert memory.footprint_bytes(os.getpid()) > 1 << 20


HOLES = """
import os
from model_runtime.supervisor import memory
blocks = [bytes(60_000) for _ in range(1000)]  # too small to be mapped one by one
last = bytearray(1_000)
del blocks
before = memory.footprint_bytes(os.getpid())
memory.release_memory()
print(before - memory.footprint_bytes(os.getpid()), len(last))
"""


@pytest.mark.process
@pytest.mark.promise("runtime:memory-returned")
def test_what_the_allocator_keeps_is_given_back() -> None:
    environ = {**os.environ, "MALLOC_TOP_PAD_": "100000000"}  # as after much use: the system is asked for nothing

    said = subprocess.run([sys.executable, "-c", HOLES], env=environ, capture_output=True, text=True, check=True)

    assert int(said.stdout.split()[0]) > 30_000_000


@pytest.mark.promise("runtime:memory-returned")
def test_what_lies_in_circles_is_given_back() -> None:
    class Call:
        """It knows itself, as a job knows its output queue and that the job."""

        def __init__(self) -> None:
            self.itself = self

    gone = weakref.ref(Call())
    memory.release_memory()

    assert gone() is None


def test_the_machine_has_more_memory_than_is_available() -> None:
    assert 0 < memory.available_bytes() < memory.total_bytes() == psutil.virtual_memory().total


@pytest.mark.skipif(sys.platform != "darwin", reason="the physical footprint is macOS's")
def test_the_physical_footprint_is_near_the_resident_memory_of_a_small_process() -> None:
    resident = psutil.Process().memory_info().rss

    assert resident / 4 < memory.footprint_bytes(os.getpid()) < resident * 4
