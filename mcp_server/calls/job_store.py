"""Jobs on the disk: their ids outlive the daemon, so that `get_job` has the result, or says that there is none."""

from typing import Any

from mcp_types import CallToolResult

from mcp_server.files.answers import AnswerStore
from model_runtime.errors import OperationFailed, SensesError


class JobEndedWithDaemon(OperationFailed):
    """The daemon ended while the job ran."""

    code = "daemon_ended"


class RecordedError(SensesError):
    """The error with which a job failed under an earlier daemon."""

    def __init__(self, message: str, code: str) -> None:
        super().__init__(message)
        self.code = code


class JobStore:
    """The jobs whose calls have answered with an id, among the kept answers."""

    def __init__(self, answers: AnswerStore) -> None:
        self._answers = answers

    def __contains__(self, job_id: int) -> bool:
        """Return whether a job with this id is kept."""
        return str(job_id) in self._answers

    def save(self, job_id: int, tool: str, result: CallToolResult | None, error: SensesError | None) -> None:
        """Keep a job; one without result and error runs, and never replaces one that has ended. Blocks on the disk."""
        content: dict[str, Any] = {"tool": tool}
        if result is not None:
            content["result"] = result.model_dump(mode="json", by_alias=True, exclude_none=True)
        if error is not None:
            content["error"] = {"message": error.message, "code": error.code}
        self._answers.save(str(job_id), content, replaces=len(content) > 1)

    def result_or_raise(self, job_id: int) -> CallToolResult | None:
        """Return the result of a job of an earlier daemon, or None if there is no such job. Blocks on the disk.

        Raises:
            JobEndedWithDaemon: it ran when the daemon ended.
            RecordedError: it failed.
        """
        kept = self._answers.load(str(job_id))
        if kept is None:
            return None
        if "error" in kept:
            raise RecordedError(kept["error"]["message"], kept["error"]["code"])
        if "result" in kept:
            return CallToolResult.model_validate(kept["result"])
        raise JobEndedWithDaemon(f"Job {job_id} ran when Senses ended, so it has no result. Call {kept['tool']} again.")
