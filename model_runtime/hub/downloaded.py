"""The downloaded models: which one a name means, and how its files are deleted. Without huggingface_hub, as `cache`."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from model_runtime.catalog.builtin_models import SHIPPED_MODELS
from model_runtime.catalog.catalog import Catalog
from model_runtime.catalog.foreign_files import list_files
from model_runtime.catalog.model import DEFAULT_PATTERNS, Model, ModelArtifact
from model_runtime.catalog.names import is_repository_id
from model_runtime.errors import InvalidInput, UnknownModel
from model_runtime.hub.cache import HubCache
from model_runtime.requests import Task


@dataclass(frozen=True, slots=True)
class DownloadedModel:
    """A model with files in the cache: the folders of its repositories, and the names of others that use one of them."""

    model: Model
    folders: tuple[Path, ...]
    shared_with: tuple[str, ...]


def find_model(catalog: Catalog, name: str) -> Model:
    """Return the model of an alias, or a model that consists of a whole repository.

    Raises:
        UnknownModel: the name is neither an alias nor of the form owner/name.
    """
    models = {model.name: model for model in catalog.models()}
    if name in models:
        return models[name]
    if not is_repository_id(name):
        raise UnknownModel(name, models)
    return Model(name, Task.TEXT, "", "", (ModelArtifact("model", name, "main", DEFAULT_PATTERNS, 0),))


def find_downloaded(catalog: Catalog, cache: HubCache, name: str) -> DownloadedModel:
    """Return a model whose files, or a part of them, are in the cache. Blocks on the disk.

    Raises:
        InvalidInput: the model is built in, the user's own folder, a link to another place, not here, or unknown.
    """
    model = find_model(catalog, name)
    if model in SHIPPED_MODELS:
        raise InvalidInput(f"{model.name} is part of Senses and cannot be deleted.", param="name")
    if model.path:
        raise InvalidInput(
            f"{model.name} is your folder {model.path}. Delete it yourself if you want to.", param="name"
        )
    folders = tuple(folder for artifact in model.artifacts if (folder := cache.repository(artifact)).is_dir())
    if not folders:
        raise InvalidInput(f"{model.name} is not downloaded. `senses models` lists what is.", param="name")
    for folder in folders:
        if folder.is_symlink():
            raise InvalidInput(f"{folder} is a link out of the cache. Delete it yourself if you want to.", param="name")
    return DownloadedModel(model, folders, _sharing(catalog, model))


def _sharing(catalog: Catalog, model: Model) -> tuple[str, ...]:
    repositories = {artifact.repo for artifact in model.artifacts}
    others = (other for other in catalog.models() if other.name != model.name)
    return tuple(other.name for other in others if repositories & {artifact.repo for artifact in other.artifacts})


def remove(downloaded: DownloadedModel) -> int:
    """Delete the files of a model and return the bytes that they held; a file with two names counts once.

    Raises:
        OSError: one cannot be deleted.
    """
    sizes = {
        (stat.st_dev, stat.st_ino): stat.st_size
        for folder in downloaded.folders
        for path in list_files(folder)
        if path.is_file() and not path.is_symlink() and (stat := path.stat())
    }
    for folder in downloaded.folders:
        shutil.rmtree(folder)
    return sum(sizes.values())
