"""Linux without a GPU: MLX wheels bundle the reference BLAS; a real one, loaded first, is twenty times faster.

The OpenBLAS inside the opencv-python wheel (a dependency of mflux) has the plain symbol names that MLX looks up;
those of numpy and scipy are prefixed and do not help.
"""

import ctypes
import os
import sys
import sysconfig
from pathlib import Path

SYSTEM_OPENBLAS = "libopenblas.so.0"


def load_fast_blas() -> str:
    """Load an OpenBLAS globally and return its name; "" where there is none, it is too late, or no need.

    One thread unless OPENBLAS_NUM_THREADS says otherwise: its threads spin while they wait for each other, and where
    several workers share the cores a second of work then takes minutes.
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
