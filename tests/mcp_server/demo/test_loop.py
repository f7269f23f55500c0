"""The loop over the fake runtime, which hears "a red circle" and sees one whatever it is given."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import cast

import anyio.to_thread
import pytest
from mcp import Client, MCPError
from PIL import Image

from mcp_server.cli.demo import given_folder, new_folder, plan_run, run_demo
from mcp_server.demo import agent as agents
from mcp_server.demo.agent import DaemonNotReached, DemoClient
from mcp_server.demo.loop import SENTENCES, DemoRun, models_for
from mcp_server.demo.real import RealModelMissing, require_real_models
from mcp_server.demo.trip import RoundTrip, Sense
from mcp_server.files.client import ClientConnection
from model_runtime.errors import Cancelled, InvalidInput, OperationFailed
from model_runtime.events import Event, Finished, Timings, TranscriptionResult
from model_runtime.requests import GenerateImage, Request, Task, Transcribe, task_of
from model_runtime.settings import Settings
from starter_world import grammar
from tests.fakes import FakeService, model_status
from tests.mcp_server.conftest import open_server

Connect = Callable[[Path], AbstractAsyncContextManager[DemoClient]]


class Picky(FakeService):
    """The fake runtime; `upset` looks at each request first and may raise."""

    def __init__(self, upset: Callable[[Request], None]) -> None:
        super().__init__()
        self.upset = upset

    async def run(
        self,
        request: Request,
        *,
        client: str = "",
        keep_alive_seconds: float | None = None,
        request_id: int | None = None,
    ) -> AsyncGenerator[Event]:
        """Serve what is acceptable."""
        self.upset(request)
        async for event in super().run(request, client=client, keep_alive_seconds=keep_alive_seconds):
            yield event


class Deaf(FakeService):
    """The fake runtime that hears no words."""

    async def run(
        self,
        request: Request,
        *,
        client: str = "",
        keep_alive_seconds: float | None = None,
        request_id: int | None = None,
    ) -> AsyncGenerator[Event]:
        """Hear nothing."""
        async for event in super().run(request, client=client, keep_alive_seconds=keep_alive_seconds):
            silent = isinstance(request, Transcribe) and isinstance(event, Finished)
            yield Finished(request.model, TranscriptionResult("", "en", 0.3, ()), Timings(0, 0, 0)) if silent else event


def over(service: FakeService, settings: Settings) -> Connect:
    """Connections to a server over the fake runtime."""

    @asynccontextmanager
    async def connect(folder: Path) -> AsyncGenerator[DemoClient]:
        async with (
            open_server(service, settings, ClientConnection(folder, (folder,))) as server,
            Client(server) as client,
        ):
            yield DemoClient(client)

    return connect


async def shown(run: DemoRun, connect: Connect) -> tuple[list[RoundTrip], str]:
    """Run the demo; return its trips and what it printed."""
    said: list[str] = []
    trips = await anyio.to_thread.run_sync(run_demo, run, said.append, connect)
    return trips, "\n".join(said)


def names(folder: Path) -> set[str]:
    """What a folder holds."""
    return {path.name for path in folder.iterdir()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the demo is kept."""
    return given_folder(tmp_path / "demo")


async def test_a_sentence_goes_round_and_everything_is_kept(settings: Settings, folder: Path) -> None:
    run = DemoRun(folder, ("a red circle", "a blue square"))

    trips, said = await shown(run, over(FakeService(), settings))

    assert [trip.is_meaning_kept for trip in trips] == [True, False]
    steps = {
        f"{number}-{name}" for number in ("01", "02") for name in ("said.wav", "heard.txt", "drawn.png", "seen.txt")
    }
    assert names(folder) == steps
    assert (folder / "01-seen.txt").read_text() == "A red circle on a white background.\n"
    assert "1  a red circle\n" in said
    assert "  a red circle  ✓\n" in said
    assert "  A red circle on a white background.  ✗\n" in said
    assert "1 of 2 came back with the same meaning" in said
    assert "The built-in starter models did this" in said
    assert f"Recordings, pictures and texts: {folder}" in said


@pytest.mark.promise("demo:goes-on")
async def test_a_step_that_fails_is_told_and_the_other_sentences_go_on(settings: Settings, folder: Path) -> None:
    drawings = iter([OperationFailed("The brush broke.")])

    def upset(request: Request) -> None:
        if isinstance(request, GenerateImage) and (failure := next(drawings, None)):
            raise failure

    trips, said = await shown(DemoRun(folder, ("a red circle",) * 2), over(Picky(upset), settings))

    assert "The brush broke." in trips[0].error
    assert [step.sense for step in trips[0].steps] == ["said", "heard", "drawn"]
    assert [trip.is_meaning_kept for trip in trips] == [False, True]
    assert "The brush broke." in said
    assert "1 ended early" in said


async def test_where_no_words_are_heard_nothing_is_drawn(settings: Settings, folder: Path) -> None:
    trips, _ = await shown(DemoRun(folder, ("a red circle",)), over(Deaf(), settings))

    assert trips[0].error == "No words were heard, so there is nothing to draw."
    assert trips[0].step(Sense.DRAWN) is None


@pytest.mark.promise("demo:keeps")
async def test_ctrl_c_leaves_what_is_there(settings: Settings, folder: Path) -> None:
    connections = iter([over(FakeService(), settings)])

    def connect(place: Path) -> AbstractAsyncContextManager[DemoClient]:
        for connection in connections:
            return connection(place)
        raise KeyboardInterrupt

    with pytest.raises(Cancelled, match=f"The results so far are in {folder}"):
        await shown(DemoRun(folder, ("a red circle",) * 2), connect)

    assert names(folder) == {"01-said.wav", "01-heard.txt", "01-drawn.png", "01-seen.txt"}


@pytest.mark.process
async def test_a_daemon_that_cannot_start_is_explained_in_its_own_words(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim = tmp_path / "shim"
    shim.write_text("#!/bin/sh\necho the disk is full >&2\nexit 1\n")
    shim.chmod(0o755)
    monkeypatch.setattr(agents, "shim_command", lambda: str(shim))

    with pytest.raises(DaemonNotReached, match=r"(?s)the disk is full.*senses doctor"):
        await shown(DemoRun(folder, ("a red circle",)), agents.connect_through_shim)

    assert folder.name not in names(folder.parent)


async def test_a_call_whose_connection_breaks_fails_in_a_sentence() -> None:
    class Broken:
        async def call_tool(self, *arguments: object, **options: object) -> None:
            raise MCPError(-32000, "Connection closed")

    agent = DemoClient(cast(Client, Broken()))

    called = await agent.call("speak", text="a red circle")

    assert called.error == "Connection closed. `senses status` shows the folder of the log."


async def test_each_sense_may_have_a_model_of_its_own(settings: Settings, folder: Path) -> None:
    service = FakeService()

    models = models_for(("", "stt-starter", "", "nobody"), starters=False)
    trips, _ = await shown(DemoRun(folder, ("a red circle",), models), over(service, settings))

    assert models == {Sense.SAID: "auto", Sense.HEARD: "stt-starter", Sense.DRAWN: "auto", Sense.SEEN: "nobody"}
    assert "There is no model 'nobody'" in trips[0].error
    assert set(models_for(("",) * 4, starters=True).values()) == {request.model for request in service.requests} | {
        "vlm-starter"
    }


@pytest.mark.promise("demo:keeps")
def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep me")

    made = {new_folder(tmp_path) for _ in range(3)}

    assert len(made) == 3
    with pytest.raises(InvalidInput, match="is not empty, and the demo overwrites nothing"):
        given_folder(tmp_path / "mine")
    with pytest.raises(InvalidInput, match="is a file; name a folder"):
        given_folder(tmp_path / "mine" / "notes.txt")


def test_no_sentence_of_the_demo_was_in_a_lesson() -> None:
    assert all(grammar.is_held_out(sentence) and grammar.parse(sentence) for sentence in SENTENCES)


def real_models(service: FakeService) -> FakeService:
    """Let the models that speak and hear be real, and add one that reads what the fake says of every picture."""
    service.models = (
        *(replace(model, starter=model.task is Task.VISION) for model in service.models),
        model_status("ocr-fast", Task.VISION, starter=False, default=False),
    )
    return service


@pytest.mark.promise("demo:real")
async def test_real_models_speak_hear_and_read_the_rendered_words(settings: Settings, folder: Path) -> None:
    service = real_models(FakeService())
    run = replace(plan_run(settings, folder, 6, ("",) * 4, starters=False, real=True), sentences=("A red circle.",))

    trips, said = await shown(run, over(service, settings))

    assert [task_of(request) for request in service.requests] == [Task.SPEECH, Task.TRANSCRIPTION, Task.VISION]
    assert service.requests[-1].model == "ocr-fast"
    assert names(folder) == {"01-said.wav", "01-heard.txt", "01-drawn.png", "01-seen.txt"}
    with Image.open(folder / "01-drawn.png") as page:
        assert page.convert("L").getextrema() == (0, 255)
    assert trips[0].keeps_meaning(Sense.HEARD)
    assert f"Recordings, pictures and texts: {folder}" in said


@pytest.mark.promise("demo:real")
async def test_without_real_models_the_command_that_gets_them_is_told_before_anything_is_said(
    settings: Settings, folder: Path
) -> None:
    service = FakeService()
    run = plan_run(settings, folder, 6, ("",) * 4, starters=False, real=True)

    with pytest.raises(
        RealModelMissing, match="no real model for speech.*Get one: make models, and start `make serve`"
    ):
        await shown(run, over(service, settings))

    assert service.requests == []
    assert folder.name not in names(folder.parent)


@pytest.mark.promise("demo:real")
def test_a_default_model_that_is_not_downloaded_is_named_with_its_download() -> None:
    speech = {"task": "speech", "default": True, "downloaded": False, "get_it": "senses pull tts-fast"}
    hearing = {"task": "transcription", "default": True, "downloaded": True}

    with pytest.raises(RealModelMissing, match=r"Get one: senses pull tts-fast\. Without"):
        require_real_models([speech, hearing], {})

    require_real_models([speech, hearing], {Sense.SAID: "mine"})


@pytest.mark.parametrize(("names_of_models", "starters"), [(("", "", "image-fast", ""), False), (("",) * 4, True)])
def test_real_models_neither_draw_nor_are_starters(
    settings: Settings, folder: Path, names_of_models: tuple[str, ...], starters: bool
) -> None:
    with pytest.raises(InvalidInput, match="leave out --starters and --draw"):
        plan_run(settings, folder, 6, names_of_models, starters=starters, real=True)
