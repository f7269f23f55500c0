"""How the bare libraries and other servers are run, so that they compute with the same routines as Senses does."""

import subprocess
import sys
from collections.abc import Mapping
from functools import cache

FIND_BLAS = "from model_runtime.engines.blas import load_fast_blas; print(load_fast_blas())"


@cache
def library_environ() -> Mapping[str, str]:
    """Variables for their processes: offline, and on Linux the same OpenBLAS on one thread."""
    offline = {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}
    found = subprocess.run([sys.executable, "-c", FIND_BLAS], capture_output=True, text=True, check=True).stdout.strip()
    return {**offline, "LD_PRELOAD": found, "OPENBLAS_NUM_THREADS": "1"} if found else offline
