"""The files of models as the status page manages them: facts before a download, download, cancel, delete."""

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from anyio import to_thread
from anyio.abc import TaskGroup

from mcp_server.calls.downloads import DownloadFailed
from mcp_server.calls.model_downloads import ModelDownloads
from model_runtime.catalog.catalog import create_catalog
from model_runtime.errors import InvalidInput, OperationFailed
from model_runtime.hub.cache import HubCache, hub_folder
from model_runtime.hub.downloaded import DownloadedModel, find_downloaded, find_model, remove
from model_runtime.service import Service
from model_runtime.settings import Settings
from model_runtime.status import ModelState, ModelStatus

UNUSED_STATES = (ModelState.ABSENT, ModelState.BACKOFF)


@dataclass(frozen=True, slots=True)
class ModelStorage:
    """Downloads go on in `task_group`. Each name is one of the status."""

    service: Service
    settings: Settings
    downloads: ModelDownloads
    task_group: TaskGroup

    async def facts(self, name: str) -> dict[str, Any]:
        """Return what a person wants to know before a download or a deletion."""
        status, budget_bytes = self._status(name), self.service.status().memory.budget_bytes
        repositories, free_bytes, why_not_deletable = await to_thread.run_sync(self._look, name)
        why_not_downloadable = self._why_not_downloadable(status)
        return {
            "model": name,
            "repositories": repositories,
            "licence": status.licence,
            "size_bytes": status.weights_bytes,
            "needed_bytes": status.needed_bytes,
            "budget_bytes": budget_bytes,
            "fits_memory": status.needed_bytes <= budget_bytes,
            "folder": str(hub_folder(os.environ)),
            "free_disk_bytes": free_bytes,
            "fits_disk": status.weights_bytes <= free_bytes,
            "present": status.present,
            "can_download": not why_not_downloadable,
            "why_not_download": why_not_downloadable,
            "can_delete": not (why_not_deletable or self._why_in_use(status)),
            "why_not_delete": why_not_deletable or self._why_in_use(status),
        }

    def download(self, name: str) -> None:
        """Begin to download a model.

        Raises:
            InvalidInput: it is here, is being downloaded, or is no model of Hugging Face.
        """
        if why := self._why_not_downloadable(self._status(name)):
            raise InvalidInput(why, param="name", code="not_downloadable")
        self.task_group.start_soon(self._download, name)

    def cancel(self, name: str) -> bool:
        """End the download of a model; return False if there is none."""
        return self.downloads.cancel(name)

    async def delete(self, name: str, *, is_shared_agreed: bool) -> int:
        """Delete the files of a downloaded model and return the bytes that are free again.

        Raises:
            InvalidInput: the model is in use, is not downloaded, or others need its files and that is not agreed.
            OperationFailed: a file cannot be deleted.
        """
        downloaded = await to_thread.run_sync(self._find, name)
        for one in (name, *downloaded.shared_with):
            if why := self._why_in_use(self._status(one)):
                raise InvalidInput(why, param="name", code="model_in_use")
        if downloaded.shared_with and not is_shared_agreed:
            others = ", ".join(downloaded.shared_with)
            raise InvalidInput(
                f"{others} will need another download, too. Add ?shared=1 to delete {name} all the same.",
                param="shared",
                code="shared",
            )
        try:
            return await to_thread.run_sync(remove, downloaded)
        except OSError as error:
            raise OperationFailed(f"{error.filename} cannot be deleted: {error.strerror}.") from error

    async def listed(self) -> Sequence[dict[str, Any]]:
        """Return the downloads, the newest first."""
        return self.downloads.listed()

    async def _download(self, name: str) -> None:
        with suppress(DownloadFailed):  # the list of downloads tells it
            await self.downloads(name)

    def _status(self, name: str) -> ModelStatus:
        status = self.service.status().model(name)
        if status is None:
            raise InvalidInput(f"There is no model {name}.", param="name", code="not_found")
        return status

    def _why_not_downloadable(self, status: ModelStatus) -> str:
        if status.origin != "hub":
            return f"{status.name} does not come from Hugging Face."
        if status.present:
            return f"{status.name} is on this machine already."
        return f"{status.name} is being downloaded." if self.downloads.is_running(status.name) else ""

    def _why_in_use(self, status: ModelStatus) -> str:
        if self.downloads.is_running(status.name):
            return f"{status.name} is being downloaded. Cancel that first."
        is_used = status.state not in UNUSED_STATES or status.active or status.queued
        return f"{status.name} is in use. Unload it first." if is_used else ""

    def _look(self, name: str) -> tuple[list[str], int, str]:
        """Return the model's repositories, the free bytes of the cache's disk, and why nothing of it can be deleted."""
        cache = HubCache(hub_folder(os.environ))
        model = find_model(create_catalog(self.settings, cache), name)
        try:
            self._find(name)
        except InvalidInput as error:
            return [artifact.repo for artifact in model.artifacts], _free_bytes(cache.folder), error.message
        return [artifact.repo for artifact in model.artifacts], _free_bytes(cache.folder), ""

    def _find(self, name: str) -> DownloadedModel:
        cache = HubCache(hub_folder(os.environ))
        return find_downloaded(create_catalog(self.settings, cache), cache, name)


def _free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk of a folder that may not exist yet."""
    existing = next(one for one in (folder, *folder.absolute().parents) if one.exists())
    return shutil.disk_usage(existing).free
