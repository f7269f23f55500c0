"""Consent: a person, never the agent, lets a client use a folder that is not its own.

Each tool that has arguments with paths takes its files from `consented_files`. If a folder is missing, the SDK asks the
client's user, in the way of the connection's protocol era; no argument of a tool can answer. A client that cannot ask,
or gives the question back unanswered, gets the refusal with the command that a person types.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

from mcp.server.mcpserver import AcceptedElicitation, DeclinedElicitation, Elicit, ElicitationResult, Resolve
from pydantic import BaseModel, Field

from mcp_server.calls import sdk_compat
from mcp_server.calls.context import AppContext, ToolContext
from mcp_server.calls.questions import QUESTION_SECONDS, ask_person
from mcp_server.files.access import ClientFiles
from mcp_server.files.clipboard import CLIPBOARD
from mcp_server.files.folders import FolderWish
from mcp_server.files.grants import Access

MAX_CLIENT_NAME_CHARS = 40
USES: dict[Access, str] = {"read": "read pictures and recordings in", "write": "read and save files in"}
REPEATED_CALL_SECONDS = 60.0
"""How long calls wait for one that the client repeats with the answer: a client may wait for all of its calls first."""


class FolderAnswer(BaseModel):
    """What a person answers."""

    allow: Literal["once", "this folder", "no"] = Field(
        title="Allow", description="once: for this call; this folder: until you revoke it with `senses folders`"
    )


def consented_files(app: AppContext, find_files: Callable[..., Awaitable[ClientFiles]]) -> Resolve:
    """Return what fills a tool's parameter `files`: the client's files, after a person has answered what is missing.

    `find_files` has the tool's arguments with paths as its parameters and returns `AppContext.find_files` of them.
    """

    async def ask(
        ctx: ToolContext, files: Annotated[ClientFiles, Resolve(find_files)]
    ) -> Elicit[FolderAnswer] | FolderAnswer | None:
        paths, questions = files.paths, files.client.questions
        if not paths.missing or files.client.over_http or not sdk_compat.can_ask(ctx):
            return None
        if not sdk_compat.has_answer(ctx) and not await _is_left_to_ask(app, files):
            return None
        wait_seconds = REPEATED_CALL_SECONDS if sdk_compat.asks_with_result(ctx) else QUESTION_SECONDS
        questions.begin(paths.missing, wait_seconds)
        text = question(sdk_compat.client_title(ctx), paths.missing, Path.home())
        try:
            return await ask_person(ctx, text, FolderAnswer, FolderAnswer(allow="no"))
        except BaseException:
            questions.end(paths.missing, None)
            raise

    async def files(
        found: Annotated[ClientFiles, Resolve(find_files)],
        answer: Annotated[ElicitationResult[FolderAnswer], Resolve(ask)],
    ) -> ClientFiles:
        choice = _choice(answer)
        for wish in found.paths.missing:
            await _apply(app, found, wish, choice)
        found.client.questions.end(found.paths.missing, choice)
        return found

    return Resolve(files)


async def _is_left_to_ask(app: AppContext, files: ClientFiles) -> bool:
    """Wait for the answers that other calls have asked for, and return whether something is left to ask for."""
    paths = files.paths
    while paths.missing and (other := await files.client.questions.answered(paths.missing)):
        if other.choice == "":
            return False
        if other.choice is None:
            continue
        answered = [wish for wish in paths.missing if wish in other.wishes]
        paths.missing = tuple(wish for wish in paths.missing if wish not in answered)
        for wish in answered if other.choice == "once" else ():
            await _apply(app, files, wish, other.choice)
    return bool(paths.missing)


def question(client: str, wishes: Sequence[FolderWish], home: Path) -> str:
    """Return the question about folders, for the user of the client of this name."""
    shown = "".join(character for character in client if character.isprintable())[:MAX_CLIENT_NAME_CHARS]
    uses = [f"{USES[wish.access]} {_short(wish.folder, home)}" for wish in wishes]
    return f"Let {shown.strip() or 'this client'} {', and '.join(uses)}?"


def _short(folder: Path, home: Path) -> str:
    if folder == CLIPBOARD:
        return "the clipboard"
    return f"~/{folder.relative_to(home)}" if folder.is_relative_to(home) else str(folder)


def _choice(answer: ElicitationResult[FolderAnswer]) -> str:
    """Return what a person chose; "" if nobody did."""
    match answer:
        case DeclinedElicitation():
            return "no"
        case AcceptedElicitation(data=FolderAnswer(allow=choice)):
            return choice
        case _:
            return ""


async def _apply(app: AppContext, files: ClientFiles, wish: FolderWish, choice: str) -> None:
    """Keep what a person chose: in the state folder, for this call, or as refused for this session."""
    match choice:
        case "this folder":
            await _grant(files, wish)
        case "once":
            files.paths.once += (wish,)
            await _log(files, "granted once", wish)
        case "no":
            files.client.refused.add(wish)
            await _log(files, "refused", wish)
        case _:
            app.folder_requests.note(files.principal, wish, time.time())


async def _grant(files: ClientFiles, wish: FolderWish) -> None:
    grants = files.paths.grants
    try:
        add = partial(grants.add, files.principal, wish.access, wish.folder)
        await files.client.threads.run(grants.folder, add)
    except OSError as error:
        files.paths.once += (wish,)
        files.notes.append(f"The consent for {wish.folder} holds for this call only: {error.strerror or error}.")


async def _log(files: ClientFiles, event: str, wish: FolderWish) -> None:
    grants = files.paths.grants
    log = partial(grants.log, event, files.principal, wish.access, wish.folder)
    await files.client.threads.run(grants.folder, log)
