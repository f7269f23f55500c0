"""Convert unexpected exceptions of an engine into errors for the caller."""

from model_runtime.engines.fatal_errors import is_gpu_out_of_memory
from model_runtime.errors import JobFailed, LoadFailed, OutOfMemory, SensesError

OUT_OF_MEMORY_ADVICE = "close other programs, ask for less at once, or choose a smaller model."


def to_request_error(error: Exception) -> SensesError:
    """Return a `SensesError` unchanged, a lack of memory as `OutOfMemory`, and any other exception as `JobFailed`."""
    if isinstance(error, SensesError):
        return error
    return _out_of_memory(error) or _job_failed(error)


def to_load_error(error: Exception) -> SensesError:
    """Return a `SensesError` unchanged, a lack of memory as `OutOfMemory`, and any other exception as `LoadFailed`."""
    if isinstance(error, SensesError):
        return error
    return _out_of_memory(error) or LoadFailed(f"Loading failed with {describe_exception(error)}.")


def _out_of_memory(error: Exception) -> OutOfMemory | None:
    if is_gpu_out_of_memory(error):
        return OutOfMemory(f"The GPU ran out of memory: {OUT_OF_MEMORY_ADVICE}")
    if isinstance(error, MemoryError):
        return OutOfMemory(f"The model's process ran out of memory: {OUT_OF_MEMORY_ADVICE}")
    return None


def _job_failed(error: Exception) -> JobFailed:
    return JobFailed(f"The model failed with {describe_exception(error)}. See the Senses log for details.")


def describe_exception(error: Exception) -> str:
    """Return the exception's class and its text, if any."""
    return f"{type(error).__name__}: {error}".rstrip(": .")
