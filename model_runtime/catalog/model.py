"""One entry of the catalogue and the files it needs."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from model_runtime.requests import Task

OptionValue = str | int | float | bool

DEFAULT_PATTERNS = (
    "*.json",
    "*.safetensors",
    "*.npz",
    "*.txt",
    "*.jinja",
    "*.model",
    "*/*.json",
    "*/*.safetensors",
    "*/*.txt",
)
"""Files to download from a repository that is not built in."""


@dataclass(frozen=True, slots=True)
class ModelArtifact:
    """Files of one Hugging Face repository. `role` is the name by which the engine looks them up.

    `revision` is a commit, tag or branch. The cache keeps the commit that a branch named when it was pulled.
    `patterns` are globs of file names. `size_bytes` is the approximate size of the download.
    """

    role: str
    repo: str
    revision: str
    patterns: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """What the disk holds of a model; sizes in bytes."""

    present: bool = False
    broken_reason: str = ""
    """Why its folder or a file cannot be used; empty if all can."""
    default: bool = False
    """Whether requests that name no model get this one."""
    weights_bytes: int = 0
    """Size on disk, or of the download if the weights are missing."""
    needed_bytes: int = 0
    """Estimated memory of the loaded model."""
    voices: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    context_tokens: int = 0
    """The most tokens of a chat; 0 for a model that does not chat."""
    abilities: tuple[str, ...] = ()
    """"detect" and "point" of a vision model that returns coordinates, "ocr" of one that reads, "tools" of one that calls
    them over HTTP, "edit" of an image model that edits pictures."""


@dataclass(frozen=True, slots=True)
class Model:
    """One alias. Its files are in the folder `path`, or in the Hugging Face cache if `path` is "".

    `heavy` models take turns on the GPU. `concurrency` is the number of requests that run at once. `engine` is "" if
    the folder of a local model cannot be used.
    """

    name: str
    task: Task
    engine: str
    description: str
    artifacts: tuple[ModelArtifact, ...] = ()
    heavy: bool = True
    concurrency: int = 1
    starter: bool = False
    options: Mapping[str, OptionValue] = field(default_factory=dict)
    path: str = ""
    licence: str = ""
    """Of the weights, as their publishers state it; "" if that is not known."""
    keep_alive_seconds: float | None = None
    """How long the model stays loaded when idle; None means `memory.idle_seconds`, -1 means no timer."""

    @property
    def source(self) -> str:
        """Folder or repository of the files."""
        return self.path or (self.artifacts[0].repo if self.artifacts else "built in")

    @property
    def download_bytes(self) -> int:
        """Size of the whole download."""
        return sum([artifact.size_bytes for artifact in self.artifacts])
