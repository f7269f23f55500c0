"""Downloads from Hugging Face, for `senses pull` only: the one thing in Senses that asks a network for anything."""

import errno
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    DryRunError,
    GatedRepoError,
    HfHubHTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)

from model_runtime.catalog.model import Model, ModelArtifact
from model_runtime.errors import OperationFailed, SensesError
from model_runtime.hub.progress import NullProgressBar, ProgressAggregator, ProgressCallback
from model_runtime.sizes import format_bytes


class PullFailed(OperationFailed):
    """A download cannot start or go on; what was complete is kept."""

    code = "pull_failed"


class DiskFull(PullFailed):
    """The files do not fit the disk of the cache."""

    code = "disk_full"

    def __init__(self, name: str, folder: Path, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"{name} needs {format_bytes(needed_bytes)} more, but the disk of {folder} has {format_bytes(free_bytes)} free. "
            "Remove something, or set HF_HOME to a folder on a larger disk."
        )
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes


@dataclass(frozen=True, slots=True)
class _DownloadPlan:
    artifact: ModelArtifact
    commit: str
    files: Mapping[str, int]
    """File → bytes that have to come; 0 where it is here already."""
    total_bytes: int


def pull(
    model: Model, cache: Path, on_progress: ProgressCallback, *, endpoint: str | None = None
) -> Mapping[str, Path]:
    """Download every artifact of `model` into `cache` and return the local folder of each by role.

    Files that are complete are not fetched again, so a pull that was interrupted goes on with the rest. `endpoint` is
    the address of another hub than Hugging Face's own.

    Raises:
        DiskFull: there is not enough space; nothing was downloaded.
        PullFailed: offline, gated, unknown, interrupted; the message says what to do.
    """
    if model.path:
        return {"model": Path(model.path)}
    plans = [_plan_download(artifact, cache, endpoint) for artifact in model.artifacts]
    missing_bytes = sum(size for plan in plans for size in plan.files.values())
    _check_disk_space(model.name, cache, missing_bytes)
    total_bytes = sum(plan.total_bytes for plan in plans)
    progress = ProgressAggregator(total_bytes - missing_bytes, total_bytes, on_progress)
    return {plan.artifact.role: _download_files(plan, cache, endpoint, progress) for plan in plans}


def _plan_download(artifact: ModelArtifact, cache: Path, endpoint: str | None) -> _DownloadPlan:
    """Ask what there is. The listing is kept from the first, so a pull that is interrupted is known to be incomplete."""
    with _translate_errors(artifact):
        _download_snapshot(artifact, cache, endpoint, patterns=[])
        files = sorted(_download_snapshot(artifact, cache, endpoint, dry_run=True), key=lambda file: str(file.filename))
    if not files:
        patterns = ", ".join(artifact.patterns)
        raise PullFailed(f"{artifact.repo} has no files like {patterns}. Check its name and revision.")
    missing_bytes = {file.filename: (file.file_size or 0) if file.will_download else 0 for file in files}
    return _DownloadPlan(artifact, files[0].commit_hash, missing_bytes, sum(file.file_size or 0 for file in files))


def _download_files(plan: _DownloadPlan, cache: Path, endpoint: str | None, progress: ProgressAggregator) -> Path:
    """Fetch file by file, so that each byte is counted; the snapshot then finds them all."""
    artifact = plan.artifact
    with _translate_errors(artifact):
        for file in plan.files:
            hf_hub_download(
                artifact.repo,
                file,
                revision=plan.commit,
                cache_dir=cache,
                endpoint=endpoint,
                tqdm_class=progress.bar_class(artifact.repo, file),
            )
        return Path(_download_snapshot(artifact, cache, endpoint))


def _download_snapshot(
    artifact: ModelArtifact,
    cache: Path,
    endpoint: str | None,
    *,
    patterns: list[str] | None = None,
    dry_run: bool = False,
) -> Any:
    """The library's own call: the folder, or with `dry_run` what is to come."""
    return snapshot_download(
        artifact.repo,
        revision=artifact.revision,
        allow_patterns=list(artifact.patterns) if patterns is None else patterns,
        cache_dir=cache,
        endpoint=endpoint,
        dry_run=dry_run,
        tqdm_class=NullProgressBar,
    )


def _check_disk_space(name: str, cache: Path, needed_bytes: int) -> None:
    existing = next(folder for folder in (cache, *cache.absolute().parents) if folder.exists())
    free_bytes = shutil.disk_usage(existing).free
    if needed_bytes > free_bytes:
        raise DiskFull(name, existing, needed_bytes, free_bytes)


@contextmanager
def _translate_errors(artifact: ModelArtifact) -> Iterator[None]:
    try:
        yield
    except SensesError:
        raise
    except Exception as error:
        # the library wraps what the hub said where it then looked for local files in vain
        cause = error.__cause__ if isinstance(error.__cause__, HfHubHTTPError | OfflineModeIsEnabled) else error
        raise PullFailed(_describe_error(cause, artifact)) from error


def _describe_error(error: BaseException, artifact: ModelArtifact) -> str:
    page = f"https://huggingface.co/{artifact.repo}"
    match error:
        case GatedRepoError():
            return f"{artifact.repo} is gated. Accept its terms on {page}, run `hf auth login`, then pull again."
        case RepositoryNotFoundError():
            return f"Hugging Face has no repository {artifact.repo}, or it is private. Check the name, or run `hf auth login`."
        case RevisionNotFoundError():
            return f"{artifact.repo} has no revision {artifact.revision}. See {page}/tree/main for what there is."
        case OfflineModeIsEnabled():
            return f"{artifact.repo} cannot be pulled while HF_HUB_OFFLINE is set. Unset it and pull again."
        case HfHubHTTPError():
            return f"Hugging Face refused {artifact.repo}: {_first_line(error)}. Try again later."
        case LocalEntryNotFoundError() | DryRunError() | ConnectionError() | TimeoutError():
            return f"Hugging Face cannot be reached for {artifact.repo}. Check the connection and pull again: finished files are kept."
        case OSError() if error.errno == errno.ENOSPC:
            return f"The disk is full, so {artifact.repo} is incomplete. Free some space and pull again: finished files are kept."
    return f"The download of {artifact.repo} stopped: {_first_line(error)}. Pull again: finished files are kept."


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
