"""Look at a disk in a thread: one that does not answer, such as an unplugged or sleeping volume, stops nothing else."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import ParamSpec, TypeVar

import anyio
import anyio.to_thread

from model_runtime.catalog.fingerprint import Fingerprint, fingerprint
from model_runtime.errors import ModelBroken

ANSWER_SECONDS = 30.0
"""How long a disk may take; one that starts to spin takes ten seconds."""

P = ParamSpec("P")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """Where the files of a model are, by role, and what they were when that was looked up."""

    folders: Mapping[str, Path] = field(default_factory=dict)
    fingerprint: Fingerprint = frozenset()


def find_files(folders: Mapping[str, Path]) -> ModelFiles:
    """Return the files in a model's folders. Blocks on the disk."""
    try:
        return ModelFiles(folders, fingerprint(folders))
    except OSError:  # unreadable files are as good as none; the load will tell
        return ModelFiles(folders)


async def ask_disk(name: str, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
    """Run a function that looks at the files of the model `name` in a thread, which is left to itself if it hangs.

    Raises:
        ModelBroken: the disk does not answer.
    """
    with anyio.move_on_after(ANSWER_SECONDS):
        return await anyio.to_thread.run_sync(partial(function, *args, **kwargs), abandon_on_cancel=True)
    raise ModelBroken(
        f"The disk with the files of {name} did not answer for {ANSWER_SECONDS:.0f} s. Reconnect it, and send the "
        "request again."
    )
