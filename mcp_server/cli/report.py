"""`senses doctor --report FILE`: write what the checks see on this machine into one file that a person can send.

The file is JSON, indented to be read before it is sent. It holds no name and no content of the user's files.
"""

import json
import os
import re
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import httpx2

from mcp_server.cli.api import verification
from mcp_server.cli.daemon_client import running_daemon
from mcp_server.cli.demo import PrintLine
from mcp_server.cli.doctor import run_checks
from mcp_server.cli.folder_readings import folder_readings
from mcp_server.cli.machine_facts import limit_facts, path_facts, sysctl_values, system_facts, version_facts
from mcp_server.cli.model_trials import ModelTrial, TrialClient, TrialFailed, try_model
from mcp_server.launcher.paths import InstancePaths
from model_runtime.atomic_file import PRIVATE, write_atomically
from model_runtime.catalog.builtin_models import REAL_MODELS, STARTER_MODELS
from model_runtime.catalog.catalog import Catalog, create_catalog
from model_runtime.catalog.foreign_files import InvalidCheckpoint, list_files, read_header
from model_runtime.errors import Cancelled, InvalidInput, ModelMissing, SensesError
from model_runtime.hub.cache import HubCache, hub_folder
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes

ABOUT = (
    "Written by `senses doctor --report`. It holds no names and no content of your files; your home folder is ~ and "
    "your name USER. Models with a name of your own are counted, not named. Please read it before you send it."
)
BUILTIN_NAMES = frozenset(model.name for model in (*REAL_MODELS, *STARTER_MODELS))

Report = dict[str, Any]


def connect(settings: Settings, environ: Mapping[str, str]) -> TrialClient:
    """Return a client of the running daemon.

    Raises:
        DaemonNotRunning: none runs.
    """
    url = running_daemon(InstancePaths(environ)).url
    return TrialClient(url, settings.api_key, verify=verification(url, settings))


@dataclass(frozen=True, slots=True)
class Steps:
    """What a report does with the daemon: check it as `senses doctor` does, and connect to it."""

    check: Callable[[Settings, PrintLine], bool] = run_checks
    connect: Callable[[Settings, Mapping[str, str]], TrialClient] = connect


DEFAULT_STEPS = Steps()


def write_report(
    settings: Settings, environ: Mapping[str, str], file: Path, print_line: PrintLine, steps: Steps = DEFAULT_STEPS
) -> bool:
    """Check the installation as `doctor` does, try every model that is here, and write `file`; return the verdict.

    Models that are in memory leave it first. Ctrl-C ends the trials, and what was seen so far is written.

    Raises:
        InvalidInput: the file exists, or cannot be written.
        Cancelled: Ctrl-C was pressed.
    """
    target = _new_file(file)
    report: Report = {"about": ABOUT}
    _write(target, report)  # a folder that cannot be written is told now, not after the trials
    try:
        passed = _fill(report, settings, environ, print_line, steps)
    except KeyboardInterrupt:
        raise Cancelled(f"Stopped. What was seen so far is in {target}.") from None
    finally:
        _write(target, report)
    print_line(f"The report is in {target}. Read it before you send it.")
    return passed


def _fill(report: Report, settings: Settings, environ: Mapping[str, str], print_line: PrintLine, steps: Steps) -> bool:
    """Add every section to the report, and return whether the checks passed."""
    lines = list[str]()

    def print_and_keep(line: str) -> None:
        lines.append(line.partition("\n")[0])  # lines of the daemon's log may follow, with names of files
        print_line(line)

    report.update(versions=version_facts(), machine=system_facts(), limits=limit_facts())
    print_line("     reads the usual folders; if macOS asks whether this program may, answer as you like")
    report.update(folders=folder_readings(Path.home()), checks=lines)
    passed = steps.check(settings, print_and_keep)
    report.update(paths=path_facts(InstancePaths(environ)), models=[])
    try:
        with closing(steps.connect(settings, environ)) as client:
            _try_models(client, settings, report, print_line)
    except (SensesError, TrialFailed, httpx2.HTTPError) as error:
        report["models_error"] = str(error)
        print_line(f"FAIL no model was tried: {error}")
    report["sysctl_afterwards"] = sysctl_values()
    return passed


def _try_models(client: TrialClient, settings: Settings, report: Report, print_line: PrintLine) -> None:
    """Add the memory of the runtime and a trial of every built-in model that is on this disk."""
    catalog = create_catalog(settings, HubCache(hub_folder(os.environ)))
    status = client.status()
    report["runtime"] = {name: status[name] for name in ("version", "uptime_seconds", "memory", "problems")}
    report["own_models"] = sum(model["name"] not in BUILTIN_NAMES for model in status["models"])
    present = [model for model in status["models"] if model["present"] and model["name"] in BUILTIN_NAMES]
    recording = client.record()
    for number, model in enumerate(present, 1):
        print_line(f"     tries {model['name']} ({number} of {len(present)})")
        trial = try_model(client, model, recording)
        report["models"].append(asdict(trial) | {"stored_bytes": _stored_bytes(catalog, trial.name)})
        print_line(trial_line(trial))


def trial_line(trial: ModelTrial) -> str:
    """Return the result of a trial in one line."""
    if trial.error or "used" not in trial.memory:
        return f"FAIL {trial.name}: {trial.error or 'it did not end'}"
    return (
        f"ok   {trial.name}: loads in {trial.load_seconds:.1f} s, first output after {trial.first_output_seconds:.1f} s, "
        f"{format_bytes(trial.memory['used'].model_bytes)} in memory"
    )


def _stored_bytes(catalog: Catalog, name: str) -> dict[str, int]:
    """Return the bytes of a model's weights in each precision, by its name in safetensors files, such as "BF16"."""
    stored: Counter[str] = Counter()
    with suppress(InvalidCheckpoint, ModelMissing):
        model = next(model for model in catalog.models() if model.name == name)
        for folder in set(catalog.folders(model).values()):
            for file in list_files(folder, (".safetensors",)):
                for _, tensor in read_header(file):
                    stored[tensor.dtype] += tensor.size_bytes
    return stored


def redacted(value: Any) -> Any:
    """Return a JSON value in which the home folder is ~, the temporary one $TMPDIR, and the user's name in paths USER."""
    match value:
        case dict():
            return {key: redacted(item) for key, item in value.items()}
        case list() | tuple():
            return [redacted(item) for item in value]
        case str():
            return _redacted_text(value)
        case _:
            return value


def _redacted_text(text: str) -> str:
    home, temporary = str(Path.home()), tempfile.gettempdir()
    for folder, name in ((home, "~"), (os.path.realpath(home), "~"), (os.path.realpath(temporary), "$TMPDIR")):
        text = re.sub(rf"{re.escape(folder)}(?![\w-])", name, text)
    return re.sub(rf"(?<=/){re.escape(Path.home().name)}(?![\w-])", "USER", text) if Path.home().name else text


def _new_file(file: Path) -> Path:
    target = file.expanduser().absolute()
    if target.exists():
        raise InvalidInput(f"{target} exists, and a report overwrites nothing. Name a new file with --report.")
    return target


def _write(target: Path, report: Report) -> None:
    text = json.dumps(redacted(report), indent=2, ensure_ascii=False)
    try:
        write_atomically(target, text.encode() + b"\n", mode=PRIVATE)
    except OSError as error:
        raise InvalidInput(f"{target} cannot be written: {error.strerror}. Name another file with --report.") from error
