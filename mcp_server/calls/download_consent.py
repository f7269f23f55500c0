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
class AgreedDownload:
    """The model that a person agrees to download before a call does its work; "" is none."""

    app: AppContext
    model: str = ""

    def before(self, function: JobFunction) -> JobFunction:
        """Return a job function that downloads the model and then does the work."""
        return partial(self._download_first, function) if self.model else function

    async def _download_first(self, function: JobFunction, job: ToolJob) -> CallToolResult:
        await download_for_job(self.app.download, self.model, job)
        return await function(job)


def agreed_download(app: AppContext, find_model: Callable[..., Awaitable[str]]) -> Resolve:
    """Return what fills a tool's parameter of type `AgreedDownload`, after a person has answered.

    `find_model` has arguments of the tool as its parameters and returns the name of the model that will answer; "" if
    that is not clear yet.
    """

    async def ask(ctx: ToolContext, name: Annotated[str, Resolve(find_model)]) -> Elicit[DownloadAnswer] | None:
        missing = _missing(app, name)
        return Elicit(question(missing), DownloadAnswer) if missing and sdk_compat.can_ask(ctx) else None

    async def agreed(
        name: Annotated[str, Resolve(find_model)], answer: Annotated[ElicitationResult[DownloadAnswer], Resolve(ask)]
    ) -> AgreedDownload:
        match answer:
            case AcceptedElicitation(data=DownloadAnswer(download=True)):
                return AgreedDownload(app, name)
            case DeclinedElicitation() | AcceptedElicitation(data=DownloadAnswer()):
                raise DownloadDeclined(
                    f"The user does not want to download {name} now. media_status has the models that are here; "
                    f"name one of them, or do without."
                )
            case _:  # nothing was asked, or nobody answered
                return AgreedDownload(app)

    return Resolve(agreed)


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


def _missing(app: AppContext, name: str) -> ModelStatus | None:
    """Return the model of this name if it can be downloaded and is not here."""
    model = app.service.model(name)
    return model if model and not model.present and not model.error and model.weights_bytes else None
