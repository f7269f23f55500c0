"""Errors after which a process cannot go on."""

GPU_SIGNS = ("[METAL]", "[metal::", "kIOGPU", "SubmissionsIgnored")
"""Metal never recovers from these within a process."""


def is_fatal(error: Exception) -> bool:
    """Whether the process cannot go on working: out of memory, or the GPU refuses."""
    return isinstance(error, MemoryError) or any(sign in str(error) for sign in GPU_SIGNS)
