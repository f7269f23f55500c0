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
from mcp_server.files.access import ClientFiles
from mcp_server.files.allowed_paths import FolderWish
from mcp_server.files.clipboard import CLIPBOARD
from mcp_server.files.grants import Access

Wishes = tuple[FolderWish, ...]

MAX_CLIENT_NAME_CHARS = 40
USES: dict[Access, str] = {"read": "read pictures and recordings in", "write": "read and save files in"}


class FolderAnswer(BaseModel):
    """What a person answers."""

    allow: Literal["once", "this folder", "no"] = Field(
        title="Allow", description="once: for this call; this folder: until you revoke it with `senses folders`"
    )


def consented_files(app: AppContext, find_wishes: Callable[..., Awaitable[Wishes]]) -> Resolve:
    """Return what fills a tool's parameter `files`: the client's files, after a person has answered what is missing.

    `find_wishes` has the tool's arguments with paths as its parameters and returns `ClientFiles.wishes` of them.
    """

    async def ask(ctx: ToolContext, wishes: Annotated[Wishes, Resolve(find_wishes)]) -> Elicit[FolderAnswer] | None:
        if not wishes or app.files(ctx).client.over_http or not sdk_compat.can_ask(ctx):
            return None
        return Elicit(question(sdk_compat.client_title(ctx), wishes, Path.home()), FolderAnswer)

    async def files(
        ctx: ToolContext,
        wishes: Annotated[Wishes, Resolve(find_wishes)],
        answer: Annotated[ElicitationResult[FolderAnswer], Resolve(ask)],
    ) -> ClientFiles:
        found = app.files(ctx)
        await _apply(app, found, wishes, _choice(answer))
        return found

    return Resolve(files)


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


async def _apply(app: AppContext, files: ClientFiles, wishes: Wishes, choice: str) -> None:
    """Keep what a person chose: in the state folder, for this call, or as refused for this session."""
    for wish in wishes:
        match choice:
            case "this folder":
                await _grant(files, wish)
            case "once":
                files.once += (wish,)
                await _log(files, "granted once", wish)
            case "no":
                files.client.refused.add((wish.access, wish.folder))
                await _log(files, "refused", wish)
            case _:
                app.folder_requests.note(files.principal, wish, time.time())


async def _grant(files: ClientFiles, wish: FolderWish) -> None:
    grants = files.grants
    try:
        add = partial(grants.add, files.principal, wish.access, wish.folder)
        await files.client.threads.run(grants.folder, add)
    except OSError as error:
        files.once += (wish,)
        files.notes.append(f"The consent for {wish.folder} holds for this call only: {error.strerror or error}.")


async def _log(files: ClientFiles, event: str, wish: FolderWish) -> None:
    log = partial(files.grants.log, event, files.principal, wish.access, wish.folder)
    await files.client.threads.run(files.grants.folder, log)
