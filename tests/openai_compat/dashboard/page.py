"""What tests find on the status page, and what they show on it."""

import re
from dataclasses import replace

from playwright.async_api import Locator, Page

from model_runtime.requests import Task
from model_runtime.status import JobStatus, Status
from tests.fakes import FakeService


def row(page: Page, name: str) -> Locator:
    """Return the row of a model."""
    return page.get_by_role("row", name=re.compile(rf"^{name}"))


def show(service: FakeService, **changes: object) -> None:
    """Change fields of the fake's status, and wake the pages that follow it."""
    status = FakeService.status

    def changed() -> Status:
        return replace(status(service), **changes)  # type: ignore[arg-type]

    service.status = changed  # type: ignore[method-assign]
    service.update_models(lambda models: models)


def jobs(count: int) -> tuple[JobStatus, ...]:
    """Return requests of one model of which two run."""
    waiting = "image-starter is busy (2 running)"
    return tuple(
        JobStatus(number, "image-starter", Task.IMAGE, "Claude Code", "running", 0, "steps", 3, 4, 65.0)
        if number <= 2
        else JobStatus(number, "image-starter", Task.IMAGE, "Cursor", "queued", number - 2, "", 0, 0, 9.0, waiting)
        for number in range(1, count + 1)
    )
