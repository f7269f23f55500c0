"""Run every measurement, print the table, write results.json beside this file and the table into README.md.

    python -m benchmarks [--quick] [--only PART]

A part that fails says why in its row, and the others go on. Only a whole, thorough run is kept.
"""

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from benchmarks import (
    aloud,
    attack,
    attention,
    candidates,
    clients,
    cold,
    constrained,
    convolution,
    counting,
    decoding,
    endings,
    eviction,
    first_preview,
    history,
    measuring,
    memory,
    ocr,
    overhead,
    page,
    real_chats,
    real_weights,
    realtime,
    reconnect,
    report,
    responsiveness,
    short_clips,
    sound,
    sound_peers,
    starters,
    terminal,
    throughput,
    tools,
    turns,
)
from benchmarks.lab import BenchmarkContext, open_context
from benchmarks.row import Row, missing

RESULTS = Path(__file__).with_name("results.json")
REPORT_PAGE = Path(__file__).with_name("README.md")
PARTS: Mapping[str, tuple[str, Callable[[BenchmarkContext], list[Row]]]] = {
    "cold": ("The first call", cold.measure),
    "overhead": ("A warm call", overhead.measure),
    "turns": ("A chat that goes on", turns.measure),
    "counting": ("Counting tokens", counting.measure),
    "attention": ("Attention on a CPU", attention.measure),
    "convolution": ("Convolutions on a CPU", convolution.measure),
    "constrained": ("Answers in a form", constrained.measure),
    "throughput": ("Many at once", throughput.measure),
    "responsiveness": ("Answers while everything is busy", responsiveness.measure),
    "attack": ("Hostile clients", attack.measure),
    "first_preview": ("The first picture of a stream", first_preview.measure),
    "short_clips": ("A short recording behind a long one", short_clips.measure),
    "memory": ("Memory that comes back", memory.measure),
    "decoding": ("Large pictures and recordings", decoding.measure),
    "endings": ("Calls that end", endings.measure),
    "eviction": ("Choosing what leaves", eviction.measure),
    "clients": ("What a client starts", clients.measure),
    "terminal": ("The command line", terminal.measure),
    "tools": ("MCP tools", tools.measure),
    "reconnect": ("A daemon that is killed", reconnect.measure),
    "aloud": ("Reading aloud", aloud.measure),
    "history": ("History", history.measure),
    "page": ("The status page", page.measure),
    "sound": ("Sound over HTTP", sound.measure),
    "sound_peers": ("Sound, against mlx-audio's server", sound_peers.measure),
    "realtime": ("Speech while it is recorded", realtime.measure),
    "ocr": ("Text in pictures", ocr.measure),
    "measuring": ("Measured pictures", measuring.measure),
    "starters": ("The built-in models", starters.measure),
    "real_weights": ("Published weights", real_weights.measure),
    "real_chats": ("Published weights at other servers", real_chats.measure),
    "candidates": ("Drawing that looks at itself", candidates.measure),
}


def main() -> None:
    """Measure and report; the exit code does not judge, a person does."""
    options = parse_arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    measured_on, started = report.machine(), time.perf_counter()
    with open_context(quick=options.quick) as lab:
        groups = {title: measure_or_explain(title, measure, lab) for title, measure in selected_parts(options.only)}
    Console().print(report.on_terminal(groups))
    if not (options.quick or options.only):
        results = report.as_json(groups, measured_on, time.perf_counter() - started)
        RESULTS.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
        report.replace_between_markers(REPORT_PAGE, report.as_markdown(results))


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part; may be repeated")
    parser.add_argument("--quick", action="store_true", help="repeat as little as possible, to try the measurements")
    return parser.parse_args()


def selected_parts(only: list[str] | None) -> list[tuple[str, Callable[[BenchmarkContext], list[Row]]]]:
    """The parts to run."""
    return [PARTS[name] for name in only or PARTS]


def measure_or_explain(
    title: str, measure: Callable[[BenchmarkContext], list[Row]], context: BenchmarkContext
) -> list[Row]:
    """Run a part; a failure is a row that says why."""
    started = time.perf_counter()
    try:
        return measure(context)
    except Exception as error:  # noqa: BLE001 - whatever it is, the other parts go on
        return [missing(title, f"did not run: {error!r}")]
    finally:
        Console(stderr=True).print(f"{title}: {time.perf_counter() - started:.0f} s")


if __name__ == "__main__":
    main()
