"""Errors after which a worker process cannot continue."""

FATAL_GPU_ERRORS = ("[METAL]", "[metal::", "kIOGPU", "SubmissionsIgnored")
"""Parts of MLX's messages for GPU errors; Metal does not recover from them within a process."""


def is_fatal(error: Exception) -> bool:
    """Return whether the process must end: it is out of memory, or the GPU refuses work."""
    return isinstance(error, MemoryError) or any(fragment in str(error) for fragment in FATAL_GPU_ERRORS)
