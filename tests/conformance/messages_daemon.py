"""A client of Anthropic's API in front of a real daemon, in a network that ends at this machine.

`unshare --net python -m tests.conformance.messages_daemon CONFIG CLIENT…` starts a daemon with these lines of config.toml,
runs the client with its address, and prints what the client printed and which requests it made, as JSON.
"""

import json
import os
import re
import subprocess
import sys

from tests.conformance.messages_api import raise_loopback
from tests.end_to_end.conftest import running_daemon

CLIENT_SECONDS = 200.0
REQUEST = re.compile(r"(GET|HEAD|POST) (/\S*) → (\d+)")
"""A line of the daemon's log; requests that only read are there if they failed."""


def main() -> None:
    """Run the client against the daemon."""
    config, *client = sys.argv[1:]
    raise_loopback()
    with running_daemon(config) as daemon:
        environ = os.environ | {"ANTHROPIC_BASE_URL": daemon.url, "ANTHROPIC_AUTH_TOKEN": "none"}
        ran = subprocess.run(
            client,
            check=False,
            capture_output=True,
            text=True,
            env=environ,
            timeout=CLIENT_SECONDS,
            stdin=subprocess.DEVNULL,
        )
        logs = [path.read_text(encoding="utf-8", errors="replace") for path in daemon.home.rglob("*.log")]
        requests = REQUEST.findall("\n".join([*logs, daemon.startup_output.read_text(encoding="utf-8")]))
    sys.stdout.write(json.dumps({"answer": ran.stdout, "errors": ran.stderr, "requests": requests}))
    sys.exit(ran.returncode)


if __name__ == "__main__":
    main()
