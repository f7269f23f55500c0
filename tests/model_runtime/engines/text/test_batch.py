"""Whatever chats come, go and end in whatever order, every answer is the one given alone."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from model_runtime.engines.protocol import StepEngine
from model_runtime.engines.text.model import TextEngine
from model_runtime.events import ChatResult
from tests.checkpoints import gemma, llama
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.step_engine_driver import chat, has_ended, load, run_chat

pytestmark = pytest.mark.engines

KINDS = (
    chat("a", max_tokens=9),
    chat("fox " * 200, max_tokens=3),
    chat("hi", max_tokens=8, temperature=1.0, seed=3),
    chat("x", max_tokens=40, json_schema='{"enum": ["red", "blue"]}'),
    chat("y", max_tokens=12, stop=("w5", "a")),
)
COME, LEAVE, STEP = "come", "leave", "step"
LIVES = st.lists(st.tuples(st.sampled_from([COME, COME, LEAVE, STEP, STEP, STEP]), st.integers(0, 99)), max_size=40)


@pytest.fixture(scope="module", params=[llama.build, gemma.build_gemma3_text], ids=["llama", "gemma3"])
def engine(request: pytest.FixtureRequest, checkpoint: Callable[[CheckpointBuilder], Path]) -> StepEngine:
    """Two families whose caches work differently: all tokens, and a window of them."""
    return load(TextEngine(), {"model": checkpoint(request.param)})


@pytest.fixture(scope="module")
def alone(engine: StepEngine) -> list[ChatResult]:
    """Each kind's answer by itself."""
    return [run_chat(engine, kind) for kind in KINDS]


@pytest.mark.promise("chat:batching-changes-nothing")
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow])
@given(life=LIVES)
def test_any_order_of_coming_and_leaving_changes_no_answer(
    engine: StepEngine, alone: list[ChatResult], life: list[tuple[str, int]]
) -> None:
    running: dict[int, int] = {}
    answers: dict[int, tuple[int, object]] = {}

    def step() -> None:
        for job, outcome in engine.step():
            assert job in running, "nothing is heard of a job after its end"
            if has_ended([outcome]):
                answers[job] = running.pop(job), outcome

    for job, (deed, number) in enumerate(life):
        if deed == COME:
            running[job] = number % len(KINDS)
            engine.submit(job, KINDS[running[job]])
        elif deed == LEAVE and running:
            left = sorted(running)[number % len(running)]
            engine.cancel(left)
            del running[left]
        else:
            step()
    for _ in range(1000):
        if not running:
            break
        step()

    assert not running
    assert all(outcome == alone[kind] for kind, outcome in answers.values())
