"""Which models there are, what a name means, and where their files are. Reads the disk, never a network."""

import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from model_runtime.catalog import memory_estimate
from model_runtime.catalog.architecture import TransformerDims
from model_runtime.catalog.builtin_models import (
    ALIASES_BY_TIER,
    REAL_MODELS,
    STARTER_BY_TASK,
    STARTER_MODELS,
    TIER_BY_OPENAI_NAME,
)
from model_runtime.catalog.checkpoint_files import InvalidCheckpoint, read_config
from model_runtime.catalog.detect import GROUNDING_TASKS, detect_model, supports_grounding
from model_runtime.catalog.model import Model, ModelArtifact
from model_runtime.catalog.voices import spoken_languages, voice_names
from model_runtime.errors import ModelMissing, UnknownModel, WrongTask
from model_runtime.formats.durations import parse_keep_alive
from model_runtime.requests import Request, Task
from model_runtime.settings import Settings, SettingsError

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


class ModelStore(Protocol):
    """Where downloaded files are."""

    def find(self, artifact: ModelArtifact) -> Path | None:
        """Return the folder that holds the complete artifact, or None."""
        ...


class Catalog:
    """The models of one instance. Names that are no alias are looked up on disk once and remembered."""

    def __init__(
        self,
        models: Iterable[Model],
        store: ModelStore,
        *,
        prefer_starters: bool,
        defaults: Mapping[str, str] | None = None,
        float32: bool = False,
    ) -> None:
        """`starters_first` makes them the default; `in_full` says that engines widen half precision to full."""
        self._models = {model.name: model for model in models}
        self._store = store
        self._prefer_starters = prefer_starters
        self._defaults = defaults or {}
        self._float32 = float32
        self._dims_by_model: dict[str, TransformerDims] = {}

    def models(self) -> list[Model]:
        """All models known so far, aliases first."""
        return list(self._models.values())

    def resolve(self, name: str, task: Task) -> Model:
        """Return the model that `name` means for `task`: an alias, a tier, OpenAI's name, a repository or a folder.

        Raises:
            UnknownModel: there is nothing of that name.
            WrongTask: the model does something else.
            ModelMissing: a repository of that name is not on this disk.
        """
        requested = name.strip()
        if requested in self._models:
            return self._require_task(self._models[requested], task)
        tier = TIER_BY_OPENAI_NAME.get(requested.lower(), requested.lower() or "auto")
        if tier in ALIASES_BY_TIER[task]:
            return self.preferred_model(task, tier)
        alias = requested.lower()
        found = self._models.get(alias) or self._find_by_source(requested) or self._detect_on_disk(requested)
        return self._require_task(found, task)

    def preferred_model(self, task: Task, tier: str = "auto") -> Model:
        """Return the model that answers calls for `task` that name none."""
        if tier == "auto" and task in self._defaults:
            return self._require_task(self._models[self._defaults[task]], task)
        if self._prefer_starters:
            return self._models[STARTER_BY_TASK[task]]
        candidates = [self._models[alias] for alias in ALIASES_BY_TIER[task][tier] if alias in self._models]
        return next((model for model in candidates if self.is_present(model)), candidates[0])

    def is_default(self, model: Model) -> bool:
        """Whether calls that name no model of this task get this one."""
        return self.preferred_model(model.task).name == model.name

    def folders(self, model: Model) -> Mapping[str, Path]:
        """Return the local folder of every artifact by role.

        Raises:
            ModelMissing: something is not on this disk; the message has the size and the command.
        """
        if model.path:
            path = Path(model.path)
            if not path.is_dir():
                raise ModelMissing(model.name, None, f"put the model into {path}, or correct its path in config.toml")
            return {"model": path}
        found = {artifact.role: self._store.find(artifact) for artifact in model.artifacts}
        if not all(found.values()):
            raise ModelMissing(model.name, model.download_bytes, f"senses pull {model.name}")
        return {role: folder for role, folder in found.items() if folder is not None}

    def is_present(self, model: Model) -> bool:
        """Whether all files are on this disk."""
        try:
            self.folders(model)
        except ModelMissing:
            return False
        return True

    def weights_bytes(self, model: Model) -> int:
        """Size of the weights on disk, or of the download where they are missing."""
        try:
            return memory_estimate.weights_bytes(self.folders(model))
        except ModelMissing:
            return model.download_bytes

    def needed_bytes(self, model: Model) -> int:
        """Estimate the memory the loaded model takes before any request runs."""
        return memory_estimate.resident_bytes(model, self._loaded_weights_bytes(model))

    def working_bytes(self, request: Request, model: Model) -> int:
        """Estimate the memory a running request takes on top of the loaded model."""
        return memory_estimate.working_bytes(request, model, self._transformer_dims(model), float32=self._float32)

    def voices(self, model: Model) -> tuple[str, ...]:
        """Names a speech model's voices; empty for other models and missing files."""
        return voice_names(model, self.folders(model)) if self._is_present_speech_model(model) else ()

    def languages(self, model: Model) -> tuple[str, ...]:
        """The languages a speech model speaks; empty for other models and missing files."""
        return spoken_languages(model, self.folders(model)) if self._is_present_speech_model(model) else ()

    def abilities(self, model: Model) -> tuple[str, ...]:
        """What a model can do besides its task: "detect" and "point" where it names places in pictures."""
        if model.task is not Task.VISION or model.starter or not self.is_present(model):
            return ()
        return GROUNDING_TASKS if supports_grounding(self.folders(model)["model"]) else ()

    def _transformer_dims(self, model: Model) -> TransformerDims | None:
        """The sizes of a model that chats, read once; None where it does not, or its files are missing or broken."""
        if model.task not in {Task.VISION, Task.TEXT} or model.starter:
            return None
        if model.name not in self._dims_by_model:
            try:
                self._dims_by_model[model.name] = TransformerDims.from_config(read_config(self.folders(model)["model"]))
            except (InvalidCheckpoint, ModelMissing):
                return None
        return self._dims_by_model[model.name]

    def _loaded_weights_bytes(self, model: Model) -> int:
        try:
            return memory_estimate.weights_bytes(self.folders(model), float32=self._float32)
        except ModelMissing:
            return model.download_bytes

    def _is_present_speech_model(self, model: Model) -> bool:
        return model.task is Task.SPEECH and self.is_present(model)

    def _require_task(self, model: Model, task: Task) -> Model:
        if model.task is task or {model.task, task} == {Task.VISION, Task.TEXT}:
            return model
        alternatives = [other.name for other in self._models.values() if other.task is task]
        raise WrongTask(model.name, model.task, task, alternatives)

    def _find_by_source(self, name: str) -> Model | None:
        return next((model for model in self._models.values() if model.source.lower() == name.lower()), None)

    def _detect_on_disk(self, name: str) -> Model:
        folder = Path(name).expanduser()
        if folder.is_absolute() and folder.is_dir():
            return self._register(detect_model(name, folder))
        if name.count("/") == 1 and not name.startswith((".", "/", "~")):
            artifact = ModelArtifact("model", name, "main", DEFAULT_PATTERNS, 0)
            snapshot = self._store.find(artifact)
            if snapshot is None:
                raise ModelMissing(name, None, f"senses pull {name}")
            return self._register(detect_model(name, snapshot, (artifact,)))
        raise UnknownModel(name, self._models)

    def _register(self, model: Model) -> Model:
        return self._models.setdefault(model.name, model)


def create_catalog(settings: Settings, store: ModelStore) -> Catalog:
    """The built-in aliases with what config.toml adds or changes.

    Raises:
        SettingsError: an alias or a default in config.toml cannot be used.
    """
    models = {model.name: model for model in (*REAL_MODELS, *STARTER_MODELS)}
    for alias, table in settings.models.items():
        models[alias] = _configured_model(alias, table, models.get(alias))
    for task, alias in settings.defaults.items():
        if task not in set(Task) or alias not in models:
            raise SettingsError(
                f"defaults.{task} is {alias!r}; tasks are {', '.join(Task)}, models are {', '.join(models)}."
            )
    on_cpu = not has_apple_gpu()
    return Catalog(models.values(), store, prefer_starters=on_cpu, defaults=settings.defaults, float32=on_cpu)


def has_apple_gpu() -> bool:
    """Whether this is a Mac with Apple silicon, where the real models are the default."""
    return sys.platform == "darwin" and platform.machine() == "arm64"


def _configured_model(alias: str, table: Mapping[str, Any], builtin: Model | None) -> Model:
    """An alias of config.toml: its files, for one that is not built in, and how long it stays."""
    model = _model_from_source(alias, table, builtin)
    if "keep_alive" not in table:
        return model
    try:
        return replace(model, keep_alive_seconds=parse_keep_alive(table["keep_alive"]))
    except ValueError as error:
        raise SettingsError(f"models.{alias}.keep_alive is {table['keep_alive']!r}: {error}.") from error


def _model_from_source(alias: str, table: Mapping[str, Any], builtin: Model | None) -> Model:
    """Read `path`, or `repo` with `revision`; `task` and `engine` only where they cannot be told."""
    name = f"models.{alias}"
    if "path" in table:
        return detect_model(alias, Path(str(table["path"])).expanduser())
    if "repo" not in table:
        if builtin is not None and "keep_alive" in table:
            return builtin
        raise SettingsError(f"{name} needs either `path` or `repo`.")
    task, engine = table.get("task", builtin and builtin.task), table.get("engine", builtin and builtin.engine)
    if task not in set(Task) or not engine:
        raise SettingsError(f"{name} needs `task` ({', '.join(Task)}) and `engine` (mlx-vlm, mlx-lm, mlx-whisper, …).")
    artifact = ModelArtifact("model", str(table["repo"]), str(table.get("revision", "main")), DEFAULT_PATTERNS, 0)
    return Model(alias, Task(task), str(engine), str(table.get("description", artifact.repo)), (artifact,))
