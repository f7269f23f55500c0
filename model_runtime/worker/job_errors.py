"""What an unexpected exception of an engine means."""

from model_runtime.errors import JobFailed, SensesError


def to_request_error(error: Exception) -> SensesError:
    """Turn anything an engine raised into an error for the caller."""
    if isinstance(error, SensesError):
        return error
    return JobFailed(f"The model failed with {describe_exception(error)}. The log has the details.")


def describe_exception(error: Exception) -> str:
    """The exception's class and, where it has one, its text."""
    return f"{type(error).__name__}: {error}".rstrip(": .")
