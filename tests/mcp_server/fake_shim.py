"""The real shim, starting the daemon over the fake runtime: `python -m tests.mcp_server.fake_shim`.

`errands` in the instance's folder gets a line for each thing the daemon asks it to do.
"""

import os
from pathlib import Path

from mcp_server.launcher import broker_server, connect, shim

connect.DAEMON = ("-m", "tests.mcp_server.fake_daemon", "--ready-fd", "3")
run = broker_server._run  # noqa: SLF001


def noted(errand: dict[str, str]) -> int | None:
    """Note an errand and run it."""
    with (Path(os.environ["SENSES_HOME"]) / "errands").open("a") as file:
        file.write(f"{errand['do']} {Path(errand['path']).suffix}\n")
    return run(errand)


broker_server._run = noted  # noqa: SLF001

if __name__ == "__main__":
    shim.main()
