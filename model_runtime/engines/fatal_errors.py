"""Errors after which a worker process cannot continue."""

FATAL_GPU_ERRORS = ("[METAL]", "[metal::", "kIOGPU", "SubmissionsIgnored")
"""Parts of MLX's messages for GPU errors; Metal does not recover from them within a process."""

GPU_OUT_OF_MEMORY_ERRORS = ("kIOGPUCommandBufferCallbackErrorOutOfMemory", "Insufficient Memory", "[metal::malloc]")
"""Parts of those that mean a lack of memory. A command buffer fails with "[METAL] Command buffer execution failed:
Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)" (mlx/backend/metal/device.cpp); a buffer
that Metal cannot allocate raises "[metal::malloc] …" (mlx/backend/metal/allocator.cpp)."""


def is_fatal(error: Exception) -> bool:
    """Return whether the process must end: it is out of memory, or the GPU refuses work."""
    return isinstance(error, MemoryError) or any(fragment in str(error) for fragment in FATAL_GPU_ERRORS)


def is_gpu_out_of_memory(error: Exception) -> bool:
    """Return whether the GPU ran out of memory."""
    return any(fragment in str(error) for fragment in GPU_OUT_OF_MEMORY_ERRORS)
