"""The real shim, which starts the daemon over the fake runtime: `python -m tests.mcp_server.fake_shim`.

`file_requests` in the instance's folder gets a line for each file request of the daemon.
"""

import os
from pathlib import Path

from mcp_server.launcher import broker_server, connect, shim

connect.DAEMON_ARGUMENTS = ("-m", "tests.mcp_server.fake_daemon", "--ready-fd", "3")
run_request = broker_server._execute  # noqa: SLF001


def log_and_run(request: dict[str, str]) -> int | None:
    """Log a file request and run it."""
    with (Path(os.environ["SENSES_HOME"]) / "file_requests").open("a") as file:
        file.write(f"{request['do']} {Path(request['path']).suffix}\n")
    return run_request(request)


broker_server._execute = log_and_run  # noqa: SLF001

if __name__ == "__main__":
    shim.main()
