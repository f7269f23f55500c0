"""Errors after which a process cannot go on."""

FATAL_GPU_ERRORS = ("[METAL]", "[metal::", "kIOGPU", "SubmissionsIgnored")
"""Metal never recovers from these within a process."""


def is_fatal(error: Exception) -> bool:
    """Whether the process cannot go on working: out of memory, or the GPU refuses."""
    return isinstance(error, MemoryError) or any(fragment in str(error) for fragment in FATAL_GPU_ERRORS)
