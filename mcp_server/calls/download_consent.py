"""Consent to a download: a person is asked before a call fetches gigabytes for a model that is not here.

The SDK asks in the way of the connection's protocol era. A client that cannot ask, or gives the question back
unanswered, gets the error that names the tool and the command for the download.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated

from mcp.server.mcpserver import AcceptedElicitation, DeclinedElicitation, Elicit, ElicitationResult, Resolve
from mcp_types import CallToolResult
from pydantic import BaseModel, Field

from mcp_server.calls import sdk_compat
from mcp_server.calls.context import AppContext, ToolContext
from mcp_server.calls.downloads import download_for_job
from mcp_server.calls.jobs import JobFunction, ToolJob
from mcp_server.calls.questions import ask_person
from model_runtime.catalog.builtin_models import licence_of
from model_runtime.errors import OperationFailed
from model_runtime.requests import Task
from model_runtime.sizes import format_bytes
from model_runtime.status import ModelStatus


class DownloadAnswer(BaseModel):
    """What a person answers."""

    download: bool = Field(default=True, title="Download it now")


class DownloadDeclined(OperationFailed):
    """A person does not want the download that a call needs."""

    code = "download_declined"


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """The model that answers a call; `is_wanted`: a person agrees to download it before."""

    app: AppContext
    name: str
    is_wanted: bool

    def before(self, function: JobFunction) -> JobFunction:
        """Return a job function that downloads the model, if that is agreed, and then does the work."""
        return partial(self._download_first, function) if self.is_wanted else function

    async def _download_first(self, function: JobFunction, job: ToolJob) -> CallToolResult:
        await download_for_job(self.app.download, self.name, job)
        return await function(job)


def chosen_model(app: AppContext, find_model: Callable[..., Awaitable[str]]) -> Resolve:
    """Return what fills a tool's parameter of type `ChosenModel`, after a person has answered.

    `find_model` has arguments of the tool as its parameters and returns the name of the model that will answer; "" if
    that is not clear yet.
    """

    async def ask(
        ctx: ToolContext, name: Annotated[str, Resolve(find_model)]
    ) -> Elicit[DownloadAnswer] | DownloadAnswer | None:
        if not (_is_missing(app, name) and sdk_compat.can_ask(ctx)):
            return None
        known = app.service.status().model(name)
        return await ask_person(ctx, question(known), DownloadAnswer, DownloadAnswer(download=False)) if known else None

    async def chosen(
        name: Annotated[str, Resolve(find_model)], answer: Annotated[ElicitationResult[DownloadAnswer], Resolve(ask)]
    ) -> ChosenModel:
        match answer:
            case AcceptedElicitation(data=DownloadAnswer(download=True)):
                return ChosenModel(app, name, is_wanted=True)
            case DeclinedElicitation() | AcceptedElicitation(data=DownloadAnswer()):
                raise DownloadDeclined(
                    f"The user does not want to download {name} now. media_status has the models that are here; "
                    f"name one of them, or do without."
                )
            case _:  # nothing was asked, or nobody answered
                return ChosenModel(app, name, is_wanted=False)

    return Resolve(chosen)


def model_of_task(app: AppContext, task: Task) -> Callable[[str], Awaitable[str]]:
    """Return the `find_model` of a tool whose argument `model` alone decides which model answers."""

    async def find_model(model: str) -> str:
        return await app.service.resolve(model, task)

    return find_model


def question(model: ModelStatus) -> str:
    """Return the question about a model that is missing."""
    licence = licence_of(model.name)
    about = "; ".join(filter(None, [model.description, f"licence {licence}" if licence else ""]))
    return (
        f"Download {format_bytes(model.weights_bytes)}? {model.name} ({about}) is not on this machine. "
        "It comes from Hugging Face, and the call goes on when it is here."
    )


def _is_missing(app: AppContext, name: str) -> bool:
    """Return whether the model of this name can be downloaded and is not here."""
    info = app.service.model_info(name)
    return info is not None and not info.present and not info.broken_reason and info.weights_bytes > 0
