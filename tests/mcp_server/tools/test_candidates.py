"""Several candidates are drawn, a vision model looks at each, and the best are kept."""

import json
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from llguidance import LLMatcher
from mcp import Client

from mcp_server.calls import judging
from mcp_server.calls.judging import Judge, Judgement, best_first
from mcp_server.files.client import ClientConnection
from model_runtime.errors import JobFailed, SensesError
from model_runtime.events import Event
from model_runtime.requests import Chat, GenerateImage, Request, Task
from model_runtime.settings import Settings
from tests.fakes import FakeService, model_status
from tests.mcp_server.conftest import open_server
from tests.mcp_server.tools.test_tools import data_of

PROMPT = "a red circle above a blue square"


class Onlooker(FakeService):
    """Says one answer for each picture that it is shown; with `failure` it fails, with a `pause` it waits for it."""

    def __init__(self, *answers: str, starter: bool = True) -> None:
        super().__init__()
        self.answers = list(answers)
        self.failure: SensesError | None = None
        self.pause: anyio.Event | None = None
        self.looking, self.left = anyio.Event(), anyio.Event()
        if not starter:
            self.models = (model_status("vlm-starter", Task.VISION, starter=False),)

    async def run(self, request: Request, **options: Any) -> AsyncGenerator[Event]:
        """Answer chats from the list."""
        if isinstance(request, Chat):
            self.answer_parts = (self.answers.pop(0),) if self.answers else ()
            self.error, self.gate = self.failure, self.pause
            self.looking.set()
        try:
            async with aclosing(super().run(request, **options)) as events:
                async for event in events:
                    yield event
        finally:
            if isinstance(request, Chat):
                self.left.set()

    @property
    def chats(self) -> list[Chat]:
        """The questions that were asked."""
        return [request for request in self.requests if isinstance(request, Chat)]


Watch = Callable[[Onlooker], AbstractAsyncContextManager[Client]]


@pytest.fixture
def watch(settings: Settings, project: Path) -> Watch:
    """Open a client over the given service."""

    @asynccontextmanager
    async def open_client(service: Onlooker) -> AsyncGenerator[Client]:
        connection = ClientConnection(project, (project,))
        async with open_server(service, settings, connection) as server, Client(server) as client:
            yield client

    return open_client


async def draw(client: Client, **arguments: Any) -> dict[str, Any]:
    sizes = {"prompt": PROMPT, "width": 64, "height": 64, "seed": 10}
    return data_of(await client.call_tool("generate_image", sizes | arguments))


@pytest.mark.promise("mcp:candidates")
async def test_the_best_of_four_is_returned_and_the_others_stay_among_the_results(watch: Watch) -> None:
    service = Onlooker(
        "A blue square above a red circle.",
        "A red circle.",
        "A red circle above a blue square.",
        "A green circle above a blue square.",
    )

    async with watch(service) as client:
        data = await draw(client, candidates=4, keep=1)
        resources = {str(resource.uri) for resource in (await client.list_resources()).resources}

    (best,) = data["images"]
    assert (best["seed"], best["score"]) == (12, 100)
    assert best["verdict"] == "It shows: A red circle above a blue square."
    assert data["judge"] == "vlm-starter"
    assert [other["seed"] for other in data["others"]] == [13, 11, 10]
    assert all(other["verdict"] and other["score"] < 100 for other in data["others"])
    assert {other["uri"] for other in data["others"]} < resources


async def test_a_real_model_is_asked_for_a_score_and_its_reason(watch: Watch) -> None:
    service = Onlooker('{"verdict": "no square", "score": 40}', '{"verdict": "all there", "score": 95}', starter=False)

    async with watch(service) as client:
        data = await draw(client, candidates=2)

    assert data["images"][0]["verdict"] == "all there"
    assert [(other["score"], other["verdict"]) for other in data["others"]] == [(40, "no square")]
    for chat in service.chats:
        assert json.loads(chat.json_schema)["required"] == ["verdict", "score"]
        assert PROMPT in str(chat.messages[0].content[-1])


async def test_all_are_drawn_before_the_first_is_judged_so_that_each_model_loads_once(watch: Watch) -> None:
    service = Onlooker("A red circle.", "A red circle.", "A red circle.")

    async with watch(service) as client:
        await draw(client, candidates=3)

    assert [type(request) for request in service.requests] == [GenerateImage] * 3 + [Chat] * 3


async def test_several_can_be_kept_the_best_under_the_name_that_was_asked_for(watch: Watch, project: Path) -> None:
    service = Onlooker("A red circle.", "A red circle above a blue square.", "A red ring above a blue square.")

    async with watch(service) as client:
        data = await draw(client, candidates=3, count=2, output_path="best.png")

    assert [image["seed"] for image in data["images"]] == [11, 12]
    assert [Path(image["path"]).name for image in data["images"]] == ["best.png", "best-2.png"]
    assert not (project / "best-3.png").exists()


async def test_nobody_looks_where_all_are_kept(watch: Watch) -> None:
    service = Onlooker()

    async with watch(service) as client:
        data = await draw(client, candidates=2, count=2)

    assert len(data["images"]) == 2
    assert "judge" not in data
    assert service.chats == []


async def test_whoever_waits_hears_which_picture_is_judged(watch: Watch) -> None:
    heard = anyio.Event()

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        if (message or "").startswith("judging picture 1/2"):
            heard.set()

    service = Onlooker("A red circle.", "A red circle.")
    service.pause = anyio.Event()
    async with watch(service) as client, anyio.create_task_group() as group:
        arguments = {"prompt": PROMPT, "candidates": 2}
        group.start_soon(lambda: client.call_tool("generate_image", arguments, progress_callback=hear))
        with anyio.fail_after(10):
            await heard.wait()
        service.pause.set()


async def test_a_cancelled_call_ends_the_judging(watch: Watch) -> None:
    service = Onlooker("A red circle.", "A red circle.")
    service.pause = anyio.Event()

    async with watch(service) as client:
        async with anyio.create_task_group() as group:
            group.start_soon(client.call_tool, "generate_image", {"prompt": PROMPT, "candidates": 2})
            await service.looking.wait()
            group.cancel_scope.cancel()
        with anyio.fail_after(10):
            await service.left.wait()

    assert [type(request) for request in service.cancelled_requests] == [Chat]
    assert len(service.chats) == 1


async def test_pictures_that_cannot_be_judged_are_not_lost(watch: Watch) -> None:
    service = Onlooker("A red circle.")
    service.failure = JobFailed("The model ran out of memory.")

    async with watch(service) as client:
        data = await draw(client, candidates=2)

    assert [image["seed"] for image in data["images"]] == [10]
    assert [other["seed"] for other in data["others"]] == [11]
    assert any("not judged" in warning and "ran out of memory" in warning for warning in data["warnings"])


def test_a_judge_that_knows_only_shapes_says_so_of_other_pictures() -> None:
    judge = Judge("vlm-starter", is_starter=True)

    assert "means nothing" in judge.warnings(drawn_by_starter=False)[0]
    assert judge.warnings(drawn_by_starter=True) == Judge("vlm-fast", is_starter=False).warnings(drawn_by_starter=False)


@pytest.mark.parametrize(
    ("answer", "judgement"),
    [
        ('{"verdict": "fine", "score": 80}', Judgement(80, "fine")),
        ('{"verdict": "fine", "score": 800}', Judgement(100, "fine")),
        ('{"verdict": "fine", "sc', Judgement(0, "vlm-fast gave no judgement.")),
        ("[]", Judgement(0, "vlm-fast gave no judgement.")),
        ('{"verdict": "fine", "score": null}', Judgement(0, "vlm-fast gave no judgement.")),
    ],
)
def test_an_answer_that_is_no_judgement_scores_nothing(answer: str, judgement: Judgement) -> None:
    assert Judge("vlm-fast", is_starter=False).read(PROMPT, answer) == judgement


def test_equal_pictures_stay_in_the_order_in_which_they_were_drawn() -> None:
    judgements = [Judgement(score, "") for score in (50, 90, 50, 90)]

    assert best_first(judgements) == [1, 3, 0, 2]


def test_the_schema_of_a_judgement_can_be_enforced() -> None:
    grammar = LLMatcher.grammar_from_json_schema(judging.SCHEMA)

    assert LLMatcher.validate_grammar(grammar) == ""
