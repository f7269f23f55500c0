"""mlx-whisper's modules, imported without numba and scipy.

mlx-whisper uses both only for word timestamps, and they cost 120 MB and three seconds of every worker's start.
`word_timestamps` does that work with numpy.
"""

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def import_without_numba_and_scipy() -> None:
    """Import mlx_whisper.timing with stubs in place of numba and scipy, and remove the stubs afterwards.

    A test in `test_mlx_whisper_patches` fails as soon as mlx-whisper imports neither of them.
    """
    names = [name for name in ("numba", "scipy", "scipy.signal") if name not in sys.modules]
    sys.modules |= {name: _stub_module(name) for name in names}
    if "scipy.signal" in names:
        sys.modules["scipy"].signal = sys.modules["scipy.signal"]  # type: ignore[attr-defined]
    try:
        import_module("mlx_whisper.timing")
    finally:
        for name in names:
            del sys.modules[name]


def _stub_module(name: str) -> ModuleType:
    module = ModuleType(name)
    module.jit = _identity_decorator  # type: ignore[attr-defined]
    return module


def _identity_decorator(*_: Any, **__: Any) -> Any:
    """Stand in for numba.jit, which mlx-whisper calls at import, without compiling."""
    return lambda function: function


import_without_numba_and_scipy()

from mlx_whisper import decoding, timing, tokenizer, whisper  # noqa: E402

__all__ = ["decoding", "timing", "tokenizer", "whisper"]
