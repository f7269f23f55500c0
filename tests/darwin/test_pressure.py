"""Memory pressure as the kernel of macOS tells it."""

from model_runtime.supervisor import memory
from tests.darwin.libsystem import CRITICAL, NORMAL, WARNING, FakeLibSystem


def test_a_mac_is_short_of_memory_when_the_kernel_says_so(libsystem: FakeLibSystem) -> None:
    short = {}
    for level in (NORMAL, WARNING, CRITICAL):
        libsystem.pressure_level = level
        short[level] = memory.is_under_pressure()

    assert short == {NORMAL: False, WARNING: True, CRITICAL: True}
