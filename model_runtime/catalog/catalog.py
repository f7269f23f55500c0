"""The catalogue of one instance: resolves names to models, and models to files. It reads the disk, never a network."""

import logging
import platform
import sys
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from model_runtime.catalog import memory_estimate
from model_runtime.catalog.builtin_models import (
    ALIASES_BY_TIER,
    BUILTIN_MODELS,
    OCR_ENGINE,
    STARTER_BY_TASK,
    TIER_BY_OPENAI_NAME,
)
from model_runtime.catalog.checkpoint_files import read_config
from model_runtime.catalog.configured import check_defaults, configured_models, does_task
from model_runtime.catalog.detect import GROUNDING_TASKS, OCR_TASKS, detect_model, supports_grounding
from model_runtime.catalog.foreign_files import InvalidCheckpoint
from model_runtime.catalog.local_folder import broken_reason, file_problem, folder_problem
from model_runtime.catalog.model import DEFAULT_PATTERNS, Model, ModelArtifact
from model_runtime.catalog.model_folders import ModelFolders
from model_runtime.catalog.names import is_repository_id
from model_runtime.catalog.transformer_dims import TransformerDims
from model_runtime.catalog.voices import NO_VOICES, VoiceCatalog, read_voices
from model_runtime.errors import InvalidInput, ModelBroken, ModelMissing, UnknownModel, WrongTask
from model_runtime.requests import Request, Task
from model_runtime.settings import Settings

T = TypeVar("T")

MAX_REPOSITORIES = 256
"""Repositories without an alias that the catalogue holds."""

log = logging.getLogger(__name__)


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
        self._dims_by_model: dict[str, TransformerDims] = {}
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
            WrongTask: the model does not support `task`.
            InvalidInput: no engine supports the repository, or the catalogue is full.
            ModelBroken: the folder of a local model cannot be used.
            ModelMissing: the repository is not on this disk.
        """
        requested = name.strip()
        if requested in self._models:
            return self._require_task(self._models[requested], task)
        tier = TIER_BY_OPENAI_NAME.get(requested.lower(), requested.lower() or "auto")
        if tier in ALIASES_BY_TIER[task]:
            return self.preferred_model(task, tier)
        found = self._named(requested) or self._find_repository(requested)
        return self._require_task(found, task)

    def preferred_model(self, task: Task, tier: str = "auto") -> Model:
        """Return the model that answers requests for `task` that name no model.

        Raises:
            WrongTask: the configured default does not support `task`.
            ModelBroken: the folder of the configured default cannot be used.
        """
        return self._require_task(self._preferred(task, tier), task)

    def is_default(self, model: Model) -> bool:
        """Return whether this model answers requests for its task that name no model."""
        return self._preferred(model.task, "auto").name == model.name

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
            raise ModelMissing(model.name, model.download_bytes, f"senses pull {model.name}")
        return {role: folder for role, folder in found.items() if folder is not None}

    def broken_reason(self, model: Model) -> str:
        """Return why the folder of a local model cannot be used and what to do, or "" if it can."""
        return broken_reason(model)

    def file_problem(self, model: Model) -> str:
        """Return why a file of a model that is on this disk cannot be used and what to do, or "" if all can."""
        return self._from_files(model, partial(file_problem, model), otherwise="")

    def is_present(self, model: Model) -> bool:
        """Return whether all files of a model are on this disk."""
        return self._from_files(model, lambda folders: True, otherwise=False)

    def weights_bytes(self, model: Model) -> int:
        """Return the size of the weights on disk, or of the download if they are missing."""
        return self._from_files(model, memory_estimate.weights_bytes, otherwise=model.download_bytes)

    def needed_bytes(self, model: Model) -> int:
        """Estimate the memory of the loaded model without requests, in bytes."""
        weights = partial(memory_estimate.weights_bytes, float32=self._float32)
        return memory_estimate.resident_bytes(model, self._from_files(model, weights, otherwise=model.download_bytes))

    def working_bytes(self, request: Request, model: Model) -> int:
        """Estimate the memory that a running request takes on top of the loaded model, in bytes."""
        return memory_estimate.working_bytes(request, model, self._transformer_dims(model), float32=self._float32)

    def voices(self, model: Model) -> tuple[str, ...]:
        """Return the names of a speech model's voices; empty for other models and missing files."""
        return self._voice_catalog(model).names

    def languages(self, model: Model) -> tuple[str, ...]:
        """Return the codes of a speech model's languages, the first is its default; empty as for `voices`."""
        return self._voice_catalog(model).languages

    def abilities(self, model: Model) -> tuple[str, ...]:
        """Return ("detect", "point") for a vision model that returns coordinates, ("ocr",) for one that reads, else ()."""
        if model.engine == OCR_ENGINE:
            return OCR_TASKS
        if model.task is not Task.VISION or model.starter:
            return ()
        can_ground = self._from_files(model, lambda folders: supports_grounding(folders["model"]), otherwise=False)
        return GROUNDING_TASKS if can_ground else ()

    def _voice_catalog(self, model: Model) -> VoiceCatalog:
        if model.task is not Task.SPEECH:
            return NO_VOICES
        return self._from_files(model, lambda folders: read_voices(folders["model"]), otherwise=NO_VOICES)

    def _transformer_dims(self, model: Model) -> TransformerDims | None:
        """Return the dimensions of a chat model, read once; None for other models and unreadable files."""
        if model.task not in {Task.VISION, Task.TEXT} or model.starter:
            return None
        if model.name not in self._dims_by_model:
            try:
                self._dims_by_model[model.name] = TransformerDims.from_config(read_config(self.folders(model)["model"]))
            except (InvalidCheckpoint, ModelMissing):
                return None
        return self._dims_by_model[model.name]

    def _from_files(self, model: Model, read: Callable[[Mapping[str, Path]], T], otherwise: T) -> T:
        """Return `read(folders)` of a model, or `otherwise` if its files are missing or cannot be read.

        The status covers all models, so an unreadable file of one must not raise. Loading that model reports the error.
        """
        try:
            return read(self.folders(model))
        except ModelMissing:
            return otherwise
        except Exception:
            log.debug("A file of %s cannot be read", model.name, exc_info=True)
            return otherwise

    def _preferred(self, task: Task, tier: str) -> Model:
        default = self._models.get(self._defaults.get(task, ""))
        if tier == "auto" and default:
            return default
        preferred = [self._models[alias] for alias in ALIASES_BY_TIER[task][tier] if alias in self._models]
        others = [model for model in self.models() if model not in preferred and is_real_model_for(model, task)]
        otherwise = self._models[STARTER_BY_TASK[task]] if self._prefer_starters else preferred[0]
        downloaded = filter(self.is_present, preferred)
        return next(downloaded, None) or next(filter(self._is_usable, others), otherwise)

    def _is_usable(self, model: Model) -> bool:
        return self.is_present(model) and not self.broken_reason(model) and not self.file_problem(model)

    def _require_task(self, model: Model, task: Task) -> Model:
        model = self.redetect(model)
        if not model.engine:
            raise ModelBroken(broken_reason(model))
        if does_task(model, task):
            return model
        alternatives = [other.name for other in self.models() if other.task is task]
        raise WrongTask(model.name, model.task, task, alternatives)

    def _named(self, name: str) -> Model | None:
        """Return the model of this name in any case; looks into the model folders again before it returns None."""
        for is_second_look in (False, True):
            if is_second_look:
                self.rescan()
            by_name = {known.lower(): model for known, model in self._models.items()}
            if model := by_name.get(name.lower()):
                return model
        return None

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
