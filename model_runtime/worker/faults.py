"""What an unexpected exception of an engine means."""

from model_runtime.errors import JobFailed, SensesError

GPU_SIGNS = ("[METAL]", "[metal::", "kIOGPU", "SubmissionsIgnored")
"""Metal never recovers from these within a process."""


def is_fatal(error: Exception) -> bool:
    """Whether the process cannot go on working: out of memory, or the GPU refuses."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in GPU_SIGNS)


def as_failure(error: Exception) -> SensesError:
    """Turn anything an engine raised into an error for the caller."""
    if isinstance(error, SensesError):
        return error
    return JobFailed(f"The model failed with {name_fault(error)}. The log has the details.")


def name_fault(error: Exception) -> str:
    """The exception's class and, where it has one, its text."""
    return f"{type(error).__name__}: {error}".rstrip(": .")
