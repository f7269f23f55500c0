"""Jobs on the disk: their ids outlive the daemon, so that `get_job` has the result, or says that there is none."""

import json
import logging
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

from mcp_types import CallToolResult

from model_runtime.atomic_file import PRIVATE, write_atomically
from model_runtime.errors import OperationFailed, SensesError

logger = logging.getLogger(__name__)

MAX_JOBS = 32


class JobEndedWithDaemon(OperationFailed):
    """The daemon ended while the job ran."""

    code = "daemon_ended"


class RecordedError(SensesError):
    """The error with which a job failed under an earlier daemon."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class JobStore:
    """Keeps the last `MAX_JOBS` jobs whose calls have answered with an id, one file each in `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._ids: dict[int, None] = {}
        """Oldest first."""

    def open(self) -> None:
        """Find the jobs of earlier daemons. Blocks on the disk."""
        paths = [path for path in self._folder.glob("*.json") if path.stem.isdecimal()]
        self._ids = dict.fromkeys(int(path.stem) for path in sorted(paths, key=lambda path: path.stat().st_mtime))

    def __contains__(self, job_id: int) -> bool:
        """Return whether a job with this id is kept."""
        return job_id in self._ids

    def save(self, job_id: int, tool: str, result: CallToolResult | None, error: SensesError | None) -> None:
        """Keep a job; one without result and error runs, and never replaces one that has ended. Blocks on the disk."""
        content: dict[str, Any] = {"tool": tool}
        if result is not None:
            content["result"] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        if error is not None:
            content["error"] = {"message": error.message, "code": error.code}
        with self._lock:
            if len(content) == 1 and job_id in self._ids:
                return
            try:
                self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
                write_atomically(self._path(job_id), json.dumps(content).encode(), mode=PRIVATE)
            except OSError as failure:
                logger.warning("Job %d is not kept: %s", job_id, failure.strerror)
                return
            self._ids[job_id] = None
            for old in list(self._ids)[:-MAX_JOBS]:
                del self._ids[old]
                self._path(old).unlink(missing_ok=True)

    def result_or_raise(self, job_id: int) -> CallToolResult | None:
        """Return the result of a job of an earlier daemon, or None if there is no such job. Blocks on the disk.

        Raises:
            JobEndedWithDaemon: it ran when the daemon ended.
            RecordedError: it failed.
        """
        kept: dict[str, Any] = {}
        with suppress(OSError, ValueError):
            kept = json.loads(self._path(job_id).read_bytes())
        if "error" in kept:
            raise RecordedError(kept["error"]["message"], kept["error"]["code"])
        if "result" in kept:
            return CallToolResult.model_validate(kept["result"])
        if kept:
            text = f"Job {job_id} ran when Senses ended, so it has no result. Call {kept['tool']} again."
            raise JobEndedWithDaemon(text)
        return None

    def _path(self, job_id: int) -> Path:
        return self._folder / f"{job_id}.json"
