"""A person lets a client use a folder that is not its own, in both eras of the protocol."""

import json
import os
import stat
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp import Client
from mcp.client import ClientRequestContext
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, Implementation
from PIL import Image

from mcp_server.calls import folder_consent, questions, withdrawal
from mcp_server.calls.folder_consent import question
from mcp_server.files.client import ClientConnection
from mcp_server.files.folder_requests import FolderControl
from mcp_server.files.folders import FolderWish
from mcp_server.files.grants import FolderGrantStore
from model_runtime.settings import Settings
from tests.fakes import FakeService
from tests.mcp_server.conftest import ProtocolMode, open_server
from tests.mcp_server.tools.test_tools import data_of, text_of

one_era = pytest.mark.parametrize("era", ["auto"])
"""For what does not depend on the era of the protocol."""
Choice = Literal["once", "this folder", "no", "decline", "cancel"]


@dataclass
class Person:
    """Answers every question in the same way and keeps the questions."""

    choice: Choice
    questions: list[str] = field(default_factory=list)
    schemas: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        self.questions.append(params.message)
        self.schemas.append(params.model_dump(by_alias=True)["requestedSchema"])
        if self.choice in ("decline", "cancel"):
            return ElicitResult(action=self.choice)
        return ElicitResult(action="accept", content={"allow": self.choice})


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in the home that is not the client's, with a screenshot."""
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "Desktop"
    folder.mkdir()
    Image.new("RGB", (64, 48), "red").save(folder / "shot.png")
    return folder


Session = Callable[..., AbstractAsyncContextManager[Client]]


@pytest.fixture
def session(service: FakeService, settings: Settings, project: Path, era: ProtocolMode) -> Session:
    """session(person, name="claude-code", connection=…) opens a client whose user is `person`; None: it cannot ask."""

    @asynccontextmanager
    async def open_session(
        person: Person | None,
        name: str = "claude-code",
        title: str = "Claude Code",
        connection: ClientConnection | None = None,
    ) -> AsyncGenerator[Client]:
        info = Implementation(name=name, title=title, version="1")
        made = connection or ClientConnection(project, (project,))
        async with (
            open_server(service, settings, made) as server,
            Client(server, mode=era, client_info=info, elicitation_callback=person) as client,
        ):
            yield client

    return open_session


async def look(client: Client, path: Path) -> CallToolResult:
    return await client.call_tool("describe_image", {"image": str(path)})


@pytest.mark.promise("consent:asked")
async def test_a_person_is_asked_by_name_and_folder_and_the_call_goes_on(session: Session, desktop: Path) -> None:
    person = Person("once")

    async with session(person) as client:
        seen = await look(client, desktop / "shot.png")

    assert data_of(seen)["text"] == "A red circle on a white background."
    assert person.questions == ["Let Claude Code read pictures and recordings in ~/Desktop?"]
    (schema,) = person.schemas
    assert schema["properties"]["allow"]["enum"] == ["once", "this folder", "no"]


async def test_once_is_for_one_call(session: Session, desktop: Path, settings: Settings) -> None:
    person = Person("once")

    async with session(person) as client:
        for _ in range(2):
            data_of(await look(client, desktop / "shot.png"))

    assert len(person.questions) == 2
    assert FolderGrantStore(settings.folders).all() == []


@pytest.mark.promise("consent:kept")
async def test_a_granted_folder_is_not_asked_for_again_also_in_another_session(
    session: Session, desktop: Path, settings: Settings
) -> None:
    person = Person("this folder")

    async with session(person) as client:
        data_of(await look(client, desktop / "shot.png"))
        data_of(await look(client, desktop / "shot.png"))
    async with session(person) as client:
        data_of(await look(client, desktop / "shot.png"))

    assert len(person.questions) == 1
    (grant,) = FolderGrantStore(settings.folders).all()
    assert (grant.client, grant.access, grant.folder) == ("claude-code", "read", desktop)
    (file,) = (settings.folders.data / "folders").iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@one_era
async def test_what_one_client_may_read_another_one_asks_for(session: Session, desktop: Path) -> None:
    async with session(Person("this folder")) as client:
        data_of(await look(client, desktop / "shot.png"))
    other = Person("no")
    async with session(other, name="cursor", title="") as client:
        refused = await look(client, desktop / "shot.png")

    assert refused.is_error
    assert other.questions == ["Let cursor read pictures and recordings in ~/Desktop?"]


@pytest.mark.promise("consent:no")
@pytest.mark.parametrize("choice", ["no", "decline"])
async def test_a_refusal_is_remembered_for_the_session_and_no_longer(
    session: Session, desktop: Path, choice: Choice, settings: Settings, project: Path
) -> None:
    person = Person(choice)
    connection = ClientConnection(project, (project,))

    async with session(person, connection=connection) as client:
        first, second = [await look(client, desktop / "shot.png") for _ in range(2)]
    asked_once = len(person.questions)
    async with session(person) as client:
        await look(client, desktop / "shot.png")

    assert first.is_error
    assert "The user has refused it in this session." in text_of(second)
    assert (asked_once, len(person.questions)) == (1, 2)
    assert FolderGrantStore(settings.folders).all() == []


@dataclass
class SlowPerson(Person):
    """Answers when a test says so."""

    asked: anyio.Event = field(default_factory=anyio.Event)
    may_answer: anyio.Event = field(default_factory=anyio.Event)

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        self.asked.set()
        await self.may_answer.wait()
        return await super().__call__(context, params)


async def until_waiting(connection: ClientConnection, count: int) -> None:
    """Wait until so many calls wait for the answer to a question of another one."""
    with anyio.fail_after(20):
        while connection.questions.waiting_count < count:
            await anyio.lowlevel.checkpoint()


@pytest.mark.promise("consent:one-question")
@pytest.mark.parametrize("choice", ["once", "this folder", "no", "decline", "cancel"])
async def test_calls_that_need_the_same_folder_at_once_ask_one_question(
    session: Session, desktop: Path, project: Path, choice: Choice
) -> None:
    person, connection, seen = SlowPerson(choice), ClientConnection(project, (project,)), list[CallToolResult]()

    async def look_on(client: Client) -> None:
        seen.append(await look(client, desktop / "shot.png"))

    async with session(person, connection=connection) as client, anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(look_on, client)
        await until_waiting(connection, 2)
        person.may_answer.set()

    assert person.questions == ["Let Claude Code read pictures and recordings in ~/Desktop?"]
    assert [result.is_error for result in seen] == [choice not in ("once", "this folder")] * 3


@pytest.mark.promise("consent:one-question")
async def test_a_call_that_needs_another_folder_too_asks_for_that_one_only(
    session: Session, desktop: Path, project: Path
) -> None:
    person, connection = SlowPerson("this folder"), ClientConnection(project, (project,))
    other = desktop.parent / "Site"
    other.mkdir()
    drawing = {"prompt": "x", "width": 64, "height": 64, "image": str(desktop / "shot.png")}

    async with session(person, connection=connection) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(look, client, desktop / "shot.png")
        await person.asked.wait()
        tasks.start_soon(client.call_tool, "generate_image", {**drawing, "output_path": str(other / "a.png")})
        await until_waiting(connection, 1)
        person.may_answer.set()

    assert person.questions == [
        "Let Claude Code read pictures and recordings in ~/Desktop?",
        "Let Claude Code read and save files in ~/Site?",
    ]
    assert (other / "a.png").is_file()


@pytest.mark.promise("consent:one-question")
async def test_when_the_call_that_asked_is_given_up_another_one_asks(
    session: Session, desktop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folder_consent, "REPEATED_CALL_SECONDS", 0.01)
    person = SlowPerson("once")
    seen: list[CallToolResult] = []

    async def look_on(client: Client) -> None:
        seen.append(await look(client, desktop / "shot.png"))

    async with session(person) as client, anyio.create_task_group() as tasks:
        with anyio.fail_after(20):
            async with anyio.create_task_group() as given_up:
                given_up.start_soon(look_on, client)
                await person.asked.wait()
                tasks.start_soon(look_on, client)
                await anyio.wait_all_tasks_blocked()
                given_up.cancel_scope.cancel()
            person.may_answer.set()

    assert [result.is_error for result in seen] == [False]


@pytest.mark.promise("consent:deadline")
@pytest.mark.parametrize("era", ["legacy"])
async def test_a_question_of_the_older_era_that_nobody_answers_ends_with_the_command(
    session: Session, desktop: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert questions.QUESTION_SECONDS == 300
    monkeypatch.setattr(questions, "QUESTION_SECONDS", 0.01)
    person = SlowPerson("once")

    async with session(person) as client:
        with anyio.fail_after(20):
            refused = await look(client, desktop / "shot.png")
        person.may_answer.set()

    assert f"senses folders add {desktop}" in text_of(refused)


@pytest.mark.promise("consent:command")
@pytest.mark.parametrize("person", [None, Person("cancel")])
async def test_where_nobody_answers_one_command_with_its_whole_path_grants_the_folder(
    session: Session, desktop: Path, settings: Settings, person: Person | None
) -> None:
    async with session(person) as client:
        refused = await look(client, desktop / "shot.png")
        again = await look(client, desktop / "shot.png")
        FolderGrantStore(settings.folders).add("claude-code", "read", desktop)
        seen = await look(client, desktop / "shot.png")

    command = f"senses folders add {desktop} --client claude-code`"
    assert f"To allow it without a restart, the user types: `SENSES_HOME={settings.folders.data} /" in text_of(refused)
    assert command in text_of(refused)
    assert command in text_of(again)
    assert not seen.is_error


@pytest.mark.promise("consent:secrets")
@pytest.mark.parametrize(
    "name", [".ssh/a.png", ".config/chromium/a.png", "Library/Keychains/a.png", "Library/Mail/a.png", "a.png"]
)
@one_era
async def test_folders_with_secrets_are_never_asked_for(session: Session, desktop: Path, name: str) -> None:
    person, secret = Person("this folder"), desktop.parent / name
    secret.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8)).save(secret)

    async with session(person) as client:
        refused = await look(client, secret)

    assert person.questions == []
    assert "nobody can grant it here" in text_of(refused)
    assert "senses folders" not in text_of(refused)


@one_era
async def test_the_question_is_the_same_whether_or_not_the_file_exists(session: Session, desktop: Path) -> None:
    person = Person("no")
    async with session(person) as client:
        there = text_of(await look(client, desktop / "shot.png"))
    async with session(person) as client:
        missing = text_of(await look(client, desktop / "missing.png"))

    assert person.questions == ["Let Claude Code read pictures and recordings in ~/Desktop?"] * 2
    assert missing == there.replace("shot.png", "missing.png")


async def test_a_link_is_asked_for_by_the_folder_behind_it(session: Session, desktop: Path, project: Path) -> None:
    (project / "shot.png").symlink_to(desktop / "shot.png")
    (project / "secret.png").symlink_to(desktop.parent / ".ssh" / "key.png")
    person = Person("no")

    async with session(person) as client:
        refused = await look(client, project / "shot.png")
        secret = await look(client, project / "secret.png")

    assert person.questions == ["Let Claude Code read pictures and recordings in ~/Desktop?"]
    assert f"shot.png is a link to {desktop}/shot.png, which is not in a folder that this client may read" in text_of(
        refused
    )
    assert "nobody can grant it here" in text_of(secret)


@pytest.mark.promise("consent:writes")
async def test_a_result_is_saved_where_a_person_allows_it(session: Session, desktop: Path) -> None:
    person = Person("this folder")
    arguments = {"prompt": "a red circle", "width": 64, "height": 64}

    async with session(person) as client:
        drawn = await client.call_tool(
            "generate_image", {**arguments, "output_path": str(desktop / "new" / "deep" / "a.png")}
        )
        spoken = await client.call_tool("speak", {"text": "hello", "output_path": str(desktop / "new" / "a.wav")})

    assert data_of(drawn)["images"][0]["path"] == str(desktop / "new" / "deep" / "a.png")
    assert data_of(spoken)["path"] == str(desktop / "new" / "a.wav")
    assert (desktop / "new" / "a.wav").is_file()
    assert person.questions == ["Let Claude Code read and save files in ~/Desktop/new?"]


async def test_all_folders_of_a_call_are_one_question(session: Session, desktop: Path) -> None:
    person, other = Person("once"), desktop.parent / "Site"
    other.mkdir()

    async with session(person) as client:
        drawn = await client.call_tool(
            "generate_image",
            {
                "prompt": "a red circle",
                "width": 64,
                "height": 64,
                "image": str(desktop / "shot.png"),
                "output_path": str(other / "a.png"),
            },
        )

    data_of(drawn)
    assert person.questions == [
        "Let Claude Code read pictures and recordings in ~/Desktop, and read and save files in ~/Site?"
    ]


@one_era
async def test_reading_does_not_grant_writing(session: Session, desktop: Path, settings: Settings) -> None:
    FolderGrantStore(settings.folders).add("", "read", desktop)
    async with session(Person("no")) as client:
        saved = await client.call_tool("speak", {"text": "hello", "output_path": str(desktop / "a.wav")})

    assert "may write" in text_of(saved)
    assert f"senses folders add --write {desktop}".split()[-1] in text_of(saved)
    assert not (desktop / "a.wav").exists()


@pytest.mark.promise("consent:http")
@one_era
async def test_over_http_nothing_is_granted_on_the_word_of_the_client(
    session: Session, desktop: Path, settings: Settings
) -> None:
    FolderGrantStore(settings.folders).add("claude-code", "read", desktop)
    person, over_http = Person("this folder"), ClientConnection(over_http=True)

    async with session(person, connection=over_http) as client:
        refused = await look(client, desktop / "shot.png")
        FolderGrantStore(settings.folders).add("http", "read", desktop)
        seen = await look(client, desktop / "shot.png")

    assert person.questions == []
    assert "the user answers on the status page, or types: `" in text_of(refused)
    assert "--client http" in text_of(refused)
    assert not seen.is_error


@pytest.mark.promise("consent:screenshots")
@one_era
async def test_screenshots_that_macos_or_claude_code_keep_for_a_chat_are_granted_at_once_and_nothing_beside_them(
    session: Session, desktop: Path
) -> None:
    temporary = desktop.parent / "T" / "TemporaryItems"
    images = desktop.parent / ".claude" / "image-cache"
    kept = [temporary / f"NSIRD_screencaptureui_{name}" / "Screenshot 1.png" for name in ("aB3", "x9Z")]
    kept += [images / session_id / "1.png" for session_id in ("first", "second")]
    beside = [temporary / "NSIRD_Mail_1" / "a.png", temporary / "a.png", images.parent / "a.png"]
    for path in (*kept, *beside):
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (8, 8)).save(path)
    person = Person("this folder")

    async with session(person) as client:
        seen = [await look(client, path) for path in kept]
        person.choice = "no"
        refused = [await look(client, path) for path in beside]

    assert [result.is_error for result in seen] == [False] * 4
    assert person.questions[:2] == [
        f"Let Claude Code read pictures and recordings in ~/{folder.relative_to(desktop.parent)}?"
        for folder in (temporary, images)
    ]
    assert all(result.is_error for result in refused)


@pytest.mark.promise("consent:withdrawn")
@pytest.mark.parametrize("tool", ["describe_image", "generate_image"])
async def test_a_call_whose_consent_is_withdrawn_meanwhile_ends_and_says_so(
    session: Session,
    service: FakeService,
    desktop: Path,
    settings: Settings,
    tool: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(withdrawal, "CHECK_SECONDS", 0.0)
    service.gate = anyio.Event()
    grants = FolderGrantStore(settings.folders)
    grant = grants.add("", "write", desktop)
    arguments: dict[str, dict[str, Any]] = {
        "describe_image": {"image": str(desktop / "shot.png")},
        "generate_image": {"prompt": "x", "width": 64, "height": 64, "output_path": str(desktop / "a.png")},
    }
    ended: list[CallToolResult] = []

    async with session(None) as client, anyio.create_task_group() as tasks:

        async def call() -> None:
            ended.append(await client.call_tool(tool, arguments[tool]))

        tasks.start_soon(call)
        while not service.requests:
            await anyio.lowlevel.checkpoint()
        grants.revoke(grant)

    assert "[code: consent_withdrawn]" in text_of(ended[0])
    assert f"the user withdrew the consent for {desktop}" in text_of(ended[0])
    assert service.cancelled_requests == service.requests
    assert not (desktop / "a.png").exists()


@pytest.mark.promise("consent:withdrawn")
@pytest.mark.parametrize("era", ["legacy"])
async def test_a_folder_that_is_withdrawn_while_a_person_answers_another_question_is_not_read(
    session: Session, desktop: Path, settings: Settings, service: FakeService
) -> None:
    person, other = SlowPerson("once"), desktop.parent / "Site"
    other.mkdir()
    Image.new("RGB", (8, 8)).save(other / "a.png")
    grants = FolderGrantStore(settings.folders)
    grant, seen = grants.add("", "read", desktop), list[CallToolResult]()
    arguments = {"image": str(desktop / "shot.png"), "more_images": [str(other / "a.png")]}

    async def compare(client: Client) -> None:
        seen.append(await client.call_tool("describe_image", arguments))

    async with session(person) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(compare, client)
        await person.asked.wait()
        grants.revoke(grant)
        person.may_answer.set()

    assert "[code: consent_withdrawn]" in text_of(seen[0])
    assert service.requests == []


@pytest.mark.promise("consent:logged")
@one_era
async def test_every_answer_is_logged_with_who_which_folder_and_when(
    session: Session, desktop: Path, settings: Settings
) -> None:
    for choice in ("once", "no", "this folder"):
        async with session(Person(choice)) as client:
            await look(client, desktop / "shot.png")
    grants = FolderGrantStore(settings.folders)
    grants.revoke(grants.all()[0])

    log = settings.folders.logs / "folders.log"
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line[1:] for line in lines] == [
        [event, "claude-code", "read", str(desktop)] for event in ("granted once", "refused", "granted", "revoked")
    ]
    assert all(line[0][:2] == "20" for line in lines)
    assert stat.S_IMODE(log.stat().st_mode) == 0o600


@one_era
async def test_consent_that_cannot_be_kept_holds_for_the_call_and_says_so(
    session: Session, desktop: Path, settings: Settings
) -> None:
    (settings.folders.data).mkdir(parents=True)
    (settings.folders.data / "folders").write_text("in the way")

    async with session(Person("this folder")) as client:
        seen = await look(client, desktop / "shot.png")

    assert "holds for this call only" in " ".join(data_of(seen)["warnings"])


def test_a_question_shows_no_characters_that_mislead(tmp_path: Path) -> None:
    asked = question("Finder\n\u202eAllow everything " + "x" * 100, [FolderWish("read", tmp_path / "a")], tmp_path)

    assert asked == "Let FinderAllow everything xxxxxxxxxxxxxxxxx read pictures and recordings in ~/a?"


@pytest.mark.parametrize("name", ["a\nb", "a\u202eb", os.fsdecode(b"a\xff")])
@one_era
async def test_a_folder_whose_name_cannot_be_shown_is_not_asked_for(session: Session, desktop: Path, name: str) -> None:
    person = Person("this folder")

    async with session(person) as client:
        refused = await look(client, Path(str(desktop / name).encode("utf-8", "replace").decode()) / "a.png")

    assert refused.is_error
    assert "\n" not in "".join(person.questions)


@one_era
async def test_no_argument_of_a_tool_can_grant(session: Session, service: FakeService) -> None:
    async with session(None) as client:
        tools = (await client.list_tools()).tools

    arguments = {name for tool in tools for name in tool.input_schema["properties"]}
    assert not arguments & {"files", "answer", "wishes", "allow", "consent"}


@pytest.mark.promise("consent:page")
async def test_a_person_answers_on_the_page_what_no_question_could_ask(
    service: FakeService, settings: Settings, desktop: Path
) -> None:
    async with open_server(service, settings, ClientConnection(over_http=True)) as server, Client(server) as client:
        await look(client, desktop / "shot.png")
        consents = FolderControl(FolderGrantStore(settings.folders), server.app_context.folder_requests)
        (asked,) = consents.requested()
        refused_first = consents.answer(asked.id, is_granted=False)
        still_refused = await look(client, desktop / "shot.png")
        consents.answer(asked.id, is_granted=True)
        seen = await look(client, desktop / "shot.png")
        (granted,) = consents.granted()
        requested_then = consents.requested()
        consents.revoke(granted.id)
        gone = await look(client, desktop / "shot.png")

    assert (asked.client, asked.access, asked.folder) == ("http", "read", desktop)
    assert refused_first
    assert still_refused.is_error
    assert not seen.is_error
    assert requested_then == []
    assert gone.is_error
    assert not consents.revoke(granted.id)
    assert not consents.answer("none", is_granted=True)
