"""The status page for everybody: axe finds nothing, in both color schemes and at any width, and keys reach everything."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Page, expect

from model_runtime.history.events import ModelUnloaded, RequestEnded
from model_runtime.requests import Task
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from openai_compat.app import create_app
from tests.fakes import FakeService, model_status
from tests.openai_compat.clients import wait_until
from tests.openai_compat.conftest import SwitchableApp
from tests.openai_compat.dashboard.page import jobs, show
from tests.openai_compat.dashboard.test_folders import Consents, Use
from tests.openai_compat.dashboard.test_page_commands import Files
from tests.openai_compat.dashboard.test_page_machine import CLIENT, Connected
from tests.openai_compat.dashboard.test_page_settings import Control

pytestmark = [pytest.mark.browser, pytest.mark.promise("page:accessible")]
AXE = Path(__file__).parents[3] / "packaging" / "node_modules" / "axe-core" / "axe.min.js"
RUN_AXE = "async () => (await axe.run()).violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)])"


def show_everything(service: FakeService) -> None:
    """Show models in every state, requests, a problem and what happened."""
    states = [
        replace(model_status(f"model-{state}", Task.TEXT), state=state, footprint_bytes=9) for state in ModelState
    ]
    failed = model_status("failed", Task.TEXT, state=ModelState.BACKOFF, error="No such file.", pinned=True)
    service.models = (*service.models, *states, failed, model_status("absent", Task.TEXT, present=False))
    service.problems.report("results", "Results are not kept: /home/x cannot be written.")
    service.history.record(RequestEnded(time.time(), "vlm-starter", "", Task.VISION, "queue_full", 0.0, 0.0, 1.0))
    service.history.record(ModelUnloaded(time.time(), "vlm-starter", "idle"))
    show(service, jobs=jobs(3), models=service.models)


@pytest.fixture
async def full_page(page: Page, server: tuple[SwitchableApp, str], service: FakeService, settings: Settings) -> Page:
    """Return the page with something in each of its cards."""
    server[0].app = create_app(
        service,
        settings,
        folders=Consents([Use("granted", folder=Path("/home/ann/Site"))]),
        client_snippets=lambda: [("Claude Code", "a"), ("Cursor", "{}")],
        clients=Connected(CLIENT),
        model_files=Files(),
        live_settings=Control(),
    )
    show_everything(service)
    await page.goto("/")
    await expect(page.get_by_role("region", name="Activity")).to_contain_text("queue full")
    await expect(page.get_by_role("region", name="Questions")).to_be_visible()
    return page


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
async def test_axe_finds_nothing(full_page: Page, scheme: Any, width: int) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed: run npm ci in packaging.")
    await full_page.set_viewport_size({"width": width, "height": 900})
    await full_page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
    await full_page.evaluate("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    await full_page.evaluate(AXE.read_text(encoding="utf-8"))

    assert await full_page.evaluate(RUN_AXE) == []
    await full_page.get_by_role("button", name="Download absent").click()
    await expect(full_page.get_by_role("dialog")).to_contain_text("Licence")
    assert await full_page.evaluate(RUN_AXE) == []


async def test_a_state_is_not_told_by_its_color_alone(full_page: Page) -> None:
    pills = await full_page.locator(".pill").all_inner_texts()

    assert {"unloaded", "loading", "ready", "finishing", "unloading", "failed"} <= set(pills)


async def test_arrow_keys_move_between_tabs_and_one_tab_leaves_them(full_page: Page) -> None:
    tabs = full_page.get_by_role("tablist", name="Client")
    await tabs.get_by_role("tab", name="Claude Code").focus()

    chosen = []
    for key in ("ArrowRight", "ArrowRight", "ArrowRight", "ArrowLeft", "Home", "End"):
        await full_page.keyboard.press(key)
        chosen.append(await tabs.get_by_role("tab", selected=True).inner_text())
    focused = await full_page.evaluate("document.activeElement.innerText")
    await full_page.keyboard.press("Tab")

    assert chosen == ["Cursor", "OpenAI", "Claude Code", "OpenAI", "Claude Code", "OpenAI"]
    assert focused == "OpenAI"
    assert await full_page.evaluate("document.activeElement.getAttribute('role')") != "tab"


async def test_a_keyboard_alone_loads_a_model(full_page: Page, service: FakeService) -> None:
    """Each press of Tab reaches the next control, also in boxes that scroll, until the button has the focus."""
    await full_page.locator("body").click(position={"x": 1, "y": 1})

    for _ in range(40):
        await full_page.keyboard.press("Tab")
        if await full_page.evaluate("document.activeElement.ariaLabel") == "Load vlm-starter":
            break
    await full_page.keyboard.press("Enter")

    await wait_until(lambda: service.loaded_models == ["vlm-starter"])


async def test_without_a_clipboard_the_text_to_copy_is_selected(full_page: Page) -> None:
    """Browsers offer the clipboard to pages of this machine and of HTTPS only."""
    await full_page.evaluate("Object.defineProperty(navigator, 'clipboard', { value: undefined })")
    panel = full_page.get_by_role("tabpanel", name="Claude Code")

    await panel.get_by_role("button", name="Copy").click()

    await expect(panel.get_by_role("button", name="Selected: press")).to_be_visible()
    assert await full_page.evaluate("getSelection().toString()") == "a"
