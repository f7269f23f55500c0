"""Download models from Hugging Face for `senses pull`."""

import errno
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
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

from model_runtime.catalog.builtin_models import BUILTIN_MODELS
from model_runtime.catalog.model import Model, ModelArtifact
from model_runtime.errors import OperationFailed, SensesError
from model_runtime.hub.cache import HubCache
from model_runtime.hub.progress import NullProgressBar, ProgressAggregator, ProgressCallback
from model_runtime.hub.version import Version
from model_runtime.sizes import format_bytes

COMMIT = re.compile("[0-9a-f]{40}")
UNPINNED_ARTIFACTS = tuple(
    artifact for model in BUILTIN_MODELS for artifact in model.artifacts if not COMMIT.fullmatch(artifact.revision)
)
"""Of built-in models whose commit nobody could name: a person decides to take what is there."""


class PullFailed(OperationFailed):
    """A download cannot start or continue. Finished files are kept."""

    code = "pull_failed"


class DiskFull(PullFailed):
    """The disk of the cache has too little space for the files."""

    code = "disk_full"

    def __init__(self, name: str, folder: Path, needed_bytes: int, free_bytes: int) -> None:
        super().__init__(
            f"{name} needs {format_bytes(needed_bytes)}, but the disk of {folder} has {format_bytes(free_bytes)} free. "
            "Delete files, or set HF_HOME to a folder on a larger disk."
        )
        self.needed_bytes = needed_bytes
        self.free_bytes = free_bytes


@dataclass(frozen=True, slots=True)
class _DownloadPlan:
    artifact: ModelArtifact
    commit: str
    files: Mapping[str, int]
    """File → bytes to download; 0 for a file that is complete."""
    total_bytes: int


def pull(
    model: Model,
    cache: Path,
    on_progress: ProgressCallback,
    *,
    version: Version = Version.KEPT,
    endpoint: str | None = None,
) -> Mapping[str, Path]:
    """Download all artifacts of `model` into the folder `cache` and return the local folder of each by role.

    An interrupted pull can be repeated: finished files are not downloaded again. What was pulled is used until a pull
    asks for another version, whatever the hub's branch names meanwhile. `endpoint` is the URL of another hub than
    huggingface.co.

    Raises:
        DiskFull: the disk has too little space; nothing was downloaded.
        PullFailed: the repository is unknown or gated, the hub cannot be reached or refused the download, or this
            Senses names no commit of the model.
    """
    if model.path:
        return {"model": Path(model.path)}
    kept = HubCache(cache)
    if version is not Version.NEWEST:
        _require_known_commits(model, kept)
    plans = [_plan_download(_choose_commit(artifact, kept, version), cache, endpoint) for artifact in model.artifacts]
    missing_bytes = sum(size for plan in plans for size in plan.files.values())
    _check_disk_space(model.name, cache, missing_bytes)
    total_bytes = sum(plan.total_bytes for plan in plans)
    progress = ProgressAggregator(total_bytes - missing_bytes, total_bytes, on_progress)
    folders = {plan.artifact.role: _download_files(plan, cache, endpoint, progress) for plan in plans}
    for artifact, plan in zip(model.artifacts, plans, strict=True):
        with translate_errors(artifact):
            kept.keep_commit(artifact, plan.commit)
    return folders


def _require_known_commits(model: Model, kept: HubCache) -> None:
    """Refuse to take what a branch of a built-in model happens to name, unless a commit of it was pulled before."""
    for artifact in model.artifacts:
        if artifact in UNPINNED_ARTIFACTS and kept.commit(artifact) == artifact.revision:
            raise PullFailed(
                f"This Senses names no commit of {artifact.repo}, so whoever uploads there would decide what runs here. "
                f"To take its newest commit, which is kept from then on: senses pull {model.name} --version newest"
            )


def newest_revision(artifact: ModelArtifact) -> str:
    """Return the branch or tag that may name a newer commit than the one in use."""
    return "main" if COMMIT.fullmatch(artifact.revision) else artifact.revision


def _choose_commit(artifact: ModelArtifact, cache: HubCache, version: Version) -> ModelArtifact:
    match version:
        case Version.KEPT:
            return replace(artifact, revision=cache.commit(artifact))
        case Version.NEWEST:
            return replace(artifact, revision=newest_revision(artifact))
        case Version.SHIPPED:
            return artifact


def _plan_download(artifact: ModelArtifact, cache: Path, endpoint: str | None) -> _DownloadPlan:
    """List the files to download."""
    with translate_errors(artifact):
        # stores the listing first, so that `HubCache` knows that an interrupted download is incomplete
        _download_snapshot(artifact, cache, endpoint, patterns=[])
        files = sorted(_download_snapshot(artifact, cache, endpoint, dry_run=True), key=lambda file: str(file.filename))
    if not files:
        patterns = ", ".join(artifact.patterns)
        raise PullFailed(f"{artifact.repo} has no files like {patterns}. Check its name and revision.")
    missing_bytes = {file.filename: (file.file_size or 0) if file.will_download else 0 for file in files}
    return _DownloadPlan(artifact, files[0].commit_hash, missing_bytes, sum(file.file_size or 0 for file in files))


def _download_files(plan: _DownloadPlan, cache: Path, endpoint: str | None, progress: ProgressAggregator) -> Path:
    """Download file by file, which counts each byte, and return the folder of the snapshot."""
    artifact = plan.artifact
    with translate_errors(artifact):
        for file in plan.files:
            hf_hub_download(
                artifact.repo,
                file,
                revision=plan.commit,
                cache_dir=cache,
                endpoint=endpoint,
                tqdm_class=progress.bar_class(file),
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
    """Call `snapshot_download`: it returns the folder, or with `dry_run` the files to download."""
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
def translate_errors(artifact: ModelArtifact) -> Iterator[None]:
    """Raise `PullFailed` with a sentence that says what to do for what huggingface_hub raises within the block."""
    try:
        yield
    except SensesError:
        raise
    except Exception as error:
        # when local files are missing, too, huggingface_hub raises that error from the one of the hub
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
            return f"{artifact.repo} has no revision {artifact.revision}. See {page}/tree/main for its revisions."
        case OfflineModeIsEnabled():
            return f"{artifact.repo} cannot be pulled while HF_HUB_OFFLINE is set. Unset it and pull again."
        case HfHubHTTPError():
            return f"Hugging Face refused {artifact.repo}: {_first_line(error)}. Try again later."
        case LocalEntryNotFoundError() | DryRunError() | ConnectionError() | TimeoutError():
            return f"Hugging Face cannot be reached for {artifact.repo}. Check the connection and pull again; finished files are kept."
        case OSError() if error.errno == errno.ENOSPC:
            return f"The disk is full, so {artifact.repo} is incomplete. Delete files and pull again; finished files are kept."
    return f"The download of {artifact.repo} failed: {_first_line(error)}. Pull again; finished files are kept."


def _first_line(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(".")
