"""The settings of the status page, in a real browser."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from model_runtime.errors import InvalidInput
from model_runtime.settings import Settings
from openai_compat.app import create_app
from tests.fakes import FakeService
from tests.openai_compat.clients import wait_until
from tests.openai_compat.conftest import SwitchableApp

pytestmark = [pytest.mark.browser, pytest.mark.promise("page:settings")]
DEFAULTS: dict[str, Any] = {
    "memory.idle_seconds": 300,
    "memory.spare": True,
    "keep": ["a", "b"],
    "server.host": "127.0.0.1",
}


@dataclass
class Control:
    """Settings of each kind, one of which cannot be changed; a time below 0 is not accepted."""

    values: dict[str, Any] = field(default_factory=lambda: dict(DEFAULTS))
    file: Path = Path("/config.toml")
    error: str = ""

    async def listed(self) -> list[dict[str, Any]]:
        """See `SettingsControl`."""
        return [self.one(key) for key in self.values]

    def one(self, key: str) -> dict[str, Any]:
        """Return a setting as JSON."""
        value = self.values[key]
        return {
            "key": key,
            "value": value,
            "shown": str(value),
            "default": str(DEFAULTS[key]),
            "source": "default" if value == DEFAULTS[key] else "config.toml line 4",
            "accepted": "a number from 0",
            "description": f"What {key} means.",
            "editable": key != "server.host",
            "why_not": "It is read when Senses starts." if key == "server.host" else "",
            "pending": "",
        }

    async def change(self, key: str, value: Any) -> dict[str, Any]:
        """See `SettingsControl`."""
        if not isinstance(value, type(DEFAULTS[key])) or (key == "memory.idle_seconds" and value < 0):
            raise InvalidInput(f"{key} is {value!r}. It must be a number from 0.")
        self.values[key] = value
        return self.one(key)

    async def reset(self, key: str) -> dict[str, Any]:
        """See `SettingsControl`."""
        return await self.change(key, DEFAULTS[key])


@pytest.fixture
async def control(page: Page, server: tuple[SwitchableApp, str], service: FakeService, settings: Settings) -> Control:
    """The settings behind the page, which is open."""
    control = Control()
    server[0].app = create_app(service, settings, live_settings=control)
    await page.goto("/")
    return control


async def test_a_setting_is_changed_and_given_its_default_again(
    page: Page, service: FakeService, control: Control
) -> None:
    field = page.get_by_role("textbox", name="memory.idle_seconds")
    await expect(field).to_have_value("300")
    await field.fill("600")
    await page.keyboard.press("Enter")
    await wait_until(lambda: control.values["memory.idle_seconds"] == 600)
    service.update_models(lambda models: models)

    settings = page.get_by_role("region", name="Settings")
    await expect(settings).to_contain_text("config.toml line 4")
    await page.get_by_role("button", name="Default of memory.idle_seconds").click()

    await wait_until(lambda: control.values == DEFAULTS)


async def test_a_value_that_is_not_accepted_says_why_and_can_be_undone(page: Page, control: Control) -> None:
    field = page.get_by_role("textbox", name="memory.idle_seconds")
    settings = page.get_by_role("region", name="Settings")

    for wrong, shown in (("-1", "-1"), ("soon", "'soon'")):
        await field.fill(wrong)
        await settings.get_by_role("button", name="Save memory.idle_seconds").click()
        await expect(settings.get_by_role("alert")).to_have_text(
            f"memory.idle_seconds is {shown}. It must be a number from 0."
        )
    await settings.get_by_role("button", name="Undo memory.idle_seconds").click()

    await expect(field).to_have_value("300")
    await expect(settings.get_by_role("alert")).to_have_count(0)
    assert control.values == DEFAULTS


async def test_switches_and_lists_are_changed_as_what_they_are(page: Page, control: Control) -> None:
    await page.get_by_label("memory.spare").select_option("false")
    await page.get_by_role("button", name="Save memory.spare").click()
    await page.get_by_label("keep").fill("c\n\n d \n")
    await page.get_by_role("button", name="Save keep").click()

    await wait_until(lambda: control.values == DEFAULTS | {"memory.spare": False, "keep": ["c", "d"]})


async def test_what_cannot_be_changed_here_is_shown_with_the_reason_and_found_by_search(
    page: Page, control: Control
) -> None:
    settings = page.get_by_role("region", name="Settings")
    await expect(page.get_by_label("server.host")).not_to_be_visible()

    await page.get_by_label("Search settings").fill("HOST")

    await expect(page.get_by_label("server.host")).to_have_text("127.0.0.1")
    await expect(settings).to_contain_text("It is read when Senses starts.")
    await expect(page.get_by_label("memory.spare")).to_have_count(0)
