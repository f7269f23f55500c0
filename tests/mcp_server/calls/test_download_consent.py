"""A call that needs a model that is not here: a person is asked, or the error says exactly how to get it."""

import sys
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult
from PIL import Image

from mcp_server.calls import jobs, questions
from mcp_server.calls.download_consent import question
from mcp_server.calls.downloads import DownloadFailed, PullProgress
from mcp_server.files.artifacts import ArtifactKind, ArtifactStore
from mcp_server.files.client import ClientConnection
from model_runtime.catalog.builtin_models import REAL_MODELS, licence_of
from model_runtime.errors import InvalidInput, ModelMissing
from model_runtime.media.image_encoding import encode_pillow
from model_runtime.media.provenance import Provenance, format_provenance
from model_runtime.requests import Speak, Task
from model_runtime.settings import Settings
from tests.fakes import FakeService, model_status
from tests.mcp_server.conftest import ProtocolMode, open_server
from tests.mcp_server.tools.test_tools import data_of, text_of

SENSES = str(Path(sys.executable).parent / "senses")
DRAWING = {"prompt": "a fox", "width": 64, "height": 64}


@dataclass(eq=False, slots=True)
class Hub:
    """Downloads models into the fake service."""

    service: FakeService
    asked: list[str] = field(default_factory=list)
    gate: anyio.Event | None = None
    problem: str = ""

    async def __call__(self, model: str, report: Callable[[PullProgress], None]) -> None:
        """Download half of it, wait for the gate, and then the rest."""
        self.asked.append(model)
        report(PullProgress(2_300_000_000, 4_600_000_000))
        if self.problem:
            raise DownloadFailed(self.problem)
        if self.gate is not None:
            await self.gate.wait()
        report(PullProgress(4_600_000_000, 4_600_000_000))
        self.service.error = None
        self.service.update_models(
            lambda models: [replace(one, present=True) if one.name == model else one for one in models]
        )


@dataclass(eq=False, slots=True)
class Person:
    """Answers what a client asks."""

    action: Literal["accept", "decline", "cancel"] = "accept"
    download: bool = True
    questions: list[str] = field(default_factory=list)

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        """Read the question and answer."""
        self.questions.append(params.message)
        content: Any = {"download": self.download} if self.action == "accept" else None
        return ElicitResult(action=self.action, content=content)


@pytest.fixture
def hub(service: FakeService) -> Hub:
    """A hub, and a service whose drawing model is not here."""
    service.update_models(
        lambda models: [
            replace(one, present=False, starter=False, description="FLUX.2-klein 4B", weights_bytes=4_620_000_000)
            if one.name == "image-starter"
            else one
            for one in models
        ]
    )
    service.error = ModelMissing("image-starter", 4_620_000_000, "senses pull image-starter", "Apache-2.0")
    return Hub(service)


@asynccontextmanager
async def asking(
    settings: Settings, hub: Hub, person: Person | None, mode: ProtocolMode = "auto"
) -> AsyncGenerator[Client]:
    """Open a client whose user is `person`; None: it cannot ask."""
    async with (
        open_server(hub.service, settings, ClientConnection(), downloader=hub) as server,
        Client(server, mode=mode, elicitation_callback=person) as client,
    ):
        yield client


async def draw(client: Client, **arguments: Any) -> CallToolResult:
    return await client.call_tool("generate_image", DRAWING | arguments)


@pytest.mark.promise("mcp:download-consent")
async def test_a_person_who_agrees_gets_the_download_and_then_the_result_of_the_same_call(
    settings: Settings, era: ProtocolMode, hub: Hub
) -> None:
    person = Person()
    async with asking(settings, hub, person, era) as client:
        data = data_of(await draw(client))

    (asked,) = person.questions
    assert asked == (
        "Download 4.6 GB? image-starter (FLUX.2-klein 4B) is not on this machine. "
        "It comes from Hugging Face, and the call goes on when it is here."
    )
    assert hub.asked == ["image-starter"]
    assert len(data["images"]) == 1


@dataclass(eq=False, slots=True)
class AbsentPerson(Person):
    """Comes back when a test says so."""

    is_back: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        """Answer late."""
        await self.is_back.wait()
        return await Person.__call__(self, context, params)


@pytest.mark.promise("consent:deadline")
async def test_a_question_about_a_download_that_nobody_answers_ends_with_the_command(
    settings: Settings, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "QUESTION_SECONDS", 0.01)
    person = AbsentPerson()

    async with asking(settings, hub, person, "legacy") as client:
        with anyio.fail_after(20):
            refused = await draw(client)
        person.is_back.set()

    assert "senses pull image-starter" in text_of(refused)
    assert hub.asked == []


async def test_a_picture_that_is_drawn_again_asks_for_its_model_or_names_the_call_that_does(
    settings: Settings, era: ProtocolMode, hub: Hub
) -> None:
    text = format_provenance(Provenance("a fox", "image-starter", 7, 4, 64, 64))
    png = encode_pillow(Image.new("RGB", (8, 8)), "png", provenance=text)
    drawn = ArtifactStore(settings.folders.artifacts).add(ArtifactKind.IMAGES, png)
    person = Person()

    async with asking(settings, hub, person, era) as client:
        result = await client.call_tool("regenerate", {"uri": drawn.uri})

    assert hub.asked == (["image-starter"] if era == "legacy" else [])
    assert result.is_error is (era == "auto")
    assert era == "legacy" or "Call generate_image with {'prompt': 'a fox', 'model': 'image-starter'" in text_of(result)


@pytest.mark.promise("mcp:download-consent")
async def test_the_call_goes_on_as_a_job_that_tells_how_far_the_download_is(
    settings: Settings, era: ProtocolMode, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.gate = anyio.Event()
    monkeypatch.setattr(jobs, "DEFAULT_CALL_TIMEOUT_SECONDS", 0.0)
    async with asking(settings, hub, Person(), era) as client:
        running = data_of(await draw(client))
        progress = data_of(await client.call_tool("get_job", {"job_id": running["job_id"], "wait_seconds": 0}))
        hub.gate.set()
        monkeypatch.undo()
        data = data_of(await client.call_tool("get_job", {"job_id": running["job_id"]}))

    assert progress["progress"] == "downloading image-starter: 2.3 of 4.6 GB"
    assert len(data["images"]) == 1


@pytest.mark.promise("mcp:download-consent")
@pytest.mark.parametrize("person", [Person("decline"), Person("accept", download=False)])
async def test_a_person_who_declines_gets_no_download(
    settings: Settings, era: ProtocolMode, hub: Hub, person: Person
) -> None:
    async with asking(settings, hub, person, era) as client:
        result = await draw(client)

    assert text_of(result).startswith("The user does not want to download image-starter now.")
    assert text_of(result).endswith("[code: download_declined]")
    assert (hub.asked, hub.service.requests) == ([], [])


@pytest.mark.promise("models:missing")
@pytest.mark.parametrize("person", [None, Person("cancel")])
async def test_without_an_answer_the_error_has_size_licence_tool_and_command(
    settings: Settings, era: ProtocolMode, hub: Hub, person: Person | None
) -> None:
    async with asking(settings, hub, person, era) as client:
        result = await draw(client)

    assert text_of(result) == (
        "The weights of image-starter (4.6 GB, Apache-2.0) are not on this machine. Run: "
        'download_model(model="image-starter") once the user agrees, or in a terminal '
        f"{SENSES} pull image-starter [code: model_missing]"
    )
    assert hub.asked == []


def test_a_question_has_the_size_the_model_and_its_licence_first() -> None:
    model = model_status("image-fast", Task.IMAGE, weights_bytes=4_620_000_000, description="FLUX.2-klein 4B: faster")

    assert question(model).startswith(
        "Download 4.6 GB? image-fast (FLUX.2-klein 4B: faster; licence Apache-2.0) is not"
    )


def test_every_model_that_can_be_downloaded_has_a_licence() -> None:
    assert all(licence_of(model.name) for model in REAL_MODELS)
    assert licence_of("someone/unknown") == ""


@pytest.mark.parametrize("name", ["tts-multilingual", "mlx-community/Kokoro-82M.v1"])
async def test_each_error_that_wants_a_download_names_the_tool_and_a_command_that_can_be_typed(
    settings: Settings, service: FakeService, name: str
) -> None:
    service.error = InvalidInput(f"Another model can (senses pull {name}). Or not.", param="text")
    async with asking(settings, Hub(service), None) as client:
        result = await client.call_tool("speak", {"text": "x"})

    assert text_of(result).startswith(
        f'Another model can (download_model(model="{name}") once the user agrees, or in a terminal '
        f"{SENSES} pull {name}). Or not. [code:"
    )


async def test_a_download_that_fails_fails_the_call_with_its_reason(settings: Settings, hub: Hub) -> None:
    hub.problem = "Hugging Face cannot be reached. Check the connection and pull again."
    async with asking(settings, hub, Person()) as client:
        result = await draw(client)

    assert text_of(result).startswith("Hugging Face cannot be reached.")
    assert hub.service.requests == []


async def test_nobody_is_asked_for_a_model_that_is_here_or_cannot_be_downloaded(
    settings: Settings, service: FakeService, hub: Hub
) -> None:
    person = Person()
    service.error = None
    async with asking(settings, hub, person) as client:
        await client.call_tool("speak", {"text": "x"})
        service.update_models(lambda models: [replace(one, error="It is damaged.") for one in models])
        await draw(client)
        unknown = await draw(client, model="gpt-9")

    assert person.questions == []
    assert text_of(unknown).startswith("There is no model 'gpt-9'.")


async def test_nobody_is_asked_for_a_voice_that_cannot_speak_the_language_of_the_text(
    settings: Settings, service: FakeService, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    person, service.error = Person(), None
    service.update_models(lambda models: [replace(one, present=False) for one in models])
    monkeypatch.setattr("mcp_server.tools.speak.LANGUAGES_BY_ALIAS", {"tts-starter": ("en",)})
    async with asking(settings, hub, person) as client:
        await client.call_tool("speak", {"text": "안녕하세요, 오늘 날씨가 좋네요."})
        asked_for_korean = list(person.questions)
        await client.call_tool("speak", {"text": "Good morning, the weather is nice today."})

    assert asked_for_korean == []
    assert len(person.questions) == 1
    assert [request.text[:4] for request in service.requests if isinstance(request, Speak)] == ["안녕하세", "Good"]


async def test_every_tool_of_a_model_asks(settings: Settings, hub: Hub, project: Path) -> None:
    person = Person("decline")
    hub.service.update_models(lambda models: [replace(one, present=False) for one in models])
    async with asking(settings, hub, person) as client:
        for tool, arguments in (
            ("describe_image", {"image": "red.png"}),
            ("generate_image", DRAWING),
            ("transcribe", {"audio": "beep.wav"}),
            ("speak", {"text": "x"}),
        ):
            await client.call_tool(tool, arguments)

    assert [question.split("? ")[1].split(" (")[0] for question in person.questions] == [
        "vlm-starter",
        "image-starter",
        "stt-starter",
        "tts-starter",
    ]
