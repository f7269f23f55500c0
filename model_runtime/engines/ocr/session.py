"""Sessions of onnxruntime that give their memory back and leave the other processes their share of the processors."""

import os
from pathlib import Path

from onnxruntime import InferenceSession, SessionOptions

THREADS = max(1, min(os.cpu_count() or 1, 4))
"""More threads make these small networks hardly faster."""
ERRORS_ONLY = 3


def open_session(path: Path, threads: int) -> InferenceSession:
    """Load a network, each run of which computes on this many threads.

    Its buffers are freed after each run: the arena would keep the largest that any picture ever needed. Threads do not
    spin while they wait, which would take the processors from other workers.
    """
    options = SessionOptions()
    options.enable_cpu_mem_arena = False
    options.enable_mem_pattern = False
    options.intra_op_num_threads = threads
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = ERRORS_ONLY
    return InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
