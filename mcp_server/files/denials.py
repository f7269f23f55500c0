"""Say why a file cannot be opened or written, and what a person can do."""

import errno
import os
import shlex
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mcp_server.files.file_calls import FILE_TIMEOUT_SECONDS
from mcp_server.files.grants import Access, FolderGrant
from mcp_server.launcher.commands import absolute_senses_command

OWN_PROGRAM = os.path.realpath(sys.executable)
"""The program of this process, by which macOS knows its rights."""

REASONS = {
    errno.ENAMETOOLONG: "its path is too long: at most 1024 bytes on macOS, 4096 on Linux.",
    errno.ELOOP: "a part of its path is a link now.",
    errno.ENOTDIR: "a folder of its path is a link or a file now.",
}


def explain(error: OSError, inbox: Path, programs: Iterable[str]) -> str:
    """Return the reason of an error and what to do, as sentences.

    `programs` are those that were denied.
    """
    if isinstance(error, TimeoutError):
        return (
            f"there is no answer within {FILE_TIMEOUT_SECONDS:.0f} s. Its disk hangs, or macOS waits for someone to "
            f"answer a dialog on this Mac: answer it and try again, or use a file in {inbox}."
        )
    if error.errno in REASONS:
        return REASONS[error.errno]
    if not isinstance(error, PermissionError):
        return f"{error.strerror or error}."
    if sys.platform != "darwin":
        return f"{error.strerror or error}. Copy the file to {inbox}, or change the permissions of the file."
    names = " and ".join(dict.fromkeys(filter(None, programs)))
    return (
        f"macOS does not permit it. Use a file in {inbox}, which needs no permission. Or allow {names}, and the app "
        "that started it if that is a Terminal, in System Settings › Privacy & Security › Files and Folders, or in "
        "Full Disk Access there, and reconnect."
    )


@dataclass(frozen=True, slots=True)
class Refusal:
    """A path that a client may not use, and what a person can do about it."""

    address: str
    """As the call names it."""
    access: Access
    link_target: Path | None
    """Where a link in one of the client's folders leads out of it; None: it is no such link."""
    folders: Sequence[Path]
    """Those that the client may use."""
    inbox: Path
    command: str
    """What a person types to grant the folder; "": it cannot be granted."""
    was_refused: bool = False
    """A person has said no in this session."""
    over_http: bool = False
    """The status page shows the wish, so that a person can answer there."""

    @property
    def text(self) -> str:
        """Sentences for the model and its user; they do not depend on whether the file exists."""
        verb, remedy, remedy_over_http = REMEDIES[self.access]
        place = (
            f"{self.address} is a link to {self.link_target}, which is" if self.link_target else f"{self.address} is"
        )
        page = "answers on the status page, or " if self.over_http else ""
        folders = ", ".join(map(str, self.folders)) or f"only {self.inbox}"
        return " ".join(
            (
                f"{place} not in a folder that this client may {verb} ({folders}; hidden files never are).",
                *(["The user has refused it in this session."] if self.was_refused else []),
                f"To allow it without a restart, the user {page}types: `{self.command}`."
                if self.command
                else "It may be private, so nobody can grant it here.",
                (remedy_over_http if self.over_http else remedy).format(inbox=self.inbox),
            )
        )


REMEDIES: dict[Access, tuple[str, str, str]] = {
    "read": (
        "read",
        "Or copy the file into {inbox}/.",
        "Or pass the file itself as data:<type>;base64,… of at most 8 MB.",
    ),
    "write": (
        "write",
        "Or leave output_path empty: the result is kept all the same.",
        "Or leave output_path empty: the result is in the answer as far as it fits, and at its url.",
    ),
}
"""The verb of a refusal, and what else can be done, here and over HTTP."""


def grant_command(access: Access, folder: Path, client: str, state_folder: str) -> str:
    """Return the command that grants a folder to a client; `state_folder` is SENSES_HOME, "" where it is not set."""
    return " ".join(
        (
            *([f"SENSES_HOME={shlex.quote(state_folder)}"] if state_folder else []),
            *(absolute_senses_command(), "folders", "add", shlex.quote(str(folder))),
            *(["--write"] if access == "write" else []),
            *(["--client", shlex.quote(client)] if client else []),
        )
    )


def withdrawn_text(grant: FolderGrant) -> str:
    """Return why a call ends whose folder is no longer granted."""
    return (
        f"While this call ran, the user withdrew the consent for {grant.folder}. The call ends without a result, and "
        "nothing was written there."
    )
