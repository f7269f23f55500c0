"""The real shim, which starts the daemon over the fake runtime: `python -m tests.mcp_server.fake_shim`.

`file_requests` in the instance's folder gets a line for each file request of the daemon.
"""

import os
from pathlib import Path

from mcp_server.launcher import connect, file_requests, shim

connect.DAEMON_ARGUMENTS = ("-m", "tests.mcp_server.fake_daemon", "--ready-fd", "3")
run_request = file_requests.execute


def log_and_run(request: dict[str, str]) -> dict[str, int | str]:
    """Log a file request and run it."""
    with (Path(os.environ["SENSES_HOME"]) / "file_requests").open("a") as file:
        file.write(f"{request['do']} {Path(request['path']).suffix}\n")
    return run_request(request)


file_requests.execute = log_and_run

if __name__ == "__main__":
    shim.main()
