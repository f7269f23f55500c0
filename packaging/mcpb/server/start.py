"""What a desktop app starts: it becomes the installed Senses' own `senses-mcp`, or says how to install Senses.

Arguments are the folders that the user opened. Standard library of Python 3.9, which is what a Mac has.
"""

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence

NAME = "senses-mcp"
USUAL = ("~/.local/bin", "~/senses/.venv/bin", "/opt/homebrew/bin", "/usr/local/bin")
"""Where it is looked for besides the PATH, which is short in a desktop app."""


def main() -> None:
    """Hand over to the installed program."""
    program = find(os.environ)
    if not program:
        explain(os.environ.get("SENSES_MCP", ""))
        sys.exit(1)
    os.execve(program, [program, *folders(sys.argv[1:])], chosen(os.environ))  # noqa: S606


def find(environ: Mapping[str, str]) -> str:
    """Return the program that the user chose or that is where it usually is; empty where there is none."""
    wanted = environ.get("SENSES_MCP", "")
    if is_set(wanted):
        return shutil.which(os.path.expanduser(wanted)) or ""  # noqa: PTH111
    path = os.pathsep.join([environ.get("PATH", os.defpath), *map(os.path.expanduser, USUAL)])
    return shutil.which(NAME, path=path) or ""


def folders(arguments: Sequence[str]) -> list[str]:
    """Return the folders that exist; the app leaves ${HOME} in its defaults as it is."""
    paths = [os.path.expandvars(argument) for argument in arguments if argument]
    return [path for path in paths if os.path.isdir(path)]  # noqa: PTH112


def chosen(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables without those of settings that the user left empty."""
    return {name: value for name, value in environ.items() if not name.startswith("SENSES_") or is_set(value)}


def is_set(value: str) -> bool:
    """Whether a setting has a value: a missing one comes as its own unreplaced name."""
    return bool(value) and "${" not in value


def explain(wanted: str) -> None:
    """Answer whatever the app asks with what is missing, until it leaves, and write it to its log."""
    where = wanted if is_set(wanted) else "the usual places"
    problem = (
        f"Senses is not installed: there is no {NAME} in {where}. In Terminal, run `make setup` in the folder of Senses, "
        f"then choose its .venv/bin/{NAME} in the settings of this extension and start it again."
    )
    sys.stderr.write(problem + "\n")
    for line in sys.stdin:
        request = json.loads(line)
        if "id" in request:
            answer = {"jsonrpc": "2.0", "id": request["id"], "error": {"code": -32000, "message": problem}}
            sys.stdout.write(json.dumps(answer) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
