"""The memory of processes and its return on macOS, by the structures and functions of Apple's headers."""

import os

import pytest

from model_runtime.release_memory import release_memory, share_one_heap
from model_runtime.supervisor import memory
from tests.darwin.libsystem import FakeLibSystem

GIB = 1 << 30


@pytest.mark.promise("macos:memory")
def test_the_memory_of_a_process_is_its_physical_footprint(libsystem: FakeLibSystem) -> None:
    libsystem.footprints = {4711: 3 * GIB}

    assert memory.footprint_bytes(4711) == 3 * GIB
    assert memory.footprint_bytes(4712) == 0


def test_the_memory_of_the_daemon_is_measured_in_the_same_way(libsystem: FakeLibSystem) -> None:
    libsystem.footprints = {os.getpid(): 5 * GIB}

    assert memory.OWN_FOOTPRINT.read() == 5 * GIB


def test_freed_memory_goes_back_by_the_call_that_a_mac_has(libsystem: FakeLibSystem) -> None:
    release_memory()

    assert libsystem.relieved_bytes == [0]


def test_threads_allocate_as_they_always_do_on_a_mac(libsystem: FakeLibSystem) -> None:
    share_one_heap()  # the stand-in has no mallopt, as a Mac has none

    assert not hasattr(libsystem, "mallopt")
