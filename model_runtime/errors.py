"""Every error of the runtime, as one tree.

    SensesError
    ├── InvalidInput            the caller must change the request
    │   ├── UnknownModel
    │   ├── WrongTask
    │   ├── ContextExceeded
    │   ├── InvalidMedia
    │   └── ModelTooLarge
    ├── ModelMissing            the weights are not on this disk
    │   └── ModelBroken         the folder of a local model cannot be used
    ├── Busy                    try again later; `retry_after_seconds` says when
    │   ├── QueueFull
    │   ├── QueueTimeout
    │   ├── ModelUnavailable
    │   └── ShuttingDown
    ├── OperationFailed         the request started and failed
    │   ├── LoadFailed
    │   ├── WorkerDied
    │   ├── OutOfMemory
    │   ├── JobStalled
    │   └── JobFailed
    ├── Cancelled               the client or an operator ended the request
    └── SettingsError           a setting cannot be used

A message says what happened, with the value, and what to do next. Both APIs show it unchanged.
"""

from collections.abc import Iterable

from model_runtime.sizes import format_bytes

MAX_QUOTED_CHARACTERS = 200
"""Of a model's name in a message."""
FOLDER_ADVICE = "A local folder needs an alias: set models.NAME.path in config.toml, then ask for NAME."


class SensesError(Exception):
    """Base of the runtime's errors. `code` is a stable, machine-readable name; `param` names the invalid parameter."""

    code = "error"
    retry_after_seconds: float | None = None
    param: str | None = None

    @property
    def message(self) -> str:
        """Sentences for people."""
        return str(self)


class InvalidInput(SensesError):
    """A value of the request cannot be used; `param` names it."""

    code = "invalid_value"

    def __init__(self, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.param = param
        if code is not None:
            self.code = code


class UnknownModel(InvalidInput):
    """No alias or repository has the requested name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        is_path = name.startswith(("/", "~", ".")) or name.count("/") > 1
        super().__init__(
            f"There is no model {name[:MAX_QUOTED_CHARACTERS]!r}. Known models: {', '.join(known)}. "
            f"A Hugging Face repository id works too. {FOLDER_ADVICE if is_path else ''}".rstrip(),
            param="model",
            code="model_not_found",
        )
        self.name = name


class WrongTask(InvalidInput):
    """The model exists but does not support the requested task."""

    task = ""
    """What the model does."""

    def __init__(self, name: str, task: str, requested_task: str, alternatives: Iterable[str]) -> None:
        models = ", ".join(alternatives) or "none configured"
        message = f"{name} supports {task}, not {requested_task}. Models for {requested_task}: {models}."
        super().__init__(message, param="model", code="unsupported_model")
        self.task = task


class ContextExceeded(InvalidInput):
    """The messages do not fit into the context of the model. Agents look for OpenAI's words, which these are."""

    def __init__(self, context_tokens: int, messages_do: str, *, prompt_tokens: int = 0) -> None:
        """`messages_do` is a predicate such as "resulted in 5000 tokens"; `prompt_tokens` is 0 if they are not counted."""
        super().__init__(
            f"This model's maximum context length is {context_tokens} tokens. However, your messages {messages_do}. "
            "Please reduce the length of the messages, or send fewer or smaller pictures.",
            param="messages",
            code="context_length_exceeded",
        )
        self.context_tokens = context_tokens
        self.prompt_tokens = prompt_tokens


class InvalidMedia(InvalidInput):
    """Bytes cannot be decoded as an image or a recording. The message never quotes them."""

    def __init__(self, message: str, *, param: str, code: str = "bad_media") -> None:
        super().__init__(message, param=param, code=code)


class ModelTooLarge(InvalidInput):
    """The model exceeds the memory budget even if no other model is loaded."""

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
    """The weights are not on this disk. A request never downloads them."""

    code = "model_missing"
    param = "model"

    def __init__(self, name: str, size_bytes: int | None, command: str, licence: str = "") -> None:
        facts = ", ".join(filter(None, [format_bytes(size_bytes) if size_bytes else "", licence]))
        about = f" ({facts})" if facts else ""
        super().__init__(f"The weights of {name}{about} are not on this machine. Run: {command}")


class ModelBroken(ModelMissing):
    """The folder of a local model cannot be used."""

    code = "model_broken"

    def __init__(self, message: str) -> None:
        SensesError.__init__(self, message)


class Busy(SensesError):
    """The request was not started and can be retried after `retry_after_seconds`."""

    code = "busy"

    def __init__(self, message: str, retry_after_seconds: float) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class QueueFull(Busy):
    """The queue is full."""

    code = "queue_full"


class QueueTimeout(Busy):
    """The request waited in the queue for the longest time allowed."""

    code = "queue_timeout"


class ModelUnavailable(Busy):
    """The model failed recently and is backing off."""

    code = "model_unavailable"


class ShuttingDown(Busy):
    """The runtime is shutting down."""

    code = "shutting_down"


class OperationFailed(SensesError):
    """An operation was started and failed."""

    code = "failed"


class InsufficientStorage(OperationFailed):
    """The disk is full or cannot be written."""

    code = "no_room"


class LoadFailed(OperationFailed):
    """The model could not be loaded."""

    code = "load_failed"


class WorkerDied(OperationFailed):
    """The worker process exited while it ran the request."""

    code = "worker_died"


class OutOfMemory(OperationFailed):
    """The model ran out of memory, of the GPU or of the process. Its worker exits."""

    code = "out_of_memory"


class JobStalled(OperationFailed):
    """The request made no progress for too long and was stopped."""

    code = "job_stalled"


class JobFailed(OperationFailed):
    """The engine raised an error while it ran the request."""

    code = "job_failed"


class Cancelled(SensesError):
    """The request was cancelled before it finished."""

    code = "cancelled"


class SettingsError(SensesError):
    """A setting cannot be used. The message names the setting, its value and what is accepted."""

    code = "bad_settings"


def expected_error(group: ExceptionGroup[Exception]) -> SensesError | None:
    """Return the first `SensesError` in the exception group of a task group, or None."""
    for error in group.exceptions:
        found = expected_error(error) if isinstance(error, ExceptionGroup) else error
        if isinstance(found, SensesError):
            return found
    return None
