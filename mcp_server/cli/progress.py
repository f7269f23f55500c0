"""What the daemon does for a command, on the terminal's standard error: it waits, it loads a model, step 3 of 20."""

import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn

from mcp_server.cli.api import CLIENT, DaemonApi, RequestFailed

POLL_SECONDS = 0.3
CLOCK_SLACK_SECONDS = 1.0

Job = Mapping[str, Any]
"""One job of the status."""


@contextmanager
def shown_progress(api: DaemonApi, task: str) -> Generator[None]:
    """Show the progress of this command's request, of a task of the runtime, until the block ends; in a pipe nothing."""
    if not sys.stderr.isatty():
        yield
        return
    ended = threading.Event()
    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        follower = threading.Thread(target=_follow, args=(api, task, progress, ended), daemon=True)
        follower.start()
        try:
            yield
        finally:
            ended.set()
            follower.join()


def _follow(api: DaemonApi, task: str, progress: Progress, ended: threading.Event) -> None:
    started_at, bar = time.monotonic(), progress.add_task("asks", total=None)
    while not ended.wait(POLL_SECONDS):
        try:
            jobs = api.get("/api/status")["jobs"]
        except RequestFailed:
            continue  # the request itself tells what is wrong
        if job := own_job(jobs, task, time.monotonic() - started_at):
            _update(progress, bar, job)


def _update(progress: Progress, bar: TaskID, job: Job) -> None:
    progress.update(bar, description=job_text(job), completed=job["done"], total=job["total"] or None)


def own_job(jobs: Sequence[Job], task: str, age_seconds: float) -> Job | None:
    """Return the oldest job that this command can have begun `age_seconds` ago, or None."""
    mine = [job for job in jobs if job["client"] == CLIENT and job["task"] == task]
    return next((job for job in mine if job["age_seconds"] <= age_seconds + CLOCK_SLACK_SECONDS), None)


def job_text(job: Job) -> str:
    """Return what a job does, in a few words."""
    if job["state"] == "queued":
        return f"waits for {job['model']}" + (f": {job['reason']}" if job.get("reason") else "")
    if job["state"] == "loading":
        return f"loads {job['model']}"
    count = f" {job['done']:g} of {job['total']:g}" if job["total"] else ""
    return f"{job['model']}: {job['stage'] or 'works'}{count}"
