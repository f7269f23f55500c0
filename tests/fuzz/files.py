"""Spoil model folders in thousands of ways and ask the daemon's parts about each. Exits with 1 on any fault.

    python -m tests.fuzz.files [--number 5000] [--seed 1]

Each case writes a well-formed folder, spoils it, and starts the runtime and OpenAI's API on it, once as an alias of
config.toml and once as a repository in the cache. Everything must answer within its time, nothing may answer 500, and
a model that is broken has one sentence that says why and quotes no file.
"""

import argparse
import asyncio
import faulthandler
import json
import logging
import os
import random
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx2
from rich.console import Console

from model_runtime.catalog.catalog import create_catalog
from model_runtime.errors import SensesError, WrongTask
from model_runtime.hub.cache import HubCache
from model_runtime.media.types import Audio
from model_runtime.prepare import RequestPreparer
from model_runtime.requests import Chat, GenerateImage, Message, Request, Speak, Task, Transcribe
from model_runtime.runtime import Runtime
from model_runtime.settings import InstanceFolders, Settings
from model_runtime.validation import validate
from openai_compat.app import create_app
from tests.fuzz.file_mutations import MUTATIONS, Mutation, SwapWhileRead
from tests.fuzz.model_folders import BUILDERS, CANARY, write_cached_repository

out = Console(highlight=False, markup=False, soft_wrap=True)

FAST_DISK = Path("/dev/shm")  # noqa: S108
"""Linux has a disk in memory here."""
ALIAS, REPOSITORY = "mine", "someone/model"
CASE_SECONDS = 20.0
"""No case may take longer; one that reads a pipe would take for ever."""
HANG_SECONDS = 120.0
"""A run that takes a second longer than this for each case hangs: it is ended with the stack of every thread."""
MAX_SENTENCE_CHARACTERS = 1500
SWAP_SHARE = 0.1
OTHER_SHARE = 0.5
SNAPSHOT_SHARE = 0.7
MUTATIONS_PER_CASE = (1, 1, 1, 2, 3)
REQUESTS: dict[Task, Request] = {
    Task.TEXT: Chat("", (Message("user", ("Hi.",)),)),
    Task.VISION: Chat("", (Message("user", ("Hi.",)),)),
    Task.IMAGE: GenerateImage("", "a cat", 256, 256, seed=1),
    Task.TRANSCRIPTION: Transcribe("", Audio(16_000, bytes(64_000))),
    Task.SPEECH: Speak("", "Hello."),
}


@dataclass(slots=True)
class Report:
    """What a run found."""

    cases: int = 0
    broken: int = 0
    slowest_seconds: float = 0.0
    faults: list[str] = field(default_factory=list)


class FaultLog(logging.Handler):
    """Collects errors that were caught by a net instead of being told."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep records with a traceback."""
        if record.exc_info and record.exc_info[1]:
            self.lines.append(f"{record.getMessage()}: {record.exc_info[1]!r}")


@contextmanager
def watched_log() -> Iterator[FaultLog]:
    """Yield what the runtime logs with a traceback."""
    handler, logger = FaultLog(), logging.getLogger("model_runtime")
    level = logger.level
    logger.setLevel(logging.DEBUG)
    logger.addHandler(handler)
    try:
        yield handler
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


async def run_cases(root: Path, numbers: Sequence[int], seed: int) -> Report:
    """Run the cases with these numbers; each depends on `seed` and its own number only."""
    report, swap = Report(), SwapWhileRead()
    for number in numbers:
        case = Case(root / str(number), random.Random(f"{seed} {number}"), swap)  # noqa: S311
        started = time.monotonic()
        try:
            async with asyncio.timeout(CASE_SECONDS):
                await case.run()
        except TimeoutError:
            case.faults.append("no answer in time")
        except Exception as error:  # noqa: BLE001 — whatever it is, it is a fault
            case.faults.append(f"{type(error).__name__}: {error}")
        finally:
            swap.disarm()
            restore_rights(case.root)
            shutil.rmtree(case.root, ignore_errors=True)
        report.cases += 1
        report.broken += case.is_broken
        report.slowest_seconds = max(report.slowest_seconds, time.monotonic() - started)
        report.faults += [f"case {number} ({case.what}): {fault}"[:2000] for fault in case.faults]
    return report


class Case:
    """One spoilt folder and what is said about it."""

    def __init__(self, root: Path, rng: random.Random, swap: SwapWhileRead) -> None:
        self.root = root
        self.what = ""
        self.faults: list[str] = []
        self.is_broken = False
        self._rng = rng
        self._swap = swap
        self._hub = root / "hub"

    async def run(self) -> None:
        """Build, spoil and ask."""
        folder = self._build()
        settings = Settings(
            InstanceFolders.from_home(self.root / "home"),
            keep_spare_worker=False,
            model_tables={ALIAS: {"path": str(folder)}},
        )
        with watched_log() as log:
            await self._ask(settings)
        self.faults += log.lines

    def _build(self) -> Path:
        build = self._rng.choice(BUILDERS)
        folder = self.root / "model"
        folder.mkdir(parents=True)
        build(folder)
        snapshot = write_cached_repository(self._hub, REPOSITORY, build)
        if self._rng.random() < SWAP_SHARE:
            other = self.root / "other"
            if self._rng.random() < OTHER_SHARE:
                other.mkdir()
                self._rng.choice(BUILDERS)(other)
            countdown = self._rng.randint(1, 12)
            self._swap.arm(folder, other, countdown)
            self.what = f"{build.__name__}, replaced at opening {countdown}"
            return folder
        mutations = self._rng.choices(MUTATIONS, k=self._rng.choice(MUTATIONS_PER_CASE))
        alias, cached = self._spoil(folder, mutations), self._spoil(self._cached_folder(snapshot), mutations)
        self.what = f"{build.__name__}, alias: {alias}, cached: {cached}"
        return folder

    def _cached_folder(self, snapshot: Path) -> Path:
        """Return the files of the repository, or now and then everything that the cache holds of it."""
        return snapshot if self._rng.random() < SNAPSHOT_SHARE else snapshot.parents[1]

    def _spoil(self, folder: Path, mutations: Sequence[Mutation]) -> str:
        done: list[str] = []
        for mutation in mutations:
            try:
                done.append(mutation(self._rng, folder))
            except (OSError, IndexError, ValueError, RecursionError):
                continue  # an earlier mutation has left nothing to spoil
        return ", ".join(done) or "unchanged"

    async def _ask(self, settings: Settings) -> None:
        catalog = create_catalog(settings, HubCache(self._hub))

        async def no_gpu() -> int:
            return 0

        async with Runtime(catalog, settings, working_set_bytes=no_gpu) as runtime:
            transport = httpx2.ASGITransport(app=create_app(runtime, settings))
            async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
                for path in (f"/v1/models/{ALIAS}", f"/v1/models/{REPOSITORY}", "/v1/models", "/api/status", "/health"):
                    await self._get(client, path)
                await self._get(client, f"/v1/audio/voices?model={ALIAS}")
            for name in (ALIAS, REPOSITORY):
                await self._prepare(RequestPreparer(catalog, validate), name)
            errors = [model.error for model in runtime.status().models if model.name in (ALIAS, REPOSITORY)]
            self.is_broken = any(errors)
            self._judge(errors)

    async def _get(self, client: httpx2.AsyncClient, path: str) -> None:
        answer = await client.get(path)
        if answer.status_code >= 500:
            self.faults.append(f"GET {path} answers {answer.status_code}: {answer.text}")
        if CANARY in answer.text:
            self.faults.append(f"GET {path} quotes a file")
        if answer.status_code >= 400:
            self._judge([json.loads(answer.text)["error"]["message"]])

    async def _prepare(self, preparer: RequestPreparer, name: str) -> None:
        """Ask for what the model does, whatever that is."""
        for request in REQUESTS.values():
            try:
                await preparer.prepare(replace(request, model=name), is_loaded=lambda model: False)
            except WrongTask:
                continue
            except SensesError as error:
                self._judge([error.message])
            return

    def _judge(self, sentences: Sequence[str]) -> None:
        """A model is fine, or one line says why not."""
        for sentence in filter(None, sentences):
            if "\n" in sentence or len(sentence) > MAX_SENTENCE_CHARACTERS or "Traceback" in sentence:
                self.faults.append(f"no sentence: {sentence!r}")
            if CANARY in sentence:
                self.faults.append(f"a message quotes a file: {sentence!r}")


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yield a new folder on the fastest disk."""
    place = FAST_DISK if FAST_DISK.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="senses-fuzz-", dir=place) as folder:
        yield Path(folder)


def restore_rights(folder: Path) -> None:
    """Make everything below a folder deletable again."""
    for root, folders, _ in os.walk(folder):
        for name in folders:
            Path(root, name).chmod(0o700) if not Path(root, name).is_symlink() else None


def main() -> int:
    """Run all cases and print what was found."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.files", description=__doc__)
    parser.add_argument("--number", type=int, default=5000, help="cases")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    started = time.monotonic()
    faulthandler.dump_traceback_later(HANG_SECONDS + options.number, exit=True)
    with scratch_folder() as folder:
        report = asyncio.run(run_cases(folder, range(options.number), options.seed))
    for fault in report.faults:
        out.print(fault)
    out.print(
        f"{report.cases} spoilt folders in {time.monotonic() - started:.0f} s, {report.broken} of them broken and told; "
        f"slowest {report.slowest_seconds:.2f} s; {len(report.faults)} faults"
    )
    return 1 if report.faults else 0


if __name__ == "__main__":
    sys.exit(main())
