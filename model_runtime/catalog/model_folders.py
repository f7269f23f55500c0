"""Find the models in the folders of `files.model_folders`. LM Studio keeps its own as OWNER/NAME below one folder."""

import logging
from collections.abc import Container, Iterator, Sequence
from collections.abc import Set as AbstractSet
from pathlib import Path

from model_runtime.catalog.detect import detect_model
from model_runtime.catalog.foreign_files import list_folders
from model_runtime.catalog.model import Model
from model_runtime.catalog.names import ALIAS
from model_runtime.errors import InvalidInput

MAX_FOLDER_MODELS = 256
"""Models of all folders together."""

log = logging.getLogger(__name__)


class ModelFolders:
    """The models in some folders. A folder keeps the name under which it was found, until it is gone."""

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._models: dict[Path, Model] = {}

    def scan(self, taken: AbstractSet[str]) -> dict[str, Model]:
        """Return name → model of every subfolder that an engine supports; `taken` are names of other models.

        A model has the name of its folder, or OWNER/NAME if that is taken. It looks at the disk.
        """
        found: dict[Path, Model] = {}
        for folder in self._folders():
            names = {model.name for model in found.values()}
            if model := self._find(folder, names | taken):
                found[folder] = model
            if len(found) == MAX_FOLDER_MODELS:
                log.warning("Only the first %d models of files.model_folders are listed.", MAX_FOLDER_MODELS)
                break
        self._models = found
        return {model.name: model for model in found.values()}

    def _folders(self) -> Iterator[Path]:
        """Yield the subfolders, and the subfolders of those."""
        for root in self._roots:
            for folder in list_folders(root):
                yield folder
                yield from list_folders(folder)

    def _find(self, folder: Path, taken: Container[str]) -> Model | None:
        """Return the model in `folder`, or None if no engine supports it or no name is free."""
        known = self._models.get(folder)
        name = known.name if known else next((name for name in _names(folder) if name not in taken), "")
        try:
            return detect_model(name, folder) if name else None
        except (InvalidInput, OSError, ValueError):
            return known  # shown with the reason why it cannot be used any more


def _names(folder: Path) -> Iterator[str]:
    """Yield the names under which clients could ask for the model in `folder`."""
    if ALIAS.fullmatch(folder.name):
        yield folder.name
        if ALIAS.fullmatch(folder.parent.name):
            yield f"{folder.parent.name}/{folder.name}"
