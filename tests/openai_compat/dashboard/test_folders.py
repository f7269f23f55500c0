"""The folders on the status page: what clients may use, and who may answer for a person."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
import pytest

from model_runtime.settings import Settings
from openai_compat.app import create_app
from tests.fakes import FakeService

PAGE = {"sec-fetch-site": "same-origin"}


@dataclass(frozen=True)
class Use:
    """A folder of a client."""

    id: str
    client: str = "claude-code"
    access: str = "read"
    folder: Path = Path("/home/ann/Desktop")
    granted_at: float = 1.0


@dataclass
class Consents:
    """Two folders, one granted and one asked for."""

    uses: list[Use] = field(default_factory=lambda: [Use("granted")])
    asked: list[Use] = field(default_factory=lambda: [Use("asked", access="write")])
    answers: list[tuple[str, bool]] = field(default_factory=list)

    def granted(self) -> list[Use]:
        """See `FolderConsents`."""
        return self.uses

    def requested(self) -> list[Use]:
        """See `FolderConsents`."""
        return self.asked

    def revoke(self, use_id: str) -> bool:
        """See `FolderConsents`."""
        kept = [use for use in self.uses if use.id != use_id]
        self.uses, was_granted = kept, len(kept) < len(self.uses)
        return was_granted

    def answer(self, use_id: str, *, is_granted: bool) -> bool:
        """See `FolderConsents`."""
        self.answers.append((use_id, is_granted))
        return use_id in [use.id for use in self.asked]


@pytest.fixture
def consents() -> Consents:
    return Consents()


def client_at(app: object, peer: str) -> httpx2.AsyncClient:
    transport = httpx2.ASGITransport(app=app, client=(peer, 1234))  # type: ignore[arg-type]
    return httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1:7367")


@pytest.fixture
async def http(service: FakeService, settings: Settings, consents: Consents) -> AsyncGenerator[httpx2.AsyncClient]:
    async with client_at(create_app(service, settings, folders=consents), "127.0.0.1") as client:
        yield client


async def test_folders_are_listed_and_revoked(http: httpx2.AsyncClient) -> None:
    listed = (await http.get("/api/folders")).json()
    revoked = await http.post("/api/folders/granted/revoke")
    again = await http.post("/api/folders/granted/revoke")

    assert listed["granted"] == [
        {"id": "granted", "client": "claude-code", "access": "read", "folder": "/home/ann/Desktop", "granted_at": 1.0}
    ]
    assert [use["id"] for use in listed["requested"]] == ["asked"]
    assert revoked.status_code == 200
    assert (again.status_code, again.json()["error"]["code"]) == (400, "not_found")


@pytest.mark.parametrize("answer", ["grant", "refuse"])
async def test_a_person_answers_on_the_page(http: httpx2.AsyncClient, consents: Consents, answer: str) -> None:
    reply = await http.post(f"/api/folders/asked/{answer}", headers=PAGE)

    assert reply.json() == {"id": "asked", "granted": answer == "grant"}
    assert consents.answers == [("asked", answer == "grant")]


@pytest.mark.promise("consent:http")
@pytest.mark.parametrize(
    ("peer", "headers"),
    [
        ("127.0.0.1", {}),
        ("127.0.0.1", {"sec-fetch-site": "same-site"}),
        ("127.0.0.1", {"sec-fetch-site": "cross-site"}),
        ("192.168.1.5", PAGE),
        ("", PAGE),
    ],
)
async def test_nobody_else_answers_for_a_person(
    service: FakeService, settings: Settings, consents: Consents, peer: str, headers: dict[str, str]
) -> None:
    async with client_at(create_app(service, settings, folders=consents), peer) as http:
        reply = await http.post("/api/folders/asked/grant", headers=headers)

    assert (reply.status_code, reply.json()["error"]["code"]) == (403, "origin_not_allowed")
    assert consents.answers == []


@pytest.mark.parametrize("peer", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_has_several_addresses(
    service: FakeService, settings: Settings, consents: Consents, peer: str
) -> None:
    async with client_at(create_app(service, settings, folders=consents), peer) as http:
        assert (await http.post("/api/folders/asked/grant", headers=PAGE)).status_code == 200


async def test_an_unknown_request_or_answer_is_refused(http: httpx2.AsyncClient) -> None:
    unknown = await http.post("/api/folders/none/grant", headers=PAGE)
    no_answer = await http.post("/api/folders/asked/perhaps", headers=PAGE)

    assert unknown.json()["error"]["message"] == "Nobody asks for none."
    assert "'perhaps' is no answer" in no_answer.json()["error"]["message"]


async def test_without_clients_of_mcp_there_are_no_folders(service: FakeService, settings: Settings) -> None:
    async with client_at(create_app(service, settings), "127.0.0.1") as http:
        assert (await http.get("/api/folders")).json() == {"granted": [], "requested": []}
        assert (await http.post("/api/folders/x/revoke")).status_code == 400
        assert (await http.post("/api/folders/x/grant", headers=PAGE)).status_code == 400
