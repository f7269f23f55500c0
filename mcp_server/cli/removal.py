"""`senses rm`: delete the files of a downloaded model."""

import os

from model_runtime.catalog.catalog import create_catalog
from model_runtime.hub.cache import HubCache, hub_folder
from model_runtime.hub.downloaded import DownloadedModel, find_downloaded
from model_runtime.settings import Settings


def removable(settings: Settings, name: str) -> DownloadedModel:
    """Return a downloaded model.

    Raises:
        InvalidInput: the model is built in, the user's own folder, or not here.
    """
    cache = HubCache(hub_folder(os.environ))
    return find_downloaded(create_catalog(settings, cache), cache, name)
