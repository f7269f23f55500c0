"""How long `senses --help` takes, beside the import of the library that reads the command line."""

import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row

ROUNDS = 20
HELP = (str(Path(sys.executable).with_name("senses")), "--help")
TYPER = (sys.executable, "-c", "import typer")


def measure(context: BenchmarkContext) -> list[Row]:
    """Start both in turn and compare the medians."""
    rounds = 3 if context.quick else ROUNDS
    pairs = [(seconds_of(HELP), seconds_of(TYPER)) for _ in range(rounds)]
    shown, imported = (statistics.median(times) for times in zip(*pairs, strict=True))
    how = f"median of {rounds} processes in turn with ones that import typer"
    return [
        Row("senses --help", shown * 1000, "ms", None, how),
        Row("a process that imports typer", imported * 1000, "ms", None, how),
        Row("senses --help over the import of typer", shown / imported, "×", 1.5, how),
    ]


def seconds_of(command: tuple[str, ...]) -> float:
    """Run a command to its end and return the seconds."""
    started = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - started
