"""Kills of the daemon at random moments under clients of both protocol eras, each with its shim.

A call may end with an error that says what happened, but it ends. What it writes is written once, and inside the
client's folder; what it stores is stored once; what it plays is played once.
"""

import json
import os
import random
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
import psutil
from mcp import Client, MCPError, StdioServerParameters
from PIL import Image

from benchmarks.instance import STARTERS
from mcp_server.launcher.paths import InstancePaths
from tests.soak.callers import is_closed_connection, outcome_of_result
from tests.soak.tally import EXPECTED_OUTCOMES, SHIM_ENDED, CallOutcomes

ERAS: tuple[Literal["auto", "legacy"], ...] = ("auto", "legacy")
CLIENTS_OF_EACH_ERA = 3
ANSWER_SECONDS = 120.0
RESULTS_OF_A_CALL = 2
"""At most; a call that two kills ended may leave them without naming them."""
REPOSITORY = Path(__file__).parents[2]
PLAYER = "#!/bin/sh\necho played >> '{log}'\ncat > /dev/null\n"


@dataclass(slots=True)
class KilledInstance:
    """An instance whose daemons are started by shims and killed by the test, and what its calls have left."""

    folder: Path
    daemon_module: str = ""
    outcomes: CallOutcomes = field(default_factory=CallOutcomes)
    saved: dict[Path, bool] = field(default_factory=dict)
    """Files that calls were to write, and whether an answer said that they did."""
    results: list[str] = field(default_factory=list)
    """The results that answers named."""
    play_count: int = 0
    kill_count: int = 0

    @property
    def home(self) -> Path:
        """The instance's folder."""
        return self.folder / "home"

    @property
    def project(self) -> Path:
        """The clients' folder."""
        return self.folder / "project"

    @property
    def environ(self) -> dict[str, str]:
        """What shims are started with; sound goes to a program that only notes it."""
        path = f"{self.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
        variables = {"SENSES_HOME": str(self.home), "SENSES_PORT": "0", "PYTHONPATH": str(REPOSITORY), "PATH": path}
        return {**os.environ, **variables} | ({"WATCHED_DAEMON": self.daemon_module} if self.daemon_module else {})

    def prepare(self) -> None:
        """Make the folders, a picture and the player."""
        for folder in (self.home, self.project, self.folder / "bin"):
            folder.mkdir()
        (self.home / "config.toml").write_text(f"[memory]\nspare = false\n{STARTERS}", encoding="utf-8")
        Image.new("RGB", (64, 64), "red").save(self.project / "red.png")
        player = self.folder / "bin" / "paplay"
        player.write_text(PLAYER.format(log=self.folder / "plays"), encoding="utf-8")
        player.chmod(0o700)

    def daemon(self) -> psutil.Process | None:
        """Return the daemon that serves now; None while none does, and never another process."""
        try:
            text = Path(InstancePaths(self.environ).daemon_json).read_text(encoding="utf-8")
            process = psutil.Process(json.loads(text)["pid"])
            return process if "--ready-fd" in process.cmdline() else None
        except (OSError, ValueError, psutil.Error):
            return None


class KillRun:
    """Clients that call until the daemon was killed `kills` times, at most `longest_life_seconds` after each start."""

    def __init__(self, instance: KilledInstance, rng: random.Random, kills: int, longest_life_seconds: float) -> None:
        self._instance = instance
        self._rng = rng
        self._kills = kills
        self._longest_life_seconds = longest_life_seconds
        self._is_over = anyio.Event()
        self._numbers = iter(range(1, 1_000_000))

    async def run(self) -> None:
        """Kill and call; then each client makes one more call, which nothing disturbs."""
        async with anyio.create_task_group() as killing:
            killing.start_soon(self._kill_daemons)
            async with anyio.create_task_group() as clients:
                for era in ERAS * CLIENTS_OF_EACH_ERA:
                    clients.start_soon(self._call_until_over, era)
            killing.cancel_scope.cancel()  # when all shims have ended before

    async def _kill_daemons(self) -> None:
        killed = 0
        while self._instance.kill_count < self._kills:
            daemon = await anyio.to_thread.run_sync(self._instance.daemon)
            if daemon is None or daemon.pid == killed:
                await anyio.sleep(0.02)
                continue
            await anyio.sleep(self._rng.uniform(0, self._longest_life_seconds))
            daemon.kill()
            killed = daemon.pid
            self._instance.kill_count += 1
        self._is_over.set()

    async def _call_until_over(self, era: Literal["auto", "legacy"]) -> None:
        instance = self._instance
        parameters = StdioServerParameters(
            command=sys.executable, args=["-m", "tests.soak.watched_shim"], env=instance.environ, cwd=instance.project
        )
        try:
            async with Client(parameters, mode=era) as client:
                is_last = False
                while not is_last:
                    is_last = self._is_over.is_set()
                    await self._call(client)
        except (MCPError, ExceptionGroup) as error:
            if not is_closed_connection(error):
                raise
            instance.outcomes.outcomes[SHIM_ENDED] += 1

    async def _call(self, client: Client) -> None:
        name, arguments = self._rng.choice(self._kinds())
        path = self._instance.project / str(arguments.get("output_path", ""))
        is_saved = "output_path" in arguments
        if is_saved:
            self._instance.saved[path] = False
        self._instance.play_count += bool(arguments.get("play"))

        async def answer() -> str:
            try:
                result = await client.call_tool(name, arguments)
            except MCPError as error:
                return SHIM_ENDED if is_closed_connection(error) else error.error.message
            if not result.is_error:
                self._note(result.structured_content or {}, path if is_saved else None)
            return outcome_of_result(result)

        await self._instance.outcomes.record(name, answer, None, ANSWER_SECONDS)

    def _kinds(self) -> list[tuple[str, dict[str, Any]]]:
        """Return one call of every kind, with a file name of its own."""
        number = next(self._numbers)
        drawn = {"prompt": "a red circle", "width": 64, "height": 64, "steps": 1}
        return [
            ("media_status", {}),
            ("describe_image", {"image": "red.png"}),
            ("generate_image", drawn),
            ("generate_image", {**drawn, "output_path": f"{number}.png"}),
            ("generate_image", {**drawn, "output_path": f"{number}.webp", "count": 2}),
            ("speak", {"text": "Good morning.", "play": True}),
            ("speak", {"text": "Good morning.", "output_path": f"{number}.wav"}),
        ]

    def _note(self, content: dict[str, Any], path: Path | None) -> None:
        images = content.get("images") or [content]
        self._instance.results += [image["uri"] for image in images if image.get("uri")]
        if path is not None:
            for image in images:
                self._instance.saved[Path(image["path"])] = True


def find_kill_faults(instance: KilledInstance) -> list[str]:
    """Return a clause per broken promise."""
    outcomes = instance.outcomes
    writes = Counter(_lines(instance.home / "writes"))
    known = {str(path) for path in instance.saved} | {
        str(path.with_name(f"{path.stem}-2{path.suffix}")) for path in instance.saved
    }
    present = {str(path) for path in instance.project.iterdir()} - {str(instance.project / "red.png")}
    stored = {f"senses://{path.parent.name}/{path.stem}" for path in (instance.home / "artifacts").glob("*/*.*")}
    lost = [str(path) for path, is_said in instance.saved.items() if is_said and str(path) not in present]
    said = [path.name for path, is_said in instance.saved.items() if is_said]
    odd = sorted({name for name in said if writes[name] != 1} | {name for name, count in writes.items() if count > 1})
    unexpected = {name: count for name, count in outcomes.outcomes.items() if name not in EXPECTED_OUTCOMES}
    plays = len(_lines(instance.folder / "plays"))
    found = {
        f"{outcomes.outcomes[SHIM_ENDED]} shims ended": outcomes.outcomes[SHIM_ENDED],
        f"{len(outcomes.unanswered)} calls were never answered": outcomes.unanswered,
        f"calls had unexpected outcomes ({unexpected})": unexpected,
        f"files were not written once ({odd})": odd,
        f"files were written that no call named ({sorted(present - known)})": present - known,
        f"files that calls named are not there ({lost})": lost,
        f"{len(stored - set(instance.results))} results are stored that no answer named": (
            len(stored - set(instance.results)) > RESULTS_OF_A_CALL * outcomes.outcomes["daemon_ended"]
        ),
        f"results were named twice ({len(instance.results) - len(set(instance.results))})": len(instance.results)
        != len(set(instance.results)),
        f"{plays} texts were read aloud, of {instance.play_count}": plays > instance.play_count,
    }
    return [clause for clause, is_true in found.items() if is_true]


def run_daemon_kills(
    folder: Path, kills: int, seed: int, *, longest_life_seconds: float, daemon_module: str = ""
) -> KilledInstance:
    """Run clients in an instance in `folder` until its daemon was killed so often; end its last daemon."""
    instance = KilledInstance(folder, daemon_module)
    instance.prepare()
    rng = random.Random(seed)  # noqa: S311 - not for security
    try:
        anyio.run(KillRun(instance, rng, kills, longest_life_seconds).run)
    finally:
        _wait_for_rest(instance.daemon)
    return instance


def _wait_for_rest(daemon: Callable[[], psutil.Process | None], seconds: float = 10.0) -> None:
    """End the daemon that runs when all clients have left."""
    deadline = time.monotonic() + seconds
    while (process := daemon()) is not None and time.monotonic() < deadline:
        process.kill()
        time.sleep(0.05)


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []
