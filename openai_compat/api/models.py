"""GET /v1/models, for clients of OpenAI's and of Anthropic's API, and the lists of models and voices that audio clients request."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.catalog.openai_names import tier_of
from model_runtime.catalog.voices import OPENAI_VOICES
from model_runtime.errors import ModelMissing, SensesError, UnknownModel
from model_runtime.requests import Task
from model_runtime.service import Service, resolve_any_task
from model_runtime.status import ModelStatus
from openai_compat.api.anthropic.models import model_info, model_page
from openai_compat.http.anthropic_errors import speaks_anthropic
from openai_compat.http.endpoints import ENDPOINTS_BY_TASK
from openai_compat.http.security import HAS_KEY

CREATED_AT = 1_735_689_600
"""2025-01-01, in seconds since the epoch. Constant, because clients compare lists to detect changes."""
CHAT_CAPABILITIES = ("chat", "json_schema")
MAX_NAME_CHARS = 200
"""How much of an unknown name an error repeats."""


class ModelNotFound(ModelMissing):
    """The model that a client asks about is not here; OpenAI's clients know this code only."""

    code = "model_not_found"

    def __init__(self, message: str) -> None:
        SensesError.__init__(self, message)


@dataclass(frozen=True, slots=True)
class ModelsEndpoint:
    """The endpoints. Lists have downloaded models only; a single model is found by any of its names."""

    service: Service

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v1/models", self.list_models, methods=["GET"]),
            Route("/v1/models/{name:path}", self.retrieve, methods=["GET"]),
            Route("/v1/audio/models", self.list_speech_models, methods=["GET"]),
            Route("/v1/audio/voices", self.list_voices, methods=["GET"]),
        ]

    async def list_models(self, request: Request) -> Response:
        """List downloaded models, the default of each task first; for Anthropic's clients only those that chat."""
        present = [model for model in self.service.status().models if model.present]
        ordered = sorted(present, key=lambda model: not model.default)
        if speaks_anthropic(request.scope):
            chat_models = [model for model in ordered if "chat" in capabilities(model)]
            infos = [model_info(model.name, model, CREATED_AT) for model in chat_models]
            return JSONResponse(model_page(infos, request.query_params))
        return JSONResponse({"object": "list", "data": [model_json(model) for model in ordered]})

    async def retrieve(self, request: Request) -> Response:
        """Return one model under the name that the client used.

        Raises:
            UnknownModel: no model has this name.
            ModelNotFound: the repository is not on this disk.
        """
        requested_name = request.path_params["name"]
        try:
            name = await resolve_any_task(self.service, requested_name)
        except ModelMissing as error:
            raise ModelNotFound(error.message) from error
        status = self.service.status().model(name)
        if speaks_anthropic(request.scope):
            return JSONResponse(model_info(requested_name, status, CREATED_AT))
        return JSONResponse((model_json(status) if status else minimal_model_json(name)) | {"id": requested_name})

    async def list_speech_models(self, request: Request) -> Response:
        """List downloaded speech models in Open WebUI's format."""
        speech_models = [model for model in self.service.status().models if model.present and model.task is Task.SPEECH]
        return JSONResponse({"models": [{"id": model.name, "name": model.description} for model in speech_models]})

    async def list_voices(self, request: Request) -> Response:
        """List the voices of `?model=` or of the default speech model.

        A request without the configured key may name aliases only: a repository or a folder would be looked up on disk.

        Raises:
            UnknownModel: no model has this name.
            WrongTask: the model is not a speech model.
        """
        requested_name = request.query_params.get("model", "")
        if not request.scope.get(HAS_KEY, True):
            self._require_alias(requested_name)
        model = await self.service.resolve(requested_name, Task.SPEECH)
        status = self.service.status().model(model)
        names = status.voices if status else ()
        voices = [{"id": voice, "name": voice} for voice in names or OPENAI_VOICES]
        # Open WebUI reads `voices`, clients of other servers read `data`
        return JSONResponse({"object": "list", "model": model, "voices": voices, "data": voices})

    def _require_alias(self, requested_name: str) -> None:
        aliases = [model.name for model in self.service.status().models if "/" not in model.name]
        requested = requested_name.strip().lower()
        if requested not in {alias.lower() for alias in aliases} and not tier_of(requested, Task.SPEECH):
            raise UnknownModel(requested_name[:MAX_NAME_CHARS], aliases)


def model_json(model: ModelStatus) -> dict[str, Any]:
    """Return OpenAI's four keys of a model and ours."""
    return minimal_model_json(model.name) | {
        "type": model.task,
        "description": model.description,
        "endpoints": ENDPOINTS_BY_TASK[model.task],
        "default": model.default,
        "starter": model.starter,
        "present": model.present,
        "state": model.state,
        "source": model.source,
        "size_bytes": model.weights_bytes,
        "context_length": model.context_tokens or None,
        "capabilities": capabilities(model),
        "voices": model.voices,
        "languages": model.languages,
    }


def capabilities(model: ModelStatus) -> list[str]:
    """Return what a model can do, in single words."""
    chats = model.task in (Task.VISION, Task.TEXT) and "ocr" not in model.abilities
    return [*(CHAT_CAPABILITIES if chats else ()), *([] if model.task is Task.TEXT else [model.task]), *model.abilities]


def minimal_model_json(name: str) -> dict[str, Any]:
    """Return OpenAI's four keys of a model."""
    return {"id": name, "object": "model", "created": CREATED_AT, "owned_by": "senses"}
