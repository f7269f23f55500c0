"""Ask Hugging Face which downloaded models have a newer commit. Nothing is downloaded."""

from collections.abc import Iterable
from dataclasses import dataclass

from huggingface_hub import HfApi

from model_runtime.catalog.model import Model, ModelArtifact
from model_runtime.hub.cache import HubCache
from model_runtime.hub.download import newest_revision, translate_errors

TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class NewerCommit:
    """A repository of a downloaded model whose branch names another commit than the one in use."""

    model: str
    repo: str
    commit: str
    """In use."""
    newest: str


def newer_commits(models: Iterable[Model], cache: HubCache, *, endpoint: str | None = None) -> list[NewerCommit]:
    """Return the downloaded artifacts that have a newer commit; `endpoint` is the URL of another hub.

    Raises:
        PullFailed: the hub cannot be reached, or refuses an answer.
    """
    api = HfApi(endpoint=endpoint)
    downloaded = [(model, artifact) for model in models for artifact in model.artifacts if cache.find(artifact)]
    asked = ((model, artifact, _newest(api, artifact)) for model, artifact in downloaded)
    return [
        NewerCommit(model.name, artifact.repo, cache.commit(artifact), newest)
        for model, artifact, newest in asked
        if newest != cache.commit(artifact)
    ]


def _newest(api: HfApi, artifact: ModelArtifact) -> str:
    with translate_errors(artifact):
        info = api.model_info(artifact.repo, revision=newest_revision(artifact), timeout=TIMEOUT_SECONDS)
    return info.sha or artifact.revision
