"""The soak test names each broken promise, and nothing else."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

import anyio
import psutil
import pytest
from mcp import MCPError
from mcp_types import CONNECTION_CLOSED

from benchmarks.instance import Instance
from mcp_server.launcher.paths import InstancePaths
from tests.soak.callers import is_closed_connection
from tests.soak.faults import DEAF, count_worker_ends, find_unplanned_ends
from tests.soak.readings import ResourceUsage, find_faults
from tests.soak.sentences import SpokenSentences, find_sentence_faults, median_of_rounds
from tests.soak.tally import CallOutcomes

START = ResourceUsage(resident_mb=80.0, descriptors=20, charged_bytes=0, orphans=0)


def test_resources_that_were_released_are_no_fault() -> None:
    assert find_faults(START, replace(START, resident_mb=89.9, descriptors=19), [], []) == []


@pytest.mark.parametrize(
    ("end", "clause"),
    [
        (replace(START, resident_mb=90.1), "memory grew by 10.1 MB"),
        (replace(START, descriptors=21), "1 file descriptors more"),
        (replace(START, charged_bytes=5), "5 bytes stay charged"),
        (replace(START, orphans=1), "1 worker processes were left over"),
    ],
)
def test_a_leak_is_named(end: ResourceUsage, clause: str) -> None:
    (found,) = find_faults(START, end, [], [])

    assert clause in found


SPOKEN = SpokenSentences((100.0, 119.0), cpu_seconds=(0.50, 0.54), wall_seconds=(0.5, 3.0), workers=1)


def test_sentences_in_flat_memory_and_at_one_speed_are_no_fault() -> None:
    assert find_sentence_faults(SPOKEN) == []


@pytest.mark.parametrize(
    ("spoken", "clause"),
    [
        (replace(SPOKEN, resident_mb=(100.0, 121.0)), "grew by 21.0 MB"),
        (replace(SPOKEN, cpu_seconds=(0.50, 0.56)), "took 0.56 s of the processor, the first 0.50 s"),
        (replace(SPOKEN, workers=2), "2 workers"),
    ],
)
def test_sentences_that_cost_more_and_more_are_named(spoken: SpokenSentences, clause: str) -> None:
    (found,) = find_sentence_faults(spoken)

    assert clause in found


LOG = """
12:00:01 INFO x: The worker of stt-starter has exited: the worker exited with code 0; last log line: killed
12:00:02 INFO x: The worker of stt-starter has exited: the worker was killed by SIGKILL, as the system does when memory runs out
12:00:03 INFO x: The worker of vlm-starter has exited: the worker sent no heartbeat for 15 s
12:00:04 INFO x: The worker of vlm-starter has exited: the worker closed its connection
"""


def test_the_ends_of_workers_are_read_from_the_log(tmp_path: Path) -> None:
    instance = Instance(tmp_path, "http://127.0.0.1:1", cast(psutil.Process, None), 0.0)
    log = Path(InstancePaths(instance.environ).log_file)
    log.parent.mkdir()
    log.write_text(LOG)

    ends = count_worker_ends(instance)

    assert ends == {
        "exited with code 0": 1,
        "killed by SIGKILL": 1,
        "sent no heartbeat": 1,
        "closed its connection": 1,
    }
    assert [clause.split(" (")[0] for clause in find_unplanned_ends(ends, {})] == [
        "1 workers were killed, 0 of them by this test",
        "1 workers were taken for dead, 0 were stopped",
        "workers ended by themselves",
    ]


def test_workers_that_end_by_the_faults_of_the_test_are_no_fault() -> None:
    ends = {"exited with code 0": 9, "killed by SIGKILL": 2, "sent no heartbeat": 1, DEAF: 1}

    assert find_unplanned_ends(ends, {"worker killed": 2, "worker stopped": 2}) == []


def test_the_time_of_a_round_has_every_kind_of_sentence_once() -> None:
    clock = [0.0, 1.0, 3.0, 6.0, 10.0, 11.0, 13.0, 16.0, 20.0]  # a sentence of each kind takes 1, 2, 3 and 4 seconds

    assert median_of_rounds(clock) == 10.0


def test_only_a_group_of_closed_connections_is_one() -> None:
    closed = MCPError(CONNECTION_CLOSED, "Connection closed")

    assert is_closed_connection(ExceptionGroup("", [closed, ExceptionGroup("", [closed])]))
    assert not is_closed_connection(ExceptionGroup("", [closed, ValueError()]))


async def test_every_call_has_one_outcome_and_only_what_kills_explain_is_expected() -> None:
    tally = CallOutcomes()
    for outcome in ("ok", "worker_died", "internal_error"):
        await tally.record("chat", partial(_answer, outcome), None)
    await tally.record("speak", _never, 0.01)

    assert tally.outcomes.total() == 3
    assert tally.unexpected == {"internal_error": 1}
    assert (tally.given_up, tally.unanswered) == (1, [])


async def test_a_call_without_an_answer_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.soak.tally.ANSWER_TIMEOUT_SECONDS", 0.01)
    tally = CallOutcomes()

    await tally.record("transcribe", _never, None)

    assert tally.unanswered == ["transcribe"]
    assert "transcribe" in find_faults(START, START, tally.unanswered, [])[0]


async def _answer(outcome: str) -> str:
    return outcome


async def _never() -> str:
    await anyio.sleep_forever()
    raise AssertionError
