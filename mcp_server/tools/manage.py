"""media_status, get_job, cancel_job, download_model and manage_model: the tools that manage jobs and models.

Claude Desktop's model cannot read resources, so `media_status` returns their content.
"""

import functools
from typing import Annotated, Literal

from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls import sdk_compat
from mcp_server.calls.context import AppContext, ToolContext
from mcp_server.calls.downloads import download_for_job
from mcp_server.calls.jobs import ToolJob, call_timeout_seconds
from mcp_server.calls.registration import tool
from mcp_server.calls.result_types import FreeFormResult
from mcp_server.calls.results import LONG_TEXT_META, build_result
from mcp_server.calls.status_views import Section, read_status
from mcp_server.files.client import ClientConnection
from model_runtime.catalog.names import is_model_name
from model_runtime.errors import InvalidInput, UnknownModel
from model_runtime.service import resolve_any_task

ModelName = Annotated[str, Field(min_length=1)]
ManageAction = Literal["load", "unload", "pin", "unpin"]


def add_management_tools(server: MCPServer[ClientConnection], app: AppContext) -> None:
    """Register the tools."""

    @tool(server, title="Media status", read_only=True)
    async def media_status(ctx: ToolContext, section: Section = "now") -> CallToolResult:
        """Get what is loaded and running, and which models each tool can use now; a section has the details."""
        return build_result(FreeFormResult.model_validate(read_status(app, section)))

    @tool(server, title="Get a job's result", read_only=True, meta=LONG_TEXT_META)
    async def get_job(
        ctx: ToolContext,
        job_id: str,
        wait_seconds: Annotated[int, Field(ge=0, le=3600, description="Wait this long for the end")] = 45,
    ) -> CallToolResult:
        """Get the result of a call that answered with status "running": the same result as the tool's own, or
        "running" again."""
        max_wait_seconds = call_timeout_seconds(sdk_compat.client_name(ctx), -1) or 3600.0
        timeout_seconds = min(wait_seconds, max_wait_seconds)
        job = app.jobs.get(job_id)
        if job is None:
            return await app.jobs.find_result(job_id)
        return await app.job_result(ctx, job, timeout_seconds, cancel_with_caller=False)

    @tool(server, title="Cancel a job", idempotent=True)
    async def cancel_job(ctx: ToolContext, job_id: str) -> CallToolResult:
        """Stop a running job: a job_id from a result, or the id of a request in media_status."""
        job = app.jobs.get(job_id)
        if job is None:
            if not (job_id.isdecimal() and app.service.cancel(int(job_id))):
                raise InvalidInput(
                    f"No job {job_id} waits or runs; media_status lists those that do.",
                    code="not_found",
                )
            return _free_form_result(job_id=job_id, state="cancelled")
        job.cancel()
        await job.finished.wait()
        return _free_form_result(job_id=job_id, state=job.state)

    @tool(
        server,
        title="Download a model",
        idempotent=True,
        open_world=True,
        meta={"anthropic/requiresUserInteraction": True},
    )
    async def download_model(ctx: ToolContext, model: ModelName) -> CallToolResult:
        """Download a model's weights from Hugging Face: gigabytes, so ask the user first."""
        _require_downloadable(app, model)
        return await app.run_job(ctx, "download_model", -1, functools.partial(_download, app, model))

    @tool(server, title="Manage a model", idempotent=True)
    async def manage_model(ctx: ToolContext, action: ManageAction, model: ModelName) -> CallToolResult:
        """Load or unload a model, or pin it so that it stays in memory. Rarely needed: models load when used and leave
        when idle."""
        model_name = await resolve_any_task(app.service, model)
        return await app.run_job(ctx, "manage_model", -1, functools.partial(_manage, app, action, model_name))


def _require_downloadable(app: AppContext, name: str) -> None:
    """Check that a name can be an alias or a repository id before it becomes an argument of a process.

    Raises:
        UnknownModel: it is neither.
    """
    known = [model.name for model in app.service.status().models]
    if name not in known and not is_model_name(name):
        raise UnknownModel(name, known)


async def _manage(app: AppContext, action: ManageAction, model_name: str, job: ToolJob) -> CallToolResult:
    if action == "load":
        job.progress.set_message(f"loading {model_name}")
        await app.service.load(model_name)
        return _free_form_result(model=model_name, state="ready")
    if action == "unload":
        job.progress.set_message(f"unloading {model_name} after its running requests")
        freed_bytes = await app.service.unload(model_name)
        return _free_form_result(model=model_name, state="absent", freed_mb=round(freed_bytes / 1e6))
    app.service.pin(model_name, action == "pin")
    return _free_form_result(model=model_name, pinned=action == "pin")


async def _download(app: AppContext, model: str, job: ToolJob) -> CallToolResult:
    size_bytes = await download_for_job(app.download, model, job)
    return _free_form_result(model=model, downloaded=True, size_gb=round(size_bytes / 1e9, 2))


def _free_form_result(**fields: object) -> CallToolResult:
    return build_result(FreeFormResult.model_validate(fields))
