"""The end of the daemon's log, and what is added to it: a bounded part at a time, without keys and tokens."""

import os
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import to_thread

LOG_NAME = "daemon.log"
"""As the shim names it; a test compares them."""
FIRST_LINES = 200
MAX_LINES = 500
"""Of one envelope."""
MAX_READ_BYTES = 256_000
MAX_LINE_CHARS = 2000
SECRET = "(secret)"  # noqa: S105 - what stands in place of one
TOKENS = re.compile(
    r"\b(?:hf_|sk-|gh[pousr]_)[\w-]{8,}"  # of Hugging Face, of OpenAI and its like, of GitHub
    r"|(?<=bearer )\S+|(?<=x-api-key: )\S+|(?<=api_key=)[^\s&]+|(?<=://)[^\s/@:]+:[^\s/@]+(?=@)",
    re.IGNORECASE,
)
"""What looks like a key or a token, wherever it came from."""


def without_secrets(line: str, secrets: Iterable[str] = ()) -> str:
    """Return a line with these secrets, and what looks like one, replaced."""
    for secret in filter(None, secrets):
        line = line.replace(secret, SECRET)
    return TOKENS.sub(SECRET, line)


@dataclass(slots=True)
class LogFollower:
    """Tells one reader the last lines of a log, then each new one; of a log that is replaced or emptied, it begins again."""

    path: Path
    secrets: Sequence[str] = ()
    _position: int = 0
    _file_id: tuple[int, int] | None = None
    """Device and inode of the file that was read; None: none yet."""
    _rest: bytes = field(default=b"", repr=False)
    """The beginning of a line that is not whole yet."""
    _has_told: bool = False

    async def news(self) -> dict[str, Any] | None:
        """Return the new lines, at first the last ones; None if there are none."""
        return await to_thread.run_sync(self._read)

    def _read(self) -> dict[str, Any] | None:
        try:
            with self.path.open("rb") as file:
                file_stat = os.fstat(file.fileno())
                file_id = (file_stat.st_dev, file_stat.st_ino)
                is_new = file_id != self._file_id or file_stat.st_size < self._position
                if is_new:
                    self._file_id, self._position, self._rest = file_id, 0, b""
                start = max(self._position, file_stat.st_size - MAX_READ_BYTES)
                is_cut = start > self._position
                file.seek(start)
                read = file.read(MAX_READ_BYTES)
        except OSError as error:
            return self._tell_missing(error)
        self._position, self._has_told = start + len(read), True
        if is_cut:  # in the middle of a line
            self._rest, read = b"", read.partition(b"\n")[2]
        return self._envelope(read, is_new=is_new, is_cut=is_cut)

    def _envelope(self, read: bytes, *, is_new: bool, is_cut: bool) -> dict[str, Any] | None:
        *whole, self._rest = (self._rest + read).split(b"\n")
        self._rest = self._rest[-MAX_LINE_CHARS:]
        if not (whole or is_new):
            return None
        shown = whole[-(FIRST_LINES if is_new else MAX_LINES) :]
        lines = [without_secrets(line.decode("utf-8", "replace"), self.secrets)[:MAX_LINE_CHARS] for line in shown]
        return {
            "reset": is_new,
            "file": str(self.path),
            "lines": lines,
            "is_cut": is_cut or len(shown) < len(whole),
        }

    def _tell_missing(self, error: OSError) -> dict[str, Any] | None:
        if self._has_told:
            return None
        self._has_told = True
        reason = f"{self.path} cannot be read: {error.strerror}."
        return {"reset": True, "file": str(self.path), "lines": [], "is_cut": False, "reason": reason}
