"""GET /v1/models and the lists that audio clients ask for: which models and voices there are."""

from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.requests import Task
from model_runtime.service import Service, resolve_any_task
from model_runtime.status import ModelStatus
from openai_compat.api.speech import OPENAI_VOICES, voices_of

CREATED_AT = 1_735_689_600
"""2025-01-01: a constant, because clients compare lists to see whether something changed."""
ENDPOINTS = {
    Task.VISION: ("/v1/chat/completions", "/v1/responses"),
    Task.TEXT: ("/v1/chat/completions", "/v1/responses"),
    Task.IMAGE: ("/v1/images/generations",),
    Task.TRANSCRIPTION: ("/v1/audio/transcriptions", "/v1/audio/translations"),
    Task.SPEECH: ("/v1/audio/speech",),
}


@dataclass(frozen=True, slots=True)
class ModelsEndpoint:
    """The endpoints. Lists name what is on this disk; a single model may be asked for by any of its names."""

    service: Service

    def routes(self) -> list[Route]:
        """Where they are served."""
        return [
            Route("/v1/models", self.list_models, methods=["GET"]),
            Route("/v1/models/{name:path}", self.retrieve, methods=["GET"]),
            Route("/v1/audio/models", self.list_speech_models, methods=["GET"]),
            Route("/v1/audio/voices", self.list_voices, methods=["GET"]),
        ]

    async def list_models(self, request: Request) -> Response:
        """List the models that can answer now, the default of each task first."""
        present = [model for model in self.service.status().models if model.present]
        ordered = sorted(present, key=lambda model: not model.default)
        return JSONResponse({"object": "list", "data": [model_json(model) for model in ordered]})

    async def retrieve(self, request: Request) -> Response:
        """Describe one model."""
        requested_name = request.path_params["name"]
        name = resolve_any_task(self.service, requested_name)
        status = next((model for model in self.service.status().models if model.name == name), None)
        return JSONResponse((model_json(status) if status else minimal_model_json(name)) | {"id": requested_name})

    async def list_speech_models(self, request: Request) -> Response:
        """List the models that speak, as Open WebUI reads them."""
        speech_models = [model for model in self.service.status().models if model.present and model.task is Task.SPEECH]
        return JSONResponse({"models": [{"id": model.name, "name": model.description} for model in speech_models]})

    async def list_voices(self, request: Request) -> Response:
        """List the voices of one model, the default one unless `?model=` names another."""
        model = self.service.resolve(request.query_params.get("model", ""), Task.SPEECH)
        voices = [{"id": voice, "name": voice} for voice in voices_of(self.service, model) or OPENAI_VOICES]
        # Open WebUI reads `voices`, clients of other servers read `data`
        return JSONResponse({"object": "list", "model": model, "voices": voices, "data": voices})


def model_json(model: ModelStatus) -> dict[str, Any]:
    """Describe a model: OpenAI's four keys and what we know beyond them."""
    return minimal_model_json(model.name) | {
        "type": model.task,
        "description": model.description,
        "endpoints": ENDPOINTS[model.task],
        "default": model.default,
        "starter": model.starter,
        "present": model.present,
        "state": model.state,
        "source": model.source,
        "size_bytes": model.weights_bytes,
        "voices": model.voices,
        "languages": model.languages,
    }


def minimal_model_json(name: str) -> dict[str, Any]:
    """Write OpenAI's four keys."""
    return {"id": name, "object": "model", "created": CREATED_AT, "owned_by": "senses"}
