"""What the status page tells of memory and of connected clients, in a real browser."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from playwright.async_api import Page, expect

from model_runtime.settings import Settings
from model_runtime.status import MemoryStatus, ModelState
from openai_compat.app import create_app
from tests.fakes import FakeService
from tests.openai_compat.conftest import SwitchableApp
from tests.openai_compat.dashboard.page import show

pytestmark = pytest.mark.browser
GIGABYTE = 1_000_000_000


@pytest.mark.promise("page:memory")
async def test_the_memory_bar_tells_models_requests_other_programs_and_what_an_eviction_frees(
    page: Page, service: FakeService
) -> None:
    loaded = replace(
        service.models[0], state=ModelState.READY, charged_bytes=6 * GIGABYTE, working_bytes=GIGABYTE, active=1
    )
    memory = MemoryStatus(
        budget_bytes=16 * GIGABYTE,
        charged_bytes=6 * GIGABYTE,
        footprint_bytes=5 * GIGABYTE,
        available_bytes=9 * GIGABYTE,
        daemon_bytes=70_000_000,
        total_bytes=24 * GIGABYTE,
        other_bytes=12 * GIGABYTE,
        evictable_bytes=2 * GIGABYTE,
    )
    show(service, models=(loaded, *service.models[1:]), memory=memory)

    await page.goto("/")
    card = page.get_by_role("region", name="Memory")

    await expect(card).to_contain_text("24 GB on this machine · 9 GB free")
    await expect(card).to_contain_text("vlm-starter 5 GB + 1 GB working")
    await expect(card).to_contain_text("other programs 12 GB")
    await expect(card).to_contain_text("unloading what is idle frees 2 GB")
    shares = await card.locator(".bar i").evaluate_all(
        "(parts) => parts.map((part) => [part.dataset.kind, part.style.width || part.style.left])"
    )
    assert [(kind, round(float(share[:-1]))) for kind, share in shares] == [
        ("resident", 21),
        ("working", 4),
        ("other", 50),
        ("budget", 67),
    ]


class Connected:
    """Clients that are connected."""

    def __init__(self, *clients: Mapping[str, Any]) -> None:
        self.clients = clients

    async def listed(self) -> Sequence[Mapping[str, Any]]:
        """Return them."""
        return self.clients


CLIENT = {
    "id": 3,
    "name": "claude-code",
    "transport": "stdio",
    "since": 1764546000.0,
    "last_call_at": 1764546100.0,
    "folders": [
        {"folder": "/Users/ann/site", "access": "write", "source": "client"},
        {"folder": "/Users/ann/Pictures", "access": "read", "source": "granted", "grant_id": "ab12"},
    ],
    "files": [
        {"at": 1764546099.0, "access": "write", "path": "/Users/ann/site/hero.png"},
        {"at": 1764546090.0, "access": "read", "path": "/Users/ann/site/shot.png"},
    ],
}


@pytest.mark.promise("page:clients")
async def test_connected_clients_are_listed_with_their_folders_and_the_files_they_used(
    page: Page, server: tuple[SwitchableApp, str], service: FakeService, settings: Settings
) -> None:
    connected = Connected()
    server[0].app = create_app(service, settings, clients=connected)
    await page.goto("/")
    card = page.get_by_role("region", name="Clients")
    await expect(card).to_contain_text("0 connected")

    connected.clients = (CLIENT,)
    service.update_models(lambda models: models)

    await expect(card).to_contain_text("claude-code a program on this machine · connected ")
    folders = card.get_by_role("list", name="Folders of claude-code").get_by_role("listitem")
    await expect(folders).to_have_text(
        ["/Users/ann/site reads and writes · its own folder", "/Users/ann/Pictures reads · granted"]
    )
    await card.get_by_text("1 file read, 1 written").click()
    files = card.get_by_role("list", name="Files of claude-code").get_by_role("listitem")
    await expect(files.nth(0)).to_contain_text("wrote /Users/ann/site/hero.png")
    await expect(files.nth(1)).to_contain_text("read /Users/ann/site/shot.png")
