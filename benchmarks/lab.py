"""What every part measures with: checkpoints made for the purpose, instances that know them, and how often."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.instance import Instance, running_instance
from tests.checkpoints import llama, qwen25_vl

TINY, ENDLESS, LARGE, VISION = "tiny", "endless", "large", "vision"
"""A Llama that says one sentence, one that never stops, one of 30 million parameters, and a vision model."""


@dataclass(frozen=True, slots=True)
class BenchmarkContext:
    """`quick` repeats as little as possible: for trying the measurements, not for numbers."""

    folder: Path
    quick: bool

    def checkpoint(self, name: str) -> Path:
        """The folder of a checkpoint."""
        return self.folder / name

    def rounds(self, count: int) -> int:
        """How often to repeat what is usually repeated `count` times."""
        return max(1, count // 10) if self.quick else count

    def instance(self, *, spare: bool = True) -> AbstractContextManager[Instance]:
        """Start an instance that knows the checkpoints; without a spare process a loaded model is its only child."""
        models = "".join(f'[models.{name}]\npath = "{self.folder / name}"\n' for name in (TINY, ENDLESS, LARGE, VISION))
        return running_instance(f"[memory]\nspare = {str(spare).lower()}\n{models}")


@contextmanager
def open_context(*, quick: bool) -> Iterator[BenchmarkContext]:
    """Build the checkpoints in a folder that is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="senses-bench-"))
    try:
        llama.build_scripted(folder / TINY)
        llama.build_scripted(folder / ENDLESS, endless=True)
        llama.build_large(folder / LARGE)
        qwen25_vl.build(folder / VISION)
        yield BenchmarkContext(folder, quick)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
