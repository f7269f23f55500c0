"""`senses rm`: delete the files of a downloaded model."""

import os
import shutil
from pathlib import Path

from model_runtime.catalog.builtin_models import SHIPPED_MODELS
from model_runtime.catalog.catalog import Catalog, create_catalog
from model_runtime.catalog.model import Model
from model_runtime.errors import InvalidInput
from model_runtime.hub.cache import HubCache, hub_folder
from model_runtime.settings import Settings


def removable(settings: Settings, name: str) -> tuple[Model, list[Path], list[str]]:
    """Return a downloaded model, the folders of its repositories, and the names of other models that use one of them.

    Raises:
        InvalidInput: the model is built in, the user's own folder, or not here.
    """
    from mcp_server.cli.pull import find_model

    cache = HubCache(hub_folder(os.environ))
    catalog = create_catalog(settings, cache)
    model = find_model(catalog, name)
    if model in SHIPPED_MODELS:
        raise InvalidInput(f"{model.name} is part of Senses and cannot be deleted.", param="name")
    if model.path:
        raise InvalidInput(
            f"{model.name} is your folder {model.path}. Delete it yourself if you want to.", param="name"
        )
    folders = [folder for artifact in model.artifacts if (folder := cache.repository(artifact)).is_dir()]
    if not folders:
        raise InvalidInput(f"{model.name} is not downloaded. `senses models` lists what is.", param="name")
    return model, folders, _sharing(catalog, model)


def _sharing(catalog: Catalog, model: Model) -> list[str]:
    repositories = {artifact.repo for artifact in model.artifacts}
    others = (other for other in catalog.models() if other.name != model.name)
    return [other.name for other in others if repositories & {artifact.repo for artifact in other.artifacts}]


def remove(folders: list[Path]) -> int:
    """Delete folders and return the bytes that they held; a file with two names counts once.

    Raises:
        OSError: one cannot be deleted.
    """
    sizes = {
        (stat.st_dev, stat.st_ino): stat.st_size
        for folder in folders
        for path in folder.rglob("*")
        if path.is_file() and not path.is_symlink() and (stat := path.stat())
    }
    for folder in folders:
        shutil.rmtree(folder)
    return sum(sizes.values())
