"""What a model is: one catalogue entry with every file it needs."""

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
"""Which files of a whole repository are downloaded."""


@dataclass(frozen=True, slots=True)
class ModelArtifact:
    """Files of one repository that a model needs, under the role its engine knows them by.

    `revision` is a commit or tag where the repository has one to hold on to; "main" means the commit that was
    current when it was pulled, which the cache then keeps. `size_bytes` is what a download brings, roughly.
    """

    role: str
    repo: str
    revision: str
    patterns: tuple[str, ...]
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Model:
    """One alias. `path` is set where the files are in a folder of their own instead of the Hugging Face cache."""

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
    keep_alive_seconds: float | None = None
    """How long it stays after a request that says nothing; None: as long as any model, -1: for good."""

    @property
    def source(self) -> str:
        """Where it comes from, for people."""
        return self.path or (self.artifacts[0].repo if self.artifacts else "built in")

    @property
    def download_bytes(self) -> int:
        """What a full download brings."""
        return sum(artifact.size_bytes for artifact in self.artifacts)
