"""Every way a call can fail, as one tree.

    SensesError
    ├── InvalidInput            the caller must change something; never retried
    │   ├── UnknownModel
    │   ├── WrongTask
    │   ├── BadMedia
    │   └── ModelTooLarge
    ├── ModelMissing            the weights are not on this disk
    │   └── ModelBroken         the folder of a local model cannot be used
    ├── Busy                    try again later; `retry_after_seconds` says when
    │   ├── QueueFull
    │   ├── QueueTimeout
    │   ├── ModelUnavailable
    │   └── ShuttingDown
    ├── Failed                  the work was started and broke
    │   ├── LoadFailed
    │   ├── WorkerDied
    │   ├── JobStalled
    │   └── JobFailed
    └── Cancelled               the caller, or an operator, ended the call

A message is one or two sentences: what happened, with the value, and what to do next. Faces show it as it is.
"""

from collections.abc import Iterable

from model_runtime.sizes import format_bytes


class SensesError(Exception):
    """Base of every error a caller of the runtime can see; `code` is stable and machine-readable."""

    code = "error"
    retry_after_seconds: float | None = None
    param: str | None = None

    @property
    def message(self) -> str:
        """The sentence a person reads."""
        return str(self)


class InvalidInput(SensesError):
    """A value cannot be used; `param` names it."""

    code = "invalid_value"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        if code is not None:
            self.code = code


class UnknownModel(InvalidInput):
    """No alias, repository or folder has this name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        super().__init__(
            f"There is no model {name!r}. Known models: {', '.join(known)}. "
            "A Hugging Face repository id or the path of a local folder works too.",
            param="model",
            code="model_not_found",
        )
        self.name = name


class WrongTask(InvalidInput):
    """The model exists but does something else."""

    def __init__(self, name: str, task: str, requested_task: str, alternatives: Iterable[str]) -> None:
        super().__init__(
            f"{name} does {task}, not {requested_task}. Models for {requested_task}: {', '.join(alternatives) or 'none configured'}.",
            param="model",
            code="unsupported_model",
        )


class InvalidMedia(InvalidInput):
    """Bytes that should be a picture or a recording cannot be read as one; the message never quotes them."""

    def __init__(self, message: str, *, param: str, code: str = "bad_media") -> None:
        super().__init__(message, param=param, code=code)


class ModelTooLarge(InvalidInput):
    """The model cannot fit the memory budget even alone."""

    def __init__(self, name: str, needed_bytes: int, budget_bytes: int) -> None:
        super().__init__(
            f"{name} needs {format_bytes(needed_bytes)} but the memory budget leaves {format_bytes(budget_bytes)}. "
            "Choose a smaller model or raise memory.budget_gb in config.toml.",
            param="model",
            code="model_too_large",
        )
        self.needed_bytes = needed_bytes
        self.budget_bytes = budget_bytes


class ModelMissing(SensesError):
    """The weights are not on this disk; a call never downloads them by itself."""

    code = "model_missing"
    param = "model"

    def __init__(self, name: str, size_bytes: int | None, command: str) -> None:
        size = f" ({format_bytes(size_bytes)})" if size_bytes else ""
        super().__init__(f"The weights of {name}{size} are not on this machine. Run: {command}")
        self.size_bytes = size_bytes
        self.command = command


class ModelBroken(ModelMissing):
    """The folder of a local model cannot be used; the message says why, and what to do."""

    code = "model_broken"

    def __init__(self, message: str) -> None:
        SensesError.__init__(self, message)
        self.size_bytes = None
        self.command = ""


class Busy(SensesError):
    """The request was not started; trying again after `retry_after_seconds` makes sense."""

    code = "busy"

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class QueueFull(Busy):
    """Too many requests wait already."""

    code = "queue_full"


class QueueTimeout(Busy):
    """The request waited as long as it may."""

    code = "queue_timeout"


class ModelUnavailable(Busy):
    """The model failed recently and rests before the next try."""

    code = "model_unavailable"


class ShuttingDown(Busy):
    """The runtime is leaving."""

    code = "shutting_down"


class OperationFailed(SensesError):
    """Work was started and did not end well."""

    code = "failed"


class LoadFailed(OperationFailed):
    """The model could not be loaded."""

    code = "load_failed"


class WorkerDied(OperationFailed):
    """The worker process ended under the call."""

    code = "worker_died"


class JobStalled(OperationFailed):
    """The job made no progress for too long and was stopped."""

    code = "job_stalled"


class JobFailed(OperationFailed):
    """The engine raised an error while working on the job."""

    code = "job_failed"


class Cancelled(SensesError):
    """The call was ended before it finished."""

    code = "cancelled"


class SettingsError(SensesError):
    """A setting cannot be used. The message names the setting, its value and what is accepted."""

    code = "bad_settings"
