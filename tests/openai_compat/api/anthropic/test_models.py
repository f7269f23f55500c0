"""The list of models as each kind of client reads it."""

from dataclasses import replace

import anthropic
import httpx2
import pytest
from anthropic import AsyncAnthropic

from model_runtime.requests import Task
from tests.fakes import FakeService, model_status


@pytest.fixture
def service() -> FakeService:
    """Three models that chat, the last of which tells how much it reads, and the starters of other tasks."""
    fake = FakeService()
    chats = [model_status(name, Task.TEXT, default=False, starter=False) for name in ("one", "two")]
    fake.models = (*fake.models, *chats)
    fake.models = tuple(replace(model, context_tokens=8192) if model.name == "two" else model for model in fake.models)
    return fake


@pytest.mark.promise("anthropic:models")
async def test_the_official_client_lists_what_chats(claude: AsyncAnthropic) -> None:
    models = [model async for model in claude.models.list()]

    assert [model.id for model in models] == ["vlm-starter", "one", "two"]
    assert [model.max_input_tokens for model in models] == [None, None, 8192]
    assert models[0].display_name == "a fake"
    assert models[0].lifecycle == "active"


@pytest.mark.promise("anthropic:models")
async def test_a_list_is_read_by_pages(claude: AsyncAnthropic) -> None:
    paged = [model.id async for model in claude.models.list(limit=2)]
    first = await claude.models.list(limit=2)
    before = await claude.models.list(limit=1, before_id="two")

    assert paged == ["vlm-starter", "one", "two"]
    assert (first.has_more, first.first_id, first.last_id) == (True, "vlm-starter", "one")
    assert [model.id for model in before.data] == ["one"]


@pytest.mark.promise("anthropic:models")
async def test_one_model_has_the_name_that_was_asked_for(claude: AsyncAnthropic) -> None:
    model = await claude.models.retrieve("best")

    assert (model.id, model.type) == ("best", "model")
    with pytest.raises(anthropic.NotFoundError, match="There is no model 'none'"):
        await claude.models.retrieve("none")


async def test_openais_clients_see_their_own_list(http: httpx2.AsyncClient) -> None:
    listed = (await http.get("/v1/models")).json()

    assert listed["object"] == "list"
    assert "image-starter" in [model["id"] for model in listed["data"]]
