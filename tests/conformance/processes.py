"""Real processes that a test prepares before another program uses them."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

from tests.mcp_server.launcher.test_shim import Instance


@contextmanager
def daemon(instance: Instance) -> Generator[None]:
    """A daemon over the fake runtime, ready however slow the machine is, until the end of the block."""
    reading, writing = os.pipe()
    command = [sys.executable, "-m", "tests.mcp_server.fake_daemon", "--ready-fd", str(writing)]
    with subprocess.Popen(command, env=instance.environ, pass_fds=[writing], stderr=subprocess.DEVNULL) as process:
        try:
            os.close(writing)
            assert os.read(reading, 1) == b"R"
            yield
        finally:
            process.kill()
            os.close(reading)
