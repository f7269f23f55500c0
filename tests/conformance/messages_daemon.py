"""Claude Code in front of a real daemon with a tiny model, in a network that ends at this machine.

`unshare --net python -m tests.conformance.messages_daemon CLIENT PROMPT…` starts the daemon, gives the client its address,
and prints what it answered to each prompt and which requests it made, as JSON.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conformance.messages_api import raise_loopback
from tests.end_to_end.conftest import RunningDaemon, running_daemon

CLIENT_SECONDS = 120.0
CONTEXT_TOKENS = 65_536
"""Claude Code's own words take thousands of tokens of a small vocabulary."""
REQUEST = re.compile(r"((?:GET|HEAD|POST) /\S*) → (\d+)")
"""A line of the daemon's log; requests that only read are there if they failed."""


def main() -> None:
    """Ask the client everything."""
    client, *prompts = sys.argv[1:]
    raise_loopback()
    with tempfile.TemporaryDirectory() as folder:
        config = f'[models.tiny]\npath = "{build_model(Path(folder))}"\n[defaults]\ntext = "tiny"\n'
        with running_daemon(config) as daemon:
            answers = [ask(client, prompt, daemon) for prompt in prompts]
            requests = REQUEST.findall(daemon.startup_output.read_text(encoding="utf-8"))
    sys.stdout.write(json.dumps({"answers": answers, "requests": requests}))


def build_model(folder: Path) -> Path:
    """Write a checkpoint that answers anything with the same words, with a long context."""
    os.environ |= {"HF_HUB_OFFLINE": "1", "MLX_DISABLE_COMPILE": "1", "TOKENIZERS_PARALLELISM": "false"}
    from tests.checkpoints import llama  # MLX, whose environment has to be set first
    from tests.checkpoints.weights import copy_with

    llama.build_scripted(folder / "short")
    return copy_with(folder / "short", folder / "long", config={"max_position_embeddings": CONTEXT_TOKENS})


def ask(client: str, prompt: str, daemon: RunningDaemon) -> str:
    """Return what the client prints."""
    environ = os.environ | {"ANTHROPIC_BASE_URL": daemon.url, "ANTHROPIC_AUTH_TOKEN": "none"}
    command = [client, "--print", prompt, "--system-prompt", "Be short."]
    ran = subprocess.run(
        command, check=True, env=environ, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=CLIENT_SECONDS
    )
    return ran.stdout.decode()


if __name__ == "__main__":
    main()
