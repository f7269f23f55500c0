"""mlx-whisper's parts, imported without numba and scipy.

The library needs both for the times of words only, and they cost 120 MB and three seconds of every worker's start. Our
`word_timestamps` does that work with numpy, so both are stood in for while the library is imported.
"""

import sys
from types import ModuleType
from typing import Any


def _stub_module(name: str) -> ModuleType:
    module = ModuleType(name)
    module.jit = _identity_decorator  # type: ignore[attr-defined]
    return module


def _identity_decorator(*_: Any, **__: Any) -> Any:
    """What numba.jit does where nothing is compiled."""
    return lambda function: function


def _import_without_numba() -> None:
    names = [name for name in ("numba", "scipy", "scipy.signal") if name not in sys.modules]
    sys.modules |= {name: _stub_module(name) for name in names}
    if "scipy.signal" in names:
        sys.modules["scipy"].signal = sys.modules["scipy.signal"]  # type: ignore[attr-defined]
    try:
        import mlx_whisper.timing  # noqa: F401
    finally:
        for name in names:
            del sys.modules[name]


_import_without_numba()

from mlx_whisper import decoding, timing, tokenizer, whisper  # noqa: E402

__all__ = ["decoding", "timing", "tokenizer", "whisper"]
