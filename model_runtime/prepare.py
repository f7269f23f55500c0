"""Prepare a request once, before it is queued: resolve its model, validate it, estimate its memory."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from model_runtime.catalog.disk import ModelFiles, ask_disk, find_files
from model_runtime.catalog.model import Model
from model_runtime.catalog.openai_names import tier_of
from model_runtime.catalog.protocol import CatalogProtocol
from model_runtime.catalog.speakers import Speaker, by_preference, choose_speaker
from model_runtime.catalog.voices import LANGUAGES_BY_ALIAS, read_voices
from model_runtime.errors import ModelMissing
from model_runtime.requests import Chat, GenerateImage, Request, Speak, Task, task_of
from model_runtime.validation import image
from model_runtime.validation.starter_vocabulary import starter_warnings
from model_runtime.validation.thinking import thinking_warnings
from model_runtime.validation.tools import tool_warnings

Validate = Callable[[Request, Model, Mapping[str, Path]], None]
"""`validate(request, model, folders)` raises `InvalidInput` for a request that the model does not support."""


@dataclass(frozen=True, slots=True)
class PreparedRequest:
    """A request that is ready to be queued.

    `needed_bytes` is the memory of the loaded model, 0 if it has a worker already. `working_bytes` is the memory that
    the request takes on top of it. `warnings` name words that a starter model does not know, say that a model cannot call
    tools, and why another model answers than the one that was meant; `is_other_model` says that one does. `files` are those that a worker would load;
    None if the model has a worker already.
    """

    request: Request
    model: Model
    task: Task
    needed_bytes: int = 0
    working_bytes: int = 0
    warnings: tuple[str, ...] = ()
    files: ModelFiles | None = None
    is_other_model: bool = False


class RequestPreparer:
    """Prepares requests with the catalogue and the validation rules."""

    def __init__(
        self,
        catalog: CatalogProtocol,
        validate: Validate,
        *,
        budget_bytes: Callable[[], int] = lambda: 0,
        max_answer_tokens: int = 0,
    ) -> None:
        """`budget_bytes` returns the memory budget at present. `max_answer_tokens` limits chats that set no limit.

        0 is no limit, for both.
        """
        self._catalog = catalog
        self._validate = validate
        self._budget_bytes = budget_bytes
        self.max_answer_tokens = max_answer_tokens

    async def prepare(self, request: Request, *, is_loaded: Callable[[str], bool]) -> PreparedRequest:
        """Resolve, validate and estimate a request. `is_loaded` returns whether the model of a name has a worker.

        Raises:
            UnknownModel: the model does not exist.
            WrongTask: the model does not support the task of the request.
            ModelMissing: the model is not on this disk or its folder cannot be used.
            InvalidInput: the model cannot serve this request.
        """
        task = task_of(request)
        model = await self.resolve(request.model, task)
        return await ask_disk(model.name, self._prepare, request, model, task, is_loaded)

    async def resolve(self, name: str, task: Task) -> Model:
        """Return the model that `name` means for `task`; a thread looks at the disk where that is needed.

        Raises:
            SensesError: as `CatalogProtocol.resolve`.
        """
        if self._catalog.is_known(name):
            return self._catalog.resolve(name, task)
        return await ask_disk(name, self._catalog.resolve, name, task)

    def _choose_speaker(self, request: Speak, model: Model) -> Speaker:
        is_named = self._catalog.is_known(request.model) or not tier_of(request.model, Task.SPEECH)
        return choose_speaker(
            request, model, languages_of=self._languages, installed=self._installed_speakers, is_named=is_named
        )

    def _languages(self, model: Model) -> Sequence[str]:
        """Return the languages of a speech model, for a built-in one that is missing those it would have."""
        try:
            folder = self._catalog.folders(model).get("model")
        except ModelMissing:
            return LANGUAGES_BY_ALIAS.get(model.name, ())
        return read_voices(folder).languages if folder else ()

    def _installed_speakers(self) -> list[Model]:
        """Return the speech models that can be used, the preferred ones first."""
        models = (model for model in self._catalog.models() if model.task is Task.SPEECH)
        return by_preference(model for model in models if self._catalog.info(model).present)

    def _with_limits(self, chat: Chat, model: Model, folders: Mapping[str, Path]) -> Chat:
        context_tokens = self._catalog.context_tokens(model, folders, self._budget_bytes())
        return replace(chat, context_tokens=context_tokens, max_tokens=chat.max_tokens or self.max_answer_tokens)

    def _prepare(self, request: Request, meant: Model, task: Task, is_loaded: Callable[[str], bool]) -> PreparedRequest:
        speaker = self._choose_speaker(request, meant) if isinstance(request, Speak) else Speaker(meant)
        model = speaker.model
        needs_estimate = not is_loaded(model.name)
        folders = self._catalog.folders(model)
        named = request if request.model == model.name else replace(request, model=model.name)
        warnings: tuple[str, ...] = ()
        if isinstance(named, Chat):
            named = self._with_limits(named, model, folders)
        if isinstance(named, GenerateImage):
            named, warnings = image.as_served(named, model, folders)
        self._validate(named, model, folders)
        warnings += starter_warnings(named, task, model, folders) + tool_warnings(named, model, folders)
        warnings += thinking_warnings(named, model, folders)
        if speaker.warning:
            warnings = (speaker.warning, *warnings)
        needed_bytes = self._catalog.needed_bytes(model, folders) if needs_estimate else 0
        working_bytes = self._catalog.working_bytes(named, model, folders)
        files = find_files(folders) if needs_estimate else None
        is_other_model = bool(speaker.warning)
        return PreparedRequest(named, model, task, needed_bytes, working_bytes, warnings, files, is_other_model)
