"""Keep longer, download and delete, over HTTP."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace
from typing import Any

import httpx2
import pytest

from model_runtime.errors import InvalidInput
from model_runtime.settings import Settings
from model_runtime.status import ModelState
from openai_compat.app import create_app
from tests.fakes import FakeService

STARTER = "/api/models/vlm-starter"


@dataclass
class Files:
    """Remembers what it is asked for; one download may begin, and nothing is deleted without agreement."""

    calls: list[tuple[str, object]] = field(default_factory=list)

    async def facts(self, name: str) -> dict[str, Any]:
        """See `ModelFilesProtocol`."""
        return {"model": name, "fits_memory": True}

    def download(self, name: str) -> None:
        """See `ModelFilesProtocol`."""
        if ("download", name) in self.calls:
            raise InvalidInput(f"{name} is being downloaded.", code="not_downloadable")
        self.calls.append(("download", name))

    def cancel(self, name: str) -> bool:
        """See `ModelFilesProtocol`."""
        return ("download", name) in self.calls

    async def delete(self, name: str, *, is_shared_agreed: bool) -> int:
        """See `ModelFilesProtocol`."""
        self.calls.append(("delete", is_shared_agreed))
        return 42

    async def listed(self) -> list[dict[str, Any]]:
        """See `ModelFilesProtocol`."""
        return []


@pytest.fixture
def files() -> Files:
    return Files()


@pytest.fixture
async def http(service: FakeService, settings: Settings, files: Files) -> AsyncGenerator[httpx2.AsyncClient]:
    app = create_app(service, settings, model_files=files)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://localhost") as client:
        yield client


@pytest.mark.promise("status:commands")
async def test_a_loaded_model_is_kept_longer(http: httpx2.AsyncClient, service: FakeService) -> None:
    absent = await http.post(f"{STARTER}/keep", json={"seconds": 3600})
    service.update_models(lambda models: [replace(models[0], state=ModelState.READY), *models[1:]])
    kept = await http.post(f"{STARTER}/keep", json={"seconds": 3600})

    assert (absent.status_code, absent.json()["error"]["code"]) == (400, "not_loaded")
    assert kept.json() == {"model": "vlm-starter", "kept_seconds": 3600}
    assert service.kept == {"vlm-starter": 3600}


@pytest.mark.parametrize(
    "body", [b"", b"{}", b'{"seconds": 0}', b'{"seconds": "long"}', b"[]", b"no", b'{"second": 9}']
)
async def test_a_time_that_makes_no_sense_is_refused(
    http: httpx2.AsyncClient, service: FakeService, body: bytes
) -> None:
    answer = await http.post(f"{STARTER}/keep", content=body)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert service.kept == {}


@pytest.mark.promise("models:download")
async def test_a_download_begins_once_and_is_cancelled(http: httpx2.AsyncClient, files: Files) -> None:
    facts = await http.get(f"{STARTER}/download")
    early = await http.post(f"{STARTER}/download/cancel")
    begun = await http.post(f"{STARTER}/download")
    again = await http.post(f"{STARTER}/download")
    cancelled = await http.post(f"{STARTER}/download/cancel")
    unknown = await http.post("/api/models/org/none/download")

    assert facts.json() == {"model": "vlm-starter", "fits_memory": True}
    assert (early.status_code, begun.status_code, again.status_code, cancelled.status_code) == (400, 202, 400, 200)
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert files.calls == [("download", "vlm-starter")]


@pytest.mark.promise("models:delete")
async def test_a_deletion_says_what_it_freed_and_whether_sharing_is_agreed(
    http: httpx2.AsyncClient, files: Files
) -> None:
    deleted = await http.delete(STARTER)
    await http.delete(f"{STARTER}?shared=1")

    assert deleted.json() == {"model": "vlm-starter", "freed_bytes": 42}
    assert files.calls == [("delete", False), ("delete", True)]


async def test_a_server_without_files_says_so(service: FakeService, settings: Settings) -> None:
    transport = httpx2.ASGITransport(app=create_app(service, settings))
    async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        answer = await http.post(f"{STARTER}/download")

    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "not_served")
