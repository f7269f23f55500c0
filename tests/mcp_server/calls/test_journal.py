"""A call that is repeated after its daemon was killed: nothing is written, stored or played twice."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import anyio
import pytest
from mcp_types import CallToolResult, TextContent

from mcp_server.calls.context import AppContext, ToolContext
from mcp_server.calls.copies import Copy
from mcp_server.calls.jobs import JobRegistry
from mcp_server.calls.journal import CallJournal, current_call
from mcp_server.calls.player import AudioPlayer
from mcp_server.files import answers
from mcp_server.files.access import ClientFiles
from mcp_server.files.answers import AnswerStore
from mcp_server.files.artifacts import ArtifactKind, ArtifactNotSaved, ArtifactStore
from mcp_server.files.client import ClientConnection
from model_runtime.atomic_file import partial_path
from model_runtime.settings import Settings
from tests.fakes import FakeService

KILLED_BEFORE_ITS_SOUND = 5
"""The step between the note that a sound begins and the sound: nobody knows whether it was heard."""


class Killed(BaseException):
    """The daemon was killed here; nothing is cleaned up."""


class World:
    """The disk and the loudspeaker of a machine, and the daemons that use them, one after the other."""

    def __init__(self, settings: Settings, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = settings
        self.project = project
        self.destination = project / "saved.txt"
        self.answers_folder = settings.folders.data / answers.FOLDER_NAME
        self.attempts = self.written = self.played = 0
        self.steps_left = -1
        for owner, name in ((answers, "write_kept"), (ArtifactStore, "add"), (ClientFiles, "write")):
            monkeypatch.setattr(owner, name, self._killable(getattr(owner, name)))

    def _killable(self, function: Any) -> Any:
        def step(*arguments: Any) -> Any:
            self._step()
            result = function(*arguments)
            if not hasattr(result, "__await__"):
                self._step()
                return result

            async def finish() -> None:
                await result
                self.written += 1
                self._step()

            return finish()

        return step

    def _step(self) -> None:
        if self.steps_left == 0:
            raise Killed
        self.steps_left -= 1

    async def call(self, *, is_repeated: bool, request_id: str = "7", fails: bool = False) -> CallToolResult:
        """Start a daemon, over what the last one left, and call its tool."""
        client = ClientConnection(
            self.project, (self.project,), session="s", repeated_ids=frozenset([request_id] if is_repeated else [])
        )
        store = ArtifactStore(self.settings.folders.artifacts)
        store.on_reserved = lambda kind, artifact_id: current_call.get().reserve(kind, artifact_id)
        journal = CallJournal(AnswerStore(self.answers_folder), store.folder)
        journal.open()
        async with anyio.create_task_group() as tasks:
            jobs, player = JobRegistry(tasks, iter(range(9)).__next__), AudioPlayer(tasks)
            app = AppContext(FakeService(), self.settings, store, jobs, player, journal=journal)
            request = SimpleNamespace(lifespan_context=client)
            session = SimpleNamespace(client_params=None)
            ctx = cast("ToolContext", SimpleNamespace(request_id=request_id, request_context=request, session=session))

            async def work() -> CallToolResult:
                self.attempts += 1
                data = f"made by attempt {self.attempts}".encode()
                artifact = await anyio.to_thread.run_sync(store.add, ArtifactKind.TRANSCRIPTS, data)
                if await current_call.get().may_play():
                    self.played += 1
                    self._step()
                await current_call.get().write(Copy(app.files(ctx), self.destination, data, artifact.path))
                if fails:
                    raise ArtifactNotSaved("no room")
                return CallToolResult(content=[TextContent(text=str(artifact.path))])

            return cast("CallToolResult", await app.run_call(ctx, "speak", work))
        raise AssertionError

    def artifacts(self) -> list[Path]:
        """Return all results."""
        return list(self.settings.folders.artifacts.glob("*/*.txt"))

    def left(self) -> list[str]:
        """Return the names of the journal's files without their keys."""
        return sorted(path.name.split(".", 1)[1] for path in self.answers_folder.glob("*"))


@pytest.fixture
def world(settings: Settings, project: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """A machine."""
    return World(settings, project, monkeypatch)


def path_in(result: CallToolResult) -> Path:
    return Path(cast("TextContent", result.content[0]).text)


@pytest.mark.promise("shim:once")
@pytest.mark.parametrize("steps", range(16))
async def test_wherever_a_daemon_is_killed_the_repeat_writes_stores_and_plays_once(world: World, steps: int) -> None:
    world.steps_left = steps
    try:
        await world.call(is_repeated=False)
    except BaseExceptionGroup as killed:
        assert killed.subgroup(Killed)  # noqa: PT017
    world.steps_left = -1

    result = await world.call(is_repeated=True)
    again = await world.call(is_repeated=True)

    assert again == result
    assert world.artifacts() == [path_in(result)]
    assert world.destination.read_bytes() == path_in(result).read_bytes()
    assert world.written == 1
    assert world.played == (0 if steps == KILLED_BEFORE_ITS_SOUND else 1)
    assert world.left() == ["json"]


async def test_there_are_no_more_steps_than_that(world: World) -> None:
    world.steps_left = 15

    await world.call(is_repeated=False)

    assert world.attempts == 1
    assert world.steps_left > 0


async def test_an_id_that_a_client_uses_again_is_another_call(world: World) -> None:
    first = await world.call(is_repeated=False)
    second = await world.call(is_repeated=False)

    assert path_in(first) != path_in(second)
    assert world.attempts == 2


async def test_a_call_that_fails_keeps_the_result_that_its_error_may_name(world: World) -> None:
    with pytest.raises(BaseExceptionGroup) as failed:
        await world.call(is_repeated=False, fails=True)
    await world.call(is_repeated=False, request_id="8")

    assert failed.group_contains(ArtifactNotSaved)
    assert len(world.artifacts()) == 2


async def test_a_cancelled_call_leaves_no_result(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ClientFiles, "explain", None)

    async with anyio.create_task_group() as tasks:
        journal = CallJournal(AnswerStore(world.answers_folder), world.settings.folders.artifacts)
        store = ArtifactStore(journal.artifacts)
        call = await journal.begin("key", is_repeated=False)
        store.on_reserved = call.reserve

        async def work() -> None:
            store.add(ArtifactKind.TRANSCRIPTS, b"x")
            tasks.cancel_scope.cancel()
            await anyio.sleep_forever()

        await call.run(work)

    assert world.artifacts() == []
    assert world.left() == []


async def test_what_a_killed_daemon_has_half_written_is_deleted_by_the_next(world: World) -> None:
    kept = await world.call(is_repeated=False)
    half_written = [partial_path(path) for path in (path_in(kept), world.answers_folder / "key.json")]
    for path in half_written:
        path.write_bytes(b"half")

    await world.call(is_repeated=True)

    assert not any(path.exists() for path in half_written)
    assert world.artifacts() == [path_in(kept)]


async def test_a_full_disk_makes_no_call_fail(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_atomically(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(answers, "write_atomically", write_atomically)

    result = await world.call(is_repeated=False)

    assert world.destination.read_bytes() == path_in(result).read_bytes()
