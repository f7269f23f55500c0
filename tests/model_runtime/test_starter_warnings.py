"""A starter's answer carries what the runtime doubted before it was asked, on every kind of request."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from model_runtime.catalog.model import Model
from model_runtime.events import ChatResult, Finished, TextDelta
from model_runtime.media.types import Audio
from model_runtime.requests import GenerateImage, Request, Speak, Task, Transcribe
from model_runtime.settings import Settings
from model_runtime.validation.starter_vocabulary import WORDS_FILE
from tests.model_runtime.calls import chat, run_request
from tests.model_runtime.library import ScriptedCatalog, open_runtime, scripted_model

pytestmark = pytest.mark.process


class StarterCatalog(ScriptedCatalog):
    """One starter that does what scripts say and knows the words in a folder."""

    def __init__(self, task: Task, folder: Path) -> None:
        super().__init__(replace(scripted_model("m", task), starter=True))
        self._folder = folder
        (folder / WORDS_FILE).write_text("say\nred\n", encoding="utf-8")

    def folders(self, model: Model) -> Mapping[str, Path]:
        """The one folder."""
        return {"model": self._folder}


async def finished(settings: Settings, catalog: ScriptedCatalog, request: Request) -> Finished:
    """The last event of a request."""
    async with open_runtime(settings, catalog) as runtime:
        *_, last = await run_request(runtime, request)
    assert isinstance(last, Finished)
    return last


@pytest.mark.promise("starters:unknown-words-told")
@pytest.mark.parametrize(
    ("task", "request_"),
    [
        (Task.TEXT, chat("say red giraffe")),
        (Task.IMAGE, GenerateImage("m", "say red giraffe", 8, 8, 7, steps=1)),
        (Task.TRANSCRIPTION, Transcribe("m", Audio(16_000, bytes(32_000)), prompt="say red giraffe")),
        (Task.SPEECH, Speak("m", "say red giraffe")),
    ],
)
async def test_the_answer_to_every_kind_of_request_warns(
    settings: Settings, tmp_path: Path, task: Task, request_: Request
) -> None:
    last = await finished(settings, StarterCatalog(task, tmp_path), request_)

    (warning,) = last.result.warnings
    assert last.starter
    assert warning.startswith('Outside what the starter model knows: "giraffe". m ')


async def test_a_streamed_answer_ends_with_the_warning(settings: Settings, tmp_path: Path) -> None:
    async with open_runtime(settings, StarterCatalog(Task.TEXT, tmp_path)) as runtime:
        events = await run_request(runtime, chat("say red giraffe"))

    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == "red giraffe"
    assert isinstance(events[-1], Finished)
    assert isinstance(events[-1].result, ChatResult)
    assert len(events[-1].result.warnings) == 1


async def test_what_a_starter_knows_brings_no_warning(settings: Settings, tmp_path: Path) -> None:
    last = await finished(settings, StarterCatalog(Task.TEXT, tmp_path), chat("say red"))

    assert last.result.warnings == ()
