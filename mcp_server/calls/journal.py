"""What calls have done, on the disk, so that a call which is repeated after the end of a daemon does nothing twice.

A shim repeats a call whose answer it never got. `<key>.open` names what an unfinished call has begun: the results that
it stores, and the sound that it plays. Its answer is kept before a file appears in a client's folder, and `<key>.N.copy`
is such a file until it is there. So a repeat finds one of three things: nothing, and it runs; an open entry, whose
results were deleted when the daemon started, and it runs but plays nothing; or the answer, which it returns after it has
written what is missing.
"""

import hashlib
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
import anyio.to_thread
from mcp_types import CallToolResult

from mcp_server.calls.copies import Copy
from mcp_server.calls.jobs import JobFunction
from mcp_server.files import answers
from mcp_server.files.access import ClientFiles
from mcp_server.files.answers import AnswerStore
from mcp_server.files.artifacts import ArtifactKind
from model_runtime.atomic_file import PARTIAL_PATTERN

T = TypeVar("T")

OPEN_SUFFIX = ".open"


class Call(Protocol):
    """The call that a task works for."""

    def reserve(self, kind: ArtifactKind, artifact_id: str) -> None:
        """Note a result before its file appears. Blocks on the disk."""
        ...

    async def may_play(self) -> bool:
        """Return whether its sound may be played: once. Later calls return false."""
        ...

    async def write(self, copy: Copy) -> None:
        """Write a file in the client's folder, now or with the answer.

        Raises:
            ArtifactNotSaved: it cannot be written.
        """
        ...

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Call the tool. Unless it has started a job, keep its answer and write its files; undo a cancelled call.

        Raises:
            ArtifactNotSaved: a file cannot be written.
        """
        ...

    def as_job(self, function: JobFunction) -> JobFunction:
        """Return the work of the call's job, which does the same at its own end."""
        ...


class PlainCall:
    """A call that nobody repeats: over HTTP, or from the same process."""

    def reserve(self, kind: ArtifactKind, artifact_id: str) -> None:
        """Do nothing."""

    async def may_play(self) -> bool:
        """Return true."""
        return True

    async def write(self, copy: Copy) -> None:
        """Write a file at once; see `Call`."""
        await copy.write()

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Call the tool."""
        return await work()

    def as_job(self, function: JobFunction) -> JobFunction:
        """Return the function."""
        return function


@dataclass(slots=True, eq=False)
class JournaledCall:
    """A call of a shim's client."""

    journal: "CallJournal"
    key: str
    has_played: bool = False
    artifacts: list[str] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    has_job: bool = False
    is_finished: bool = False

    def reserve(self, kind: ArtifactKind, artifact_id: str) -> None:
        """Note a result before its file appears; see `Call`."""
        self.artifacts.append(f"{kind}/{artifact_id}")
        self._write_open()

    async def may_play(self) -> bool:
        """Return true once, and note it before."""
        if self.has_played:
            return False
        self.has_played = True
        await anyio.to_thread.run_sync(self._write_open)
        return True

    async def write(self, copy: Copy) -> None:
        """Keep a file until the answer is there."""
        self.copies.append(copy)

    async def run(self, work: Callable[[], Awaitable[T]]) -> T:
        """Call the tool, then keep its answer and write its files; see `Call`."""
        return await self._settle(work, lambda: not self.has_job)

    def as_job(self, function: JobFunction) -> JobFunction:
        """Return the work of the call's job; see `Call`."""
        self.has_job = True
        return lambda job: self._settle(partial(function, job), lambda: True)

    async def _settle(self, work: Callable[[], Awaitable[T]], has_answer: Callable[[], bool]) -> T:
        try:
            result = await work()
            if has_answer():
                await self._finish(result)
        except anyio.get_cancelled_exc_class():
            if self._has_begun and not self.is_finished:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(self.roll_back)
            raise
        except Exception:
            if self._has_begun:
                with suppress(OSError):  # what the call has stored stays: the error may name it
                    await anyio.to_thread.run_sync(self._open_path.unlink, True)
            raise
        return result

    async def _finish(self, result: object) -> None:
        if not isinstance(result, CallToolResult) or not (self._has_begun or self.copies):
            return
        self.is_finished = True
        await anyio.to_thread.run_sync(self._write_answer, result)
        for number, copy in enumerate(self.copies):
            await copy.write()
            await anyio.to_thread.run_sync(self._copy_path(number).unlink, True)

    async def recorded(self, files: ClientFiles) -> CallToolResult | None:
        """Return the answer if the call has one, after writing what is missing of its files.

        Raises:
            ArtifactNotSaved: a file cannot be written.
        """
        kept = await anyio.to_thread.run_sync(self.journal.answers.load, self.key)
        if kept is None:
            return None
        for number, path in enumerate(kept["copies"]):
            staged = self._copy_path(number)
            with suppress(FileNotFoundError):
                copy = Copy(files, Path(path), await anyio.Path(staged).read_bytes())
                if not await copy.is_written():
                    await copy.write()
                await anyio.to_thread.run_sync(staged.unlink, True)
        self.is_finished = True
        return CallToolResult.model_validate(kept["result"])

    def roll_back(self) -> None:
        """Delete the results of a call without an answer, but not that it has played. Blocks on the disk."""
        for path in (path for name in self.artifacts for path in self.journal.artifacts.glob(f"{name}.*")):
            path.unlink(missing_ok=True)
        self.artifacts.clear()
        if self.has_played:
            self._write_open()
        else:
            self._open_path.unlink(missing_ok=True)

    def has_played_before(self) -> bool:
        """Return whether an earlier attempt began to play. Blocks on the disk."""
        with suppress(OSError, ValueError, KeyError):
            return bool(json.loads(self._open_path.read_bytes())["played"])
        return False

    def _write_open(self) -> None:
        content = {"artifacts": self.artifacts, "played": self.has_played}
        answers.write_kept(self._open_path, json.dumps(content).encode())

    def _write_answer(self, result: CallToolResult) -> None:
        for number, copy in enumerate(self.copies):
            answers.write_kept(self._copy_path(number), copy.data)
        dumped = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        paths = [str(copy.destination) for copy in self.copies]
        self.journal.answers.save(self.key, {"result": dumped, "copies": paths})
        self._open_path.unlink(missing_ok=True)

    @property
    def _has_begun(self) -> bool:
        """Whether the disk says that the call has begun to store or to play something."""
        return bool(self.artifacts) or self.has_played

    @property
    def _open_path(self) -> Path:
        return self.journal.answers.folder / f"{self.key}{OPEN_SUFFIX}"

    def _copy_path(self, number: int) -> Path:
        return self.journal.answers.folder / f"{self.key}.{number}.copy"


current_call: ContextVar[Call] = ContextVar("current_call", default=PlainCall())  # noqa: B039 - it has no state
"""The call that this task, or this thread of it, works for."""


class CallJournal:
    """What calls have begun, and their answers among the kept ones; `artifacts` is the folder of the results."""

    def __init__(self, answers: AnswerStore, artifacts: Path) -> None:
        self.answers = answers
        self.artifacts = artifacts

    def open(self) -> None:
        """Take up what earlier daemons left; delete half-written files and results of unfinished calls. Blocks on the disk."""
        self.answers.open()
        for path in (*self.answers.folder.glob(PARTIAL_PATTERN), *self.artifacts.glob(f"*/{PARTIAL_PATTERN}")):
            with suppress(OSError):
                path.unlink()
        for path in self.answers.folder.glob(f"*{OPEN_SUFFIX}"):
            with suppress(OSError, ValueError, KeyError):
                if path.stem in self.answers:  # the daemon was killed between writing one and deleting the other
                    path.unlink()
                    continue
                kept = json.loads(path.read_bytes())
                JournaledCall(self, path.stem, bool(kept["played"]), list(kept["artifacts"])).roll_back()

    async def begin(self, key: str, *, is_repeated: bool) -> JournaledCall:
        """Return the entry of a call, which is new unless the call is repeated."""
        call = JournaledCall(self, key)
        if is_repeated:
            call.has_played = await anyio.to_thread.run_sync(call.has_played_before)
        elif key in self.answers:  # the client uses an id again
            await anyio.to_thread.run_sync(self.answers.delete, key)
        return call


def call_key(session: str, request_id: str, tool: str) -> str:
    """Return the name of a call's entry."""
    return hashlib.sha256(f"{session}\0{request_id}\0{tool}".encode()).hexdigest()[:32]
