"""The catalogue of one instance: resolves names to models, and models to files. It reads the disk, never a network."""

import platform
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from model_runtime.catalog import memory_estimate
from model_runtime.catalog.abilities import read_abilities
from model_runtime.catalog.builtin_models import (
    ALIASES_BY_TIER,
    BUILTIN_MODELS,
    EDIT_TIER,
    OCR_ENGINE,
    STARTER_BY_TASK,
)
from model_runtime.catalog.configured import check_defaults, configured_models, does_task
from model_runtime.catalog.detect import detect_model, needs_picture
from model_runtime.catalog.image_families import EDIT_ABILITY
from model_runtime.catalog.local_folder import broken_reason, file_problem, folder_problem
from model_runtime.catalog.model import DEFAULT_PATTERNS, Model, ModelArtifact, ModelInfo
from model_runtime.catalog.model_folders import ModelFolders
from model_runtime.catalog.names import is_repository_id
from model_runtime.catalog.openai_names import openai_family, tier_of
from model_runtime.catalog.transformer_dims import read_dims
from model_runtime.catalog.voices import NO_VOICES, read_voices
from model_runtime.errors import InvalidInput, ModelBroken, ModelMissing, UnknownModel, WrongTask
from model_runtime.requests import Chat, Embed, Request, Task
from model_runtime.settings import Settings

OCR_TIER = "ocr"
ABILITY_TIERS = {OCR_TIER, EDIT_TIER}
"""Ask for an ability, not for a quality: neither the default nor the models of "auto" may have it."""
MAX_REPOSITORIES = 256
"""Repositories without an alias that the catalogue holds."""


class ModelStore(Protocol):
    """Finds downloaded files; implemented by `HubCache`."""

    def find(self, artifact: ModelArtifact) -> Path | None:
        """Return the folder of a complete artifact, or None."""
        ...


class Catalog:
    """The models of one instance. A repository that is not an alias is detected once and then kept."""

    def __init__(
        self,
        models: Iterable[Model],
        store: ModelStore,
        *,
        prefer_starters: bool,
        defaults: Mapping[str, str] | None = None,
        float32: bool = False,
        model_folders: Sequence[Path] = (),
    ) -> None:
        """`prefer_starters` lets starter models answer for a task without a real model on this disk.

        `float32` means that engines widen half precision. Each subfolder of `model_folders` may hold a model.
        """
        self._models = {model.name: model for model in models}
        self._store = store
        self._prefer_starters = prefer_starters
        self._defaults = defaults or {}
        self._float32 = float32
        self._folders = ModelFolders(model_folders)
        self._folder_models: dict[str, Model] = {}
        self._name_by_folder: dict[Path, str] = {}
        """Real folder of a detected repository → its model's name."""
        self._lock = threading.Lock()

    def models(self) -> list[Model]:
        """Return all models known so far, aliases first. Does not look at the disk."""
        return list(self._models.values())

    def rescan(self, in_use: Callable[[str], bool] = lambda name: False) -> None:
        """Add the models that came into the model folders and remove those that went, unless they are in use.

        It looks at the disk.
        """
        with self._lock:
            found = self._folders.scan(self._models.keys() - self._folder_models.keys())
            kept = {name: model for name, model in self._folder_models.items() if name not in found and in_use(name)}
            others = {name: model for name, model in self._models.items() if name not in self._folder_models}
            self._folder_models = {**kept, **found}
            self._models = {**others, **self._folder_models}

    def is_known(self, name: str) -> bool:
        """Return whether `resolve` finds a usable model of this name without looking at the disk."""
        model = self._models.get(name.strip())
        return model is not None and bool(model.engine)

    def redetect(self, model: Model) -> Model:
        """Return the model, after another try to detect a local one that has no engine yet."""
        if not model.engine and not folder_problem(Path(model.path)):
            with suppress(InvalidInput, OSError, ValueError):
                found = detect_model(model.name, Path(model.path))
                self._models[model.name] = replace(found, keep_alive_seconds=model.keep_alive_seconds)
        return self._models.get(model.name, model)

    def resolve(self, name: str, task: Task) -> Model:
        """Return the model that `name` means for `task`: an alias, a tier, OpenAI's name or a repository id.

        A name of any other form is refused before the disk is looked at. It is never a path.

        Raises:
            UnknownModel: the model does not exist.
            WrongTask: the model, or OpenAI's model of this name, does not support `task`.
            InvalidInput: no engine supports the repository, or the catalogue is full.
            ModelBroken: the folder of a local model cannot be used.
            ModelMissing: the repository is not on this disk.
        """
        requested = name.strip()
        if known := self._models.get(requested) or self._in_any_case(requested):
            return self._require_task(known, task)
        if tier := tier_of(requested, task):
            return self._require_task(self._preferred(task, tier), task)
        if family := openai_family(requested):
            raise WrongTask(requested, family.tasks[0], task, self._names_for(task))
        found = self._named(requested) or self._find_repository(requested)
        return self._require_task(found, task)

    def folders(self, model: Model) -> Mapping[str, Path]:
        """Return the local folder of every artifact by role.

        Raises:
            ModelBroken: the folder of a local model cannot be used.
            ModelMissing: an artifact is not on this disk; the message has the download's size and command.
        """
        if model.path:
            if reason := broken_reason(model):
                raise ModelBroken(reason)
            return {"model": Path(model.path)}
        found = {artifact.role: self._store.find(artifact) for artifact in model.artifacts}
        if not all(found.values()):
            raise ModelMissing(model.name, model.download_bytes, f"senses pull {model.name}", model.licence)
        return {role: folder for role, folder in found.items() if folder is not None}

    def is_present(self, model: Model) -> bool:
        """Return whether all files of a model are on this disk."""
        try:
            return bool(self.folders(model))
        except ModelMissing:
            return False

    def info(self, model: Model, budget_bytes: int = 0) -> ModelInfo:
        """Return what the disk holds of a model, after another try to detect a local one; see `context_tokens`."""
        model = self.redetect(model)
        folders, problem = self._usable_folders(model)
        voices = read_voices(folders["model"]) if model.task is Task.SPEECH and folders else NO_VOICES
        return ModelInfo(
            present=bool(folders) and not problem,
            broken_reason=problem,
            default=self._preferred(model.task, "auto").name == model.name,
            weights_bytes=memory_estimate.weights_bytes(folders) if folders else model.download_bytes,
            needed_bytes=self.needed_bytes(model, folders),
            voices=voices.names,
            languages=voices.languages,
            abilities=read_abilities(model, folders),
            context_tokens=self.context_tokens(model, folders, budget_bytes) if folders and not problem else 0,
        )

    def needed_bytes(self, model: Model, folders: Mapping[str, Path]) -> int:
        """Estimate the memory of the loaded model without requests, in bytes; `folders` are empty if it is missing."""
        weights_bytes = memory_estimate.weights_bytes(folders, float32=self._float32)
        return memory_estimate.resident_bytes(model, weights_bytes if folders else model.download_bytes)

    def working_bytes(self, request: Request, model: Model, folders: Mapping[str, Path]) -> int:
        """Estimate the memory that a running request takes on top of the loaded model, in bytes.

        Raises:
            InvalidCheckpoint: the config.json of a chat model cannot be read.
        """
        has_dims = isinstance(request, Chat | Embed) and not model.starter and model.engine != OCR_ENGINE
        dims = read_dims(folders["model"]) if has_dims else None
        return memory_estimate.working_bytes(request, model, dims, float32=self._float32)

    def context_tokens(self, model: Model, folders: Mapping[str, Path], budget_bytes: int) -> int:
        """Return the most tokens that a chat may take: the model's own, or fewer that its memory leaves of the budget.

        0 for a model that does not chat; `budget_bytes` 0 is no limit.

        Raises:
            InvalidCheckpoint: the config.json of a chat model cannot be read.
        """
        if model.task not in {Task.VISION, Task.TEXT} or model.engine == OCR_ENGINE:
            return 0
        dims = read_dims(folders["model"])
        own_tokens = dims.served_tokens(int(model.options.get("context_tokens", 0)))
        if model.starter or not budget_bytes:
            return own_tokens
        available_bytes = budget_bytes - self.needed_bytes(model, folders)
        return min(own_tokens, memory_estimate.affordable_tokens(dims, available_bytes, float32=self._float32))

    def _usable_folders(self, model: Model) -> tuple[Mapping[str, Path], str]:
        """Return the folders of a model, empty if it is missing, and why a folder or a file cannot be used."""
        try:
            folders = self.folders(model)
        except ModelBroken as error:
            return {}, str(error)
        except ModelMissing:
            return {}, ""
        return folders, file_problem(model, folders)

    def _preferred(self, task: Task, tier: str) -> Model:
        """Return the default of the settings, else the first usable model of the tier, of "auto", of any name."""
        default = self._models.get(self._defaults.get(task, ""))
        if default and (tier not in ABILITY_TIERS or (tier == EDIT_TIER and self._edits(default))):
            return default
        tiers = ALIASES_BY_TIER[task]
        aliases = dict.fromkeys([*tiers[tier], *(() if tier in ABILITY_TIERS else tiers["auto"])])
        preferred = [self._models[alias] for alias in aliases if alias in self._models]
        others = [model for model in self.models() if model not in preferred and is_real_model_for(model, task)]
        others.sort(key=lambda model: (model.task is not task, tier == EDIT_TIER and not self._edits(model)))
        starter = self._models.get(STARTER_BY_TASK.get(task, "")) if self._prefer_starters else None
        otherwise = starter or preferred[0]
        downloaded = filter(self.is_present, preferred)
        return next(downloaded, None) or next((model for model in others if self._is_usable(model, task)), otherwise)

    def _edits(self, model: Model) -> bool:
        folders, problem = self._usable_folders(model)
        return not problem and EDIT_ABILITY in read_abilities(model, folders)

    def _is_usable(self, model: Model, task: Task) -> bool:
        folders, problem = self._usable_folders(model)
        return bool(folders) and not problem and not (task is Task.TEXT and needs_picture(folders["model"]))

    def _require_task(self, model: Model, task: Task) -> Model:
        if not model.engine:
            model = self.redetect(model)
        if not model.engine:
            raise ModelBroken(broken_reason(model))
        if does_task(model, task):
            return model
        raise WrongTask(model.name, model.task, task, self._names_for(task))

    def _names_for(self, task: Task) -> list[str]:
        return [model.name for model in self.models() if model.task is task]

    def _named(self, name: str) -> Model | None:
        """Return the model of this name in any case; looks into the model folders again before it returns None."""
        if not (found := self._in_any_case(name)):
            self.rescan()
            found = self._in_any_case(name)
        return found

    def _in_any_case(self, name: str) -> Model | None:
        return next((model for known, model in self._models.items() if known.lower() == name.lower()), None)

    def _find_repository(self, name: str) -> Model:
        if not is_repository_id(name):
            raise UnknownModel(name, self._models)
        if model := next((model for model in self.models() if model.source.lower() == name.lower()), None):
            return model
        artifact = ModelArtifact("model", name, "main", DEFAULT_PATTERNS, 0)
        snapshot = self._store.find(artifact)
        if snapshot is None:
            raise ModelMissing(name, None, f"senses pull {name}")
        return self._register(detect_model(name, snapshot, (artifact,)), snapshot)

    def _register(self, model: Model, snapshot: Path) -> Model:
        """Add a model, or return the one whose files are the same: some disks ignore case, and folders are linked."""
        with self._lock:
            name = self._name_by_folder.setdefault(snapshot.resolve(), model.name)
            if name not in self._models and len(self._name_by_folder) > MAX_REPOSITORIES:
                self._name_by_folder.popitem()
                raise InvalidInput(
                    f"{model.name} was not added: {MAX_REPOSITORIES} repositories without an alias were asked for since "
                    "the start, and no more are kept. Add an alias to config.toml, or restart Senses.",
                    param="model",
                    code="too_many_models",
                )
            return self._models.setdefault(name, model)


def create_catalog(settings: Settings, store: ModelStore) -> Catalog:
    """Return the catalogue of the built-in aliases and those of config.toml.

    Raises:
        SettingsError: an alias or a default in config.toml cannot be used.
    """
    models = {model.name: model for model in BUILTIN_MODELS}
    models |= configured_models(settings, models)
    on_cpu = not has_apple_gpu()
    catalog = Catalog(
        models.values(),
        store,
        prefer_starters=on_cpu,
        defaults=settings.defaults,
        float32=on_cpu,
        model_folders=settings.model_folders,
    )
    catalog.rescan()
    check_defaults(settings, {model.name: model for model in catalog.models()})
    return catalog


def is_real_model_for(model: Model, task: Task) -> bool:
    """Return whether a model that is no starter and no mere reader may answer requests for `task` that name no model."""
    is_general = not model.starter and model.engine not in {"", OCR_ENGINE}
    return is_general and task in {model.task, Task.TEXT} and does_task(model, task)


def has_apple_gpu() -> bool:
    """Return whether this is a Mac with Apple silicon. On other machines the starter models are the default."""
    return sys.platform == "darwin" and platform.machine() == "arm64"
