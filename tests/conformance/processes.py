"""Real processes that a test prepares before another program uses them."""

import os
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager

from tests.mcp_server.launcher.test_shim import Instance


@contextmanager
def running_daemon(instance: Instance) -> Generator[None]:
    """A daemon over the fake runtime, ready however slow the machine is, until the end of the block."""
    ready_read_fd, ready_write_fd = os.pipe()
    command = [sys.executable, "-m", "tests.mcp_server.fake_daemon", "--ready-fd", str(ready_write_fd)]
    with subprocess.Popen(
        command, env=instance.environ, pass_fds=[ready_write_fd], stderr=subprocess.DEVNULL
    ) as process:
        try:
            os.close(ready_write_fd)
            assert os.read(ready_read_fd, 1) == b"R"
            yield
        finally:
            process.kill()
            os.close(ready_read_fd)
