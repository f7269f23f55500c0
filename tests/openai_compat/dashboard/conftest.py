"""The status page of the application, in a real browser. An error in its console fails the test."""

from collections.abc import AsyncGenerator

import pytest
from playwright.async_api import Browser, ConsoleMessage, Page, expect

expect.set_options(timeout=15_000)


@pytest.fixture
async def page(browser: Browser, url: str) -> AsyncGenerator[Page]:
    """Yield a new page of the application, closed before the application changes."""
    context = await browser.new_context(base_url=url, viewport={"width": 1200, "height": 900})
    context.set_default_timeout(15_000)
    page = await context.new_page()
    problems: list[str] = []
    page.on("console", lambda message: problems.append(message.text) if is_problem(message) else None)
    page.on("pageerror", lambda error: problems.append(str(error)))
    yield page
    await context.close()
    assert problems == []


def is_problem(message: ConsoleMessage) -> bool:
    """Return whether a message is a problem. Tests cause a 400, and connections that fail, on purpose."""
    is_lost_connection = "/api/events" in message.location["url"]
    return message.type == "error" and "a status of 400" not in message.text and not is_lost_connection
