"""The real shim; each file that it puts in place is a line in `writes` of the instance: `python -m tests.soak.watched_shim`.

With WATCHED_DAEMON it starts that module as the daemon.
"""

import os
from pathlib import Path

from mcp_server.launcher import connect, file_requests, shim

if module := os.environ.get("WATCHED_DAEMON"):
    connect.DAEMON_ARGUMENTS = ("-m", module, "--ready-fd", "3")
execute = file_requests.execute


def log_and_execute(request: dict[str, str]) -> dict[str, int | str]:
    """Execute a request; log it before it puts a file in place."""
    if request["do"] == "commit":
        with (Path(os.environ["SENSES_HOME"]) / "writes").open("a") as file:
            file.write(f"{request['to']}\n")
    return execute(request)


file_requests.execute = log_and_execute

if __name__ == "__main__":
    shim.main()
