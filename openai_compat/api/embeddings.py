"""POST /v1/embeddings: texts in, one vector for each out, as numbers or as base64."""

import base64
import json
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, Literal

from anyio import to_thread
from pydantic import BeforeValidator, Field
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model_runtime.events import EmbeddingResult, Finished
from model_runtime.requests import Embed, Task
from model_runtime.service import Service
from model_runtime.validation.embedding import MAX_TEXTS
from openai_compat.api.bodies import read_body
from openai_compat.api.generation import collect_result, run_events, senses_fields
from openai_compat.api.schemas import RequestBody, at_most, text_to_list, unsupported_error
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.uploads import release_upload

FLOAT_BYTES = 4


def refuse_token_ids(value: object) -> object:
    """Refuse lists of token ids: those of OpenAI's tokenizers mean other words to any other model.

    Raises:
        PydanticCustomError: the input has token ids.
    """
    if isinstance(value, list) and any(isinstance(item, int | list) for item in value[:MAX_TEXTS]):
        raise unsupported_error(
            "An input of token ids",
            "Send texts; with LangChain's OpenAIEmbeddings, set check_embedding_ctx_length=False.",
        )
    return value


class EmbeddingsBody(RequestBody):
    """POST /v1/embeddings. `input` is a text or a list of texts."""

    input: Annotated[
        list[str],
        Field(min_length=1, max_length=MAX_TEXTS),
        at_most(MAX_TEXTS, "texts"),
        BeforeValidator(refuse_token_ids, json_schema_input_type=str | list[str]),
        BeforeValidator(text_to_list, json_schema_input_type=str | list[str]),
    ]
    dimensions: int = Field(0, ge=1, le=2**16)
    encoding_format: Literal["float", "base64"] = "float"


@dataclass(frozen=True, slots=True)
class EmbeddingsEndpoint:
    """The endpoint."""

    service: Service

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/v1/embeddings", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Embed texts."""
        body = await read_body(request, EmbeddingsBody)
        release_upload(request.scope)
        model = await self.service.resolve(body.model, Task.EMBEDDING)
        embed = Embed(model, tuple(body.input), body.dimensions)
        async with cancel_on_disconnect(request.receive):
            events = run_events(self.service, embed, request, body)
            finished, result = await collect_result(events, EmbeddingResult)
            content = await to_thread.run_sync(render_embeddings, finished, result, body)
        return Response(content, media_type="application/json")


def render_embeddings(finished: Finished, result: EmbeddingResult, body: EmbeddingsBody) -> bytes:
    """Return the answer as JSON, one vector after the other: a thread that writes them all at once stops all others."""
    encode = VECTOR_ENCODERS[body.encoding_format]
    rest = {
        "object": "list",
        "model": body.model or finished.model,
        "usage": {"prompt_tokens": result.prompt_tokens, "total_tokens": result.prompt_tokens},
        "senses": senses_fields(finished) | {"dimensions": result.dimensions},
    }
    data = ", ".join(
        f'{{"object": "embedding", "index": {index}, "embedding": {encode(vector)}}}'
        for index, vector in enumerate(split_vectors(result))
    )
    return f'{{"data": [{data}], {json.dumps(rest)[1:]}'.encode()


def split_vectors(result: EmbeddingResult) -> Iterator[bytes]:
    """Yield the bytes of each vector."""
    size = result.dimensions * FLOAT_BYTES
    return (result.vectors[start : start + size] for start in range(0, len(result.vectors), size))


def to_numbers(vector: bytes) -> str:
    """Return a vector as a JSON list."""
    return json.dumps(array("f", vector).tolist())


def to_base64(vector: bytes) -> str:
    """Return a vector as OpenAI's base64 of little-endian float32, in quotes."""
    return f'"{base64.b64encode(vector).decode()}"'


VECTOR_ENCODERS: dict[str, Callable[[bytes], str]] = {"float": to_numbers, "base64": to_base64}
