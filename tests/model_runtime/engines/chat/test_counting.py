"""Counting the tokens of a prompt: as many as the answer to it tells, also without the weights."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import pytest

from model_runtime.engines.text.model import TextEngine
from model_runtime.engines.vision.model import VisionEngine
from model_runtime.events import ChatResult
from model_runtime.loading import LoadSpec
from model_runtime.requests import Chat, Message
from tests.checkpoints import gemma, llama, moondream2, qwen25_vl
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.step_engine_driver import load, run_chat, solid_picture

pytestmark = pytest.mark.engines

RED = solid_picture(60, 90, (220, 30, 30))
TALK = (
    Message("system", ("Be short.",)),
    Message("user", ("Describe the picture.",)),
    Message("assistant", ("A red square.",)),
    Message("user", ("How many objects are in it?",)),
)
LOOK = (Message("user", (RED, "What is this?")),)
FAMILIES: dict[str, tuple[type[TextEngine | VisionEngine], CheckpointBuilder, tuple[Message, ...]]] = {
    "llama": (TextEngine, llama.build_scripted, TALK),
    "gemma3 text": (TextEngine, gemma.build_gemma3_text, TALK),
    "qwen2.5-vl": (VisionEngine, qwen25_vl.build, (*TALK, Message("assistant", ("One.",)), *LOOK)),
    "gemma3": (VisionEngine, gemma.build_gemma3, LOOK),
    "moondream2": (VisionEngine, moondream2.build, LOOK),
}


@pytest.fixture(params=FAMILIES)
def family(
    request: pytest.FixtureRequest, checkpoint: Callable[[CheckpointBuilder], Path]
) -> tuple[type[TextEngine | VisionEngine], dict[str, Path], Chat]:
    """The engine, the folders and a conversation of each family in turn."""
    engine, build, messages = FAMILIES[request.param]
    folders = {"model": checkpoint(build), "tokenizer": checkpoint(moondream2.build_tokenizer)}
    return engine, folders, Chat("a-model", messages, max_tokens=1)


@pytest.mark.promise("anthropic:count-tokens")
def test_a_prompt_is_counted_as_it_is_read_without_reading_the_weights(
    family: tuple[type[TextEngine | VisionEngine], dict[str, Path], Chat],
) -> None:
    kind, folders, chat = family
    counter = kind()
    spec = LoadSpec("a-model", "an-engine", {role: str(folder) for role, folder in folders.items()}, evaluate=False)
    bytes_before = mx.get_active_memory()
    loaded = counter.load(spec, lambda _stage, _fraction: None)
    bytes_read = mx.get_active_memory() - bytes_before

    counted = run_chat(counter, replace(chat, counts_only=True))
    answered = run_chat(load(kind(), folders), chat)

    assert (counted.prompt_tokens, counted.completion_tokens, counted.text) == (answered.prompt_tokens, 0, "")
    assert counted.prompt_tokens > 10
    assert bytes_read < loaded.weights_bytes / 2


def test_a_count_beside_a_running_answer_disturbs_nothing(checkpoint: Callable[[CheckpointBuilder], Path]) -> None:
    engine = load(TextEngine(), {"model": checkpoint(llama.build_scripted)})
    chat = Chat("a-model", TALK, max_tokens=5)
    alone = run_chat(engine, chat)

    engine.submit(1, chat)
    outputs = engine.step()
    engine.submit(2, replace(chat, counts_only=True))
    engine.submit(3, replace(chat, counts_only=True))
    engine.cancel(3)
    while not any(job == 1 and isinstance(output, ChatResult) for job, output in outputs):
        outputs += engine.step()

    assert [output for job, output in outputs if job == 2] == [ChatResult("", "stop", alone.prompt_tokens, 0)]
    assert not [output for job, output in outputs if job == 3]
    assert (1, alone) in outputs
