"""What a newcomer waits for: how quickly each starter is loaded, and how much all of them weigh."""

import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.instance import Instance
from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row, median
from model_runtime.catalog.builtin_models import STARTER_MODELS
from model_runtime.catalog.model import Model

ROUNDS = 3
LOAD_SECONDS = 0.5
ALL_MB = 30

LOAD_SCRIPT = """
import json, sys, time
from model_runtime.loading import LoadSpec
from model_runtime.engines.registry import create_engine
name, engine, folder, options = json.loads(sys.argv[1])
loader = create_engine(engine)
started = time.perf_counter()
loader.load(LoadSpec(name, engine, {"model": folder}, options), lambda stage, fraction: None)
print(json.dumps(time.perf_counter() - started))
"""


def measure(context: BenchmarkContext) -> list[Row]:
    """Load every starter in processes of its own and through an instance, and weigh its folder."""
    with context.instance(spare=False) as instance:
        rows = [row for model in STARTER_MODELS for row in _rows(instance, model, context.rounds(ROUNDS))]
    total = sum(_folder_mb(model) for model in STARTER_MODELS)
    return [*rows, Row("all starters", total, "MB", ALL_MB, "their folders, everything in them")]


def _rows(instance: Instance, model: Model, rounds: int) -> list[Row]:
    alone = median([_load_seconds(model) for _ in range(rounds)])
    whole = median([_start_seconds(instance, model) for _ in range(rounds)])
    return [
        Row(f"{model.name} load", alone, "s", LOAD_SECONDS, f"{rounds} processes, engine imported → model loaded"),
        Row(f"{model.name} start → ready", whole, "s", None, f"{rounds} cold loads, process, imports and load"),
        Row(f"{model.name} size", _folder_mb(model), "MB", None, "its folder"),
    ]


def _load_seconds(model: Model) -> float:
    load_arguments = json.dumps([model.name, model.engine, model.path, dict(model.options)])
    environ = {**os.environ, "HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    command = [sys.executable, "-c", LOAD_SCRIPT, load_arguments]
    output = subprocess.run(command, env=environ, capture_output=True, text=True, check=True).stdout
    return float(json.loads(output.splitlines()[-1]))


def _start_seconds(instance: Instance, model: Model) -> float:
    instance.command(model.name, "stop")
    instance.command(model.name, "start")
    model_status = next(known for known in instance.status()["models"] if known["name"] == model.name)
    return float(model_status["last_load_seconds"])


def _folder_mb(model: Model) -> float:
    return sum(file.stat().st_size for file in Path(model.path).rglob("*") if file.is_file()) / 1e6
