"""/api/settings over HTTP; the daemon's side is in `tests/mcp_server/daemon/test_live_settings.py`."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import pytest

from model_runtime.errors import InvalidInput
from model_runtime.settings import Settings
from openai_compat.app import create_app
from tests.fakes import FakeService


@dataclass
class Control:
    """One setting, which may be changed."""

    values: dict[str, Any] = field(default_factory=lambda: {"queue.total": 500})
    file: Path = Path("/config.toml")
    error: str = ""

    async def listed(self) -> list[dict[str, Any]]:
        """See `SettingsControl`."""
        return [{"key": key, "value": value} for key, value in self.values.items()]

    async def change(self, key: str, value: Any) -> dict[str, Any]:
        """See `SettingsControl`."""
        if key not in self.values:
            raise InvalidInput(f"There is no setting {key!r}.", param="key", code="not_found")
        self.values[key] = value
        return {"key": key, "value": value}

    async def reset(self, key: str) -> dict[str, Any]:
        """See `SettingsControl`."""
        return await self.change(key, 500)


@pytest.fixture
async def http(service: FakeService, settings: Settings) -> AsyncGenerator[httpx2.AsyncClient]:
    app = create_app(service, settings, live_settings=Control())
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost") as client:
        yield client


@pytest.mark.promise("settings:changed")
@pytest.mark.parametrize("value", [9, 0.5, True, "auto", ["a", "b"]])
async def test_a_setting_is_listed_changed_and_reset(http: httpx2.AsyncClient, value: object) -> None:
    changed = await http.put("/api/settings/queue.total", json={"value": value})
    listed = await http.get("/api/settings")
    reset = await http.delete("/api/settings/queue.total")

    assert changed.json() == {"key": "queue.total", "value": value}
    assert listed.json() == {"file": "/config.toml", "error": "", "settings": [{"key": "queue.total", "value": value}]}
    assert reset.json() == {"key": "queue.total", "value": 500}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"value": {}}', b'{"value": null}', b'{"value": 1, "key": "host"}'])
async def test_a_change_without_a_value_is_refused(http: httpx2.AsyncClient, body: bytes) -> None:
    assert (await http.put("/api/settings/queue.total", content=body)).status_code == 400


async def test_an_unknown_setting_is_told(http: httpx2.AsyncClient) -> None:
    answer = await http.put("/api/settings/weather", json={"value": 1})

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_found")
