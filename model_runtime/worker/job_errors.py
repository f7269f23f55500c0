"""Convert unexpected exceptions of an engine into errors for the caller."""

from model_runtime.errors import JobFailed, SensesError


def to_request_error(error: Exception) -> SensesError:
    """Return a `SensesError` unchanged, and any other exception as `JobFailed`."""
    if isinstance(error, SensesError):
        return error
    return JobFailed(f"The model failed with {describe_exception(error)}. See the Senses log for details.")


def describe_exception(error: Exception) -> str:
    """Return the exception's class and its text, if any."""
    return f"{type(error).__name__}: {error}".rstrip(": .")
