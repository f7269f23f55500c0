"""Load a fast BLAS for MLX on Linux without a GPU.

MLX's Linux wheels bundle the reference BLAS. OpenBLAS is twenty times faster if it is loaded first. The wheel of
opencv-python (a dependency of mflux) has an OpenBLAS with the plain symbol names that MLX looks up; the symbols of
numpy's and scipy's are prefixed.
"""

import ctypes
import os
import sys
import sysconfig
from pathlib import Path

SYSTEM_OPENBLAS = "libopenblas.so.0"


def load_fast_blas() -> str:
    """Load an OpenBLAS globally and return its name; "" if none is found, MLX is imported, or none is needed.

    It runs with one thread unless OPENBLAS_NUM_THREADS is set: its threads spin while they wait for each other, and
    if several workers share the cores, a second of work takes minutes.
    """
    if sys.platform != "linux" or "mlx.core" in sys.modules or "openblas" in os.environ.get("LD_PRELOAD", ""):
        return ""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    folder = Path(sysconfig.get_paths()["purelib"]) / "opencv_python.libs"
    for library in (*map(str, sorted(folder.glob("libopenblas*.so*"))), SYSTEM_OPENBLAS):
        try:
            ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
        except OSError:
            continue
        return library
    return ""
