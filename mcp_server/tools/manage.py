"""media_status, get_job, cancel_job and manage_model: what a model needs to know and do around the four media tools.

Claude Desktop's model cannot read resources, so what they say is a tool too.
"""

import functools
from typing import Annotated, Literal

from mcp.server import MCPServer
from mcp_types import CallToolResult
from pydantic import Field

from mcp_server.calls import sdk_compat
from mcp_server.calls.context import Desk, ToolContext, tool
from mcp_server.calls.downloads import Downloaded
from mcp_server.calls.jobs import Work, attend, deadline_seconds
from mcp_server.calls.progress import Meter
from mcp_server.calls.results import Report, answer
from mcp_server.calls.status_views import Section, status_of
from mcp_server.files.client import Caller
from model_runtime.errors import InvalidInput
from model_runtime.service import resolve_any

Action = Literal["download", "load", "unload", "pin", "unpin"]


def add_control(server: MCPServer[Caller], desk: Desk) -> None:
    """Register the tools."""

    @tool(server, title="Media status", reads=True)
    async def media_status(ctx: ToolContext, section: Section = "all") -> CallToolResult:
        """Tell which local models exist and are downloaded or loaded, the voices, the memory budget and what is
        running."""
        return answer(Report.model_validate(status_of(desk, section)))

    @tool(server, title="Get a job's result", reads=True)
    async def get_job(
        ctx: ToolContext,
        job_id: str,
        wait_seconds: Annotated[int, Field(ge=0, le=3600, description="Wait this long for the end")] = 45,
    ) -> CallToolResult:
        """Get the result of a call that answered with status "running": the same result as the tool's own, or
        "running" again."""
        job = desk.jobs.find(job_id)

        async def tell(fraction: float, message: str) -> None:
            await ctx.report_progress(fraction, 1.0, message)

        longest_seconds = deadline_seconds(sdk_compat.client_name(ctx), -1) or 3600.0
        if await attend(job, min(wait_seconds, longest_seconds), tell, owns=False):
            return job.outcome()
        return answer(job.running_yet())

    @tool(server, title="Cancel a job", idempotent=True)
    async def cancel_job(ctx: ToolContext, job_id: str) -> CallToolResult:
        """Stop a running job: a job_id from a result, or the number of a request in media_status."""
        if job_id.isdecimal():
            stopped = desk.service.cancel(int(job_id))
            if not stopped:
                raise InvalidInput(f"No request {job_id} waits or runs.", param="job_id", code="not_found")
            return answer(Report.model_validate({"job_id": job_id, "state": "cancelled"}))
        job = desk.jobs.find(job_id)
        job.scope.cancel()
        await job.finished.wait()
        return answer(Report.model_validate({"job_id": job_id, "state": job.state}))

    @tool(server, title="Manage a model", idempotent=True, meta={"anthropic/requiresUserInteraction": True})
    async def manage_model(
        ctx: ToolContext, action: Action, model: Annotated[str, Field(min_length=1)]
    ) -> CallToolResult:
        """Download a model's weights (gigabytes: ask the user first), load or unload it, or pin it so that it stays in
        memory (unpin ends that). Models load by themselves when used and leave when idle: only download is often
        needed."""
        if action == "download":
            work = downloading(desk, model)
        else:
            name = resolve_any(desk.service, model)
            work = functools.partial(WORKS[action], desk, name)
        return await desk.work(ctx, "manage_model", -1, work)


async def _load(desk: Desk, name: str, meter: Meter) -> CallToolResult:
    meter.say(f"loading {name}")
    await desk.service.load(name)
    return _report(model=name, state="ready")


async def _unload(desk: Desk, name: str, meter: Meter) -> CallToolResult:
    meter.say(f"unloading {name} once its work has ended")
    freed = await desk.service.unload(name)
    return _report(model=name, state="absent", freed_mb=round(freed / 1e6))


async def _pin(desk: Desk, name: str, meter: Meter) -> CallToolResult:
    desk.service.pin(name, True)
    return _report(model=name, pinned=True)


async def _unpin(desk: Desk, name: str, meter: Meter) -> CallToolResult:
    desk.service.pin(name, False)
    return _report(model=name, pinned=False)


WORKS = {"load": _load, "unload": _unload, "pin": _pin, "unpin": _unpin}


def downloading(desk: Desk, model: str) -> Work:
    """Return the work of getting a model onto this disk, with progress in bytes."""

    async def work(meter: Meter) -> CallToolResult:
        meter.say(f"asking Hugging Face what {model} consists of")
        last = Downloaded(0, 0)

        def report(downloaded: Downloaded) -> None:
            nonlocal last
            last = downloaded
            meter.reach(downloaded.done_bytes / max(downloaded.total_bytes, 1))
            meter.say(
                f"downloading {model}: {downloaded.done_bytes / 1e9:.1f} of {downloaded.total_bytes / 1e9:.1f} GB"
            )

        await desk.download(model, report)
        return _report(model=model, downloaded=True, size_gb=round(last.total_bytes / 1e9, 2))

    return work


def _report(**facts: object) -> CallToolResult:
    return answer(Report.model_validate(facts))
