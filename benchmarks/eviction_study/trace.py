"""What the study replays: requests in order of time, and what each model weighs and takes to load."""

from dataclasses import dataclass
from pathlib import Path

from model_runtime.supervisor import model_stats, usage_log
from model_runtime.supervisor.usage_log import ModelRequest


@dataclass(frozen=True, slots=True)
class Trace:
    """Requests in order of time; every model of them has its load time and its bytes."""

    requests: tuple[ModelRequest, ...]
    load_seconds: dict[str, float]
    held_bytes: dict[str, int]


def read(folder: Path) -> Trace:
    """Read the log of one machine and what was measured of its models; requests for unmeasured models are left out."""
    path = folder / usage_log.NAME
    # a key of the file is the model's name and a digest of its files
    stats = {key.rpartition(" ")[0]: known for key, known in model_stats.read(folder / model_stats.NAME).items()}
    requests = usage_log.parse([*_lines(usage_log.older(path)), *_lines(path)])
    return Trace(
        tuple(sorted((one for one in requests if one.model in stats), key=lambda one: one.at)),
        {name: known.load_seconds for name, known in stats.items()},
        {name: known.needed_bytes for name, known in stats.items()},
    )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
