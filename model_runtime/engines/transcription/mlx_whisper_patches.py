"""mlx-whisper's parts, imported without numba and scipy.

The library needs both for the times of words only, and they cost 120 MB and three seconds of every worker's start. Our
`whisper_words` does that work with numpy, so both are stood in for while the library is imported.
"""

import sys
from types import ModuleType
from typing import Any


def _stand_in(name: str) -> ModuleType:
    module = ModuleType(name)
    module.jit = _unchanged  # type: ignore[attr-defined]
    return module


def _unchanged(*_: Any, **__: Any) -> Any:
    """What numba.jit does where nothing is compiled."""
    return lambda function: function


def _import() -> None:
    names = [name for name in ("numba", "scipy", "scipy.signal") if name not in sys.modules]
    sys.modules |= {name: _stand_in(name) for name in names}
    if "scipy.signal" in names:
        sys.modules["scipy"].signal = sys.modules["scipy.signal"]  # type: ignore[attr-defined]
    try:
        import mlx_whisper.timing  # noqa: F401
    finally:
        for name in names:
            del sys.modules[name]


_import()

from mlx_whisper import decoding, timing, tokenizer, whisper  # noqa: E402

__all__ = ["decoding", "timing", "tokenizer", "whisper"]
