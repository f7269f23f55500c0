"""The bounded form of the kills: a few of them, over the fake runtime. `make soak` kills 100 real daemons."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from tests.soak.daemon_kills import KilledInstance, find_kill_faults, run_daemon_kills
from tests.soak.tally import SHIM_ENDED


@pytest.mark.process
@pytest.mark.promise("shim:kills")
def test_kills_of_the_daemon_end_no_shim_and_lose_no_call(tmp_path: Path) -> None:
    run = partial(
        run_daemon_kills, longest_life_seconds=0.5, daemon_module="tests.mcp_server.fake_daemon", seed=1
    )  # in a thread, because another test may have left its event loop in this one
    with ThreadPoolExecutor(1) as threads:
        instance = threads.submit(run, tmp_path, 3).result()

    assert find_kill_faults(instance) == []
    assert instance.kill_count == 3
    assert instance.outcomes.outcomes["ok"] > 6


@pytest.fixture
def instance(tmp_path: Path) -> KilledInstance:
    """One that no shim was started for."""
    made = KilledInstance(tmp_path)
    made.prepare()
    return made


def test_a_run_without_a_fault_is_none(instance: KilledInstance) -> None:
    (instance.project / "1.png").touch()
    (instance.home / "writes").write_text("1.png\n")

    assert find_kill_faults(replace(instance, saved={instance.project / "1.png": True})) == []


def test_each_fault_is_named(instance: KilledInstance) -> None:
    (instance.project / ".2.png.part").touch()
    (instance.home / "writes").write_text("1.png\n1.png\n")
    (instance.home / "artifacts" / "images").mkdir(parents=True)
    (instance.home / "artifacts" / "images" / "x.png").touch()
    (instance.folder / "plays").write_text("played\n")
    instance.saved[instance.project / "3.png"] = True
    instance.results += ["senses://images/y", "senses://images/y"]
    instance.outcomes.outcomes[SHIM_ENDED] = 2
    instance.outcomes.unanswered.append("speak")

    found = " ".join(find_kill_faults(instance))

    for clause in (
        "2 shims ended",
        "1 calls were never answered",
        "not written once (['1.png', '3.png'])",
        ".2.png.part",
        "3.png",
        "1 results are stored that no answer named",
        "named twice (1)",
        "1 texts were read aloud, of 0",
        "unexpected outcomes",
    ):
        assert clause in found
