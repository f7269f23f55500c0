"""What the status page says of its connection and of the daemon's health, in a real browser."""

import re
from collections.abc import AsyncGenerator
from dataclasses import replace

import anyio
import pytest
from playwright.async_api import Page, Request, Route, WebSocketRoute, expect

from model_runtime.status import ModelState, Status
from tests.fakes import FakeService

pytestmark = [pytest.mark.browser, pytest.mark.promise("page:connection")]
LOST = "Connection lost, trying again"


@pytest.fixture
async def health(page: Page) -> Page:
    """Return the page with a clock of its own, healthy."""
    await page.clock.install()
    await page.goto("/")
    await expect(page.get_by_role("status")).to_have_text("Healthy")
    return page


def fall_silent(service: FakeService, *told: Status) -> None:
    """Tell whoever follows the status these, and then nothing for ever."""

    async def changes() -> AsyncGenerator[Status]:
        for status in told:
            yield status
        await anyio.sleep_forever()

    service.changes = changes  # type: ignore[method-assign]


async def test_a_connection_that_went_silent_is_told_and_tried_again(page: Page, service: FakeService) -> None:
    """As behind a proxy whose daemon is gone: the stream stays open, and nothing comes."""
    heard = service.changes
    fall_silent(service, service.status())
    await page.clock.install()
    await page.goto("/")
    await expect(page.get_by_role("status")).to_have_text("Healthy")

    await page.clock.fast_forward(4000)
    await expect(page.get_by_role("status")).to_have_text(LOST)
    await expect(page.get_by_text(re.compile(r"^last heard \d+ s ago$"))).to_be_visible()
    service.changes = heard  # type: ignore[method-assign]
    await page.clock.fast_forward(4000)

    await expect(page.get_by_role("status")).to_have_text("Healthy")
    await expect(page.get_by_text("up 1 s")).to_be_visible()


async def test_a_closed_lid_is_noticed_when_it_opens(health: Page) -> None:
    asked: list[Request] = []
    health.on("request", lambda request: asked.append(request) if "/api/events" in request.url else None)

    await health.clock.fast_forward(3_600_000)

    await expect(health.get_by_role("status")).to_have_text("Healthy")
    assert len(asked) <= 2, "it connects again once, not for each missed tick"


async def test_a_page_comes_back_after_its_daemon_does(health: Page) -> None:
    """A daemon that restarts refuses connections, or its proxy does."""

    async def refuse(route: Route) -> None:
        await route.fulfill(status=502, body="")

    async def close(socket: WebSocketRoute) -> None:
        await socket.close()

    await health.route("**/api/events*", refuse)
    await health.route_web_socket("**/api/events*", close)
    for _ in range(4):  # still nothing, and still trying
        await health.clock.fast_forward(4000)
    await expect(health.get_by_role("status")).to_have_text(LOST)
    await health.unroute("**/api/events*")
    for _ in range(2):
        await health.clock.fast_forward(4000)

    await expect(health.get_by_role("status")).to_have_text("Healthy")


async def test_a_page_comes_back_after_a_dead_proxy_does(page: Page, service: FakeService) -> None:
    """It takes connections of both kinds and never answers."""
    heard = service.changes
    fall_silent(service)
    await page.clock.install()
    await page.goto("/")
    await expect(page.get_by_role("status")).to_have_text("Connecting…")
    for _ in range(3):
        await page.clock.fast_forward(4000)
    await expect(page.get_by_role("status")).to_have_text(LOST)
    service.changes = heard  # type: ignore[method-assign]
    for _ in range(2):
        await page.clock.fast_forward(4000)

    await expect(page.get_by_role("status")).to_have_text("Healthy")


async def test_behind_a_proxy_that_holds_events_back_the_page_listens_to_a_web_socket(page: Page) -> None:
    ended = anyio.Event()

    async def hold(route: Route) -> None:
        await ended.wait()
        await route.abort()

    await page.route("**/api/events*", hold)
    await page.clock.install()
    await page.goto("/")
    await expect(page.get_by_role("status")).to_have_text("Connecting…")

    await page.clock.fast_forward(4000)
    await expect(page.get_by_role("status")).to_have_text(LOST)
    await page.clock.fast_forward(1500)

    await expect(page.get_by_role("status")).to_have_text("Healthy")
    ended.set()
    await page.unroute_all(behavior="wait")


async def test_a_model_that_failed_is_named_in_the_status_line(page: Page, service: FakeService) -> None:
    await page.goto("/")
    await expect(page.get_by_role("status")).to_have_text("Healthy")

    service.update_models(
        lambda models: [
            replace(models[0], state=ModelState.BACKOFF, error="No such file.", failure="failed to load"),
            *models[1:],
        ]
    )

    await expect(page.get_by_role("status")).to_have_text("Degraded: vlm-starter failed to load")


async def test_the_status_line_changes_only_with_its_meaning(page: Page, service: FakeService) -> None:
    """Screen readers read it aloud at each change; the uptime, which changes each second, stands beside it."""
    await page.goto("/")
    await expect(page.get_by_role("status")).to_have_text("Healthy")
    await page.evaluate(
        """() => { window.changes = 0; new MutationObserver(() => window.changes += 1)
        .observe(document.querySelector("[role=status]"), { subtree: true, childList: true, characterData: true }) }"""
    )

    status = service.status()
    service.status = lambda: replace(status, uptime_seconds=61.0)  # type: ignore[method-assign]
    service.update_models(lambda models: models)
    await expect(page.get_by_text("up 1 min 1 s")).to_be_visible()

    assert await page.evaluate("window.changes") == 0
