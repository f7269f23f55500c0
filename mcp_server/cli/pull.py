"""`senses pull`: download a model from Hugging Face, with a progress bar or, for programs, with lines of JSON."""

import json
import os
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager

from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from model_runtime.catalog.catalog import create_catalog
from model_runtime.errors import Cancelled
from model_runtime.hub.cache import HubCache, hub_folder
from model_runtime.hub.download import pull
from model_runtime.hub.downloaded import find_model
from model_runtime.hub.progress import DownloadProgress, ProgressCallback
from model_runtime.hub.version import Version
from model_runtime.settings import Settings
from model_runtime.sizes import format_bytes

MIN_REPORT_INTERVAL_SECONDS = 0.25


def pull_model(
    settings: Settings, name: str, print_line: Callable[[str], None], *, version: Version = Version.KEPT
) -> None:
    """Download the missing files of a version of a model.

    Raises:
        UnknownModel: the name is neither an alias nor a repository.
        ModelBroken: the model is local, and its folder cannot be used.
        PullFailed: the download fails.
        Cancelled: Ctrl-C was pressed.
    """
    cache = hub_folder(os.environ)
    catalog = create_catalog(settings, HubCache(cache))
    model = find_model(catalog, name)
    if model.path:
        catalog.folders(model)
        print_line(f"{model.name} is in {model.path}; there is nothing to download.")
        return
    size_text = f" ({format_bytes(model.download_bytes)})" if model.download_bytes else ""
    print_line(f"{model.name}: {', '.join(artifact.repo for artifact in model.artifacts)}{size_text} into {cache}")
    with progress_bar() as report:
        folders = pull(model, cache, report, version=version)
    print_line(f"{model.name} is complete: {', '.join(str(folder) for folder in folders.values())}")


def pull_as_json(
    settings: Settings, name: str, print_line: Callable[[str], None], *, version: Version = Version.KEPT
) -> None:
    """Download the missing files of a version of a model and print each progress as a JSON object on one line.

    Raises:
        UnknownModel: the name is neither an alias nor a repository.
        PullFailed: the download fails.
    """
    model = find_model(create_catalog(settings, HubCache(hub_folder(os.environ))), name)
    line = json.dumps({"done_bytes": 0, "total_bytes": 0})
    reported_at = 0.0

    def report(progress: DownloadProgress) -> None:
        nonlocal line, reported_at
        line = json.dumps({"done_bytes": progress.done_bytes, "total_bytes": progress.total_bytes})
        if time.monotonic() - reported_at >= MIN_REPORT_INTERVAL_SECONDS:
            reported_at = time.monotonic()
            print_line(line)

    pull(model, hub_folder(os.environ), report, version=version)
    print_line(line)


@contextmanager
def progress_bar() -> Generator[ProgressCallback]:
    """Show bytes, speed and time left on the terminal; yield the callback that updates them.

    Raises:
        Cancelled: Ctrl-C was pressed.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    try:
        with Progress(*columns) as progress:
            task = progress.add_task("…", total=None)
            yield lambda download: progress.update(
                task, description=download.file, completed=download.done_bytes, total=download.total_bytes
            )
    except KeyboardInterrupt:
        raise Cancelled("Stopped. Finished files are kept; the same command continues from there.") from None
