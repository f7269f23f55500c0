"""The status page of an instance with a key, in a real browser."""

from dataclasses import replace

import pytest
from playwright.async_api import Browser, Page, expect

from model_runtime.settings import Settings
from openai_compat.app import create_app
from tests.fakes import FakeService
from tests.openai_compat.conftest import SwitchableApp

pytestmark = [pytest.mark.browser, pytest.mark.promise("page:login")]


@pytest.fixture
async def locked(browser: Browser, server: tuple[SwitchableApp, str], service: FakeService, settings: Settings) -> Page:
    """Return a new browser's page of an instance with a key."""
    switch, address = server
    switch.app = create_app(service, replace(settings, api_key="right"))
    context = await browser.new_context(base_url=address)
    page = await context.new_page()
    await page.goto("/")
    return page


async def log_in(page: Page, key: str) -> None:
    """Type a key and send it."""
    await page.get_by_label("API key").fill(key)
    await page.keyboard.press("Enter")


@pytest.mark.promise("http:key")
async def test_a_wrong_key_is_told_and_the_right_one_opens_the_page(locked: Page) -> None:
    await log_in(locked, "wrong")
    await expect(locked.get_by_role("alert")).to_contain_text("This key is wrong.")
    await expect(locked.get_by_label("API key")).to_have_attribute("aria-invalid", "true")

    await log_in(locked, "right")

    await expect(locked.get_by_role("status")).to_have_text("Healthy")
    await locked.context.close()


async def test_a_browser_stays_logged_in_until_it_logs_out_and_stores_no_key(locked: Page) -> None:
    await log_in(locked, "right")
    await expect(locked.get_by_role("status")).to_have_text("Healthy")
    await locked.reload()
    await expect(locked.get_by_role("status")).to_have_text("Healthy")
    assert await locked.evaluate("localStorage.length + sessionStorage.length") == 0
    assert "right" not in str(await locked.context.cookies())

    await locked.get_by_role("button", name="Log out").click()

    await expect(locked.get_by_label("API key")).to_be_visible()
    await locked.context.close()
