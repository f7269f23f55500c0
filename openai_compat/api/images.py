"""POST /v1/images/generations: a sentence in, pictures out, with previews on the way where the client streams."""

import base64
import secrets
import time
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.events import Drawing, Event, Finished, Preview
from model_runtime.media.types import Picture
from model_runtime.requests import GenerateImage, Task
from model_runtime.service import Service
from openai_compat.api.bodies import read_body
from openai_compat.api.generation import client_name, extras, finish, outcome
from openai_compat.api.image_store import Shelf
from openai_compat.api.schemas import ImagesBody
from openai_compat.http.disconnect import while_connected
from openai_compat.http.errors import UnknownUrl
from openai_compat.http.sse import DONE, Piece, PieceResponse, event

AUTO_SIZE = (512, 512)
SEEDS = 2**32
NOT_COUNTED = {
    "input_tokens": 0,
    "output_tokens": 0,
    "total_tokens": 0,
    "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
}
"""OpenAI bills pictures by tokens; here they cost none, and clients insist on the keys."""


@dataclass(frozen=True, slots=True)
class ImagesEndpoint:
    """The endpoint, and the shelf from which it serves pictures that were asked for as URLs."""

    service: Service
    shelf: Shelf

    def routes(self) -> list[Route]:
        """Where it is served."""
        return [
            Route("/v1/images/generations", self.create, methods=["POST"]),
            Route("/v1/files/images/{name}", self.serve, methods=["GET"], name="picture"),
        ]

    async def create(self, request: Request) -> Response:
        """Draw one picture or several, one after the other."""
        body = await read_body(request, ImagesBody)
        width, height = body.size or AUTO_SIZE
        drawing = GenerateImage(
            self.service.resolve(body.model, Task.IMAGE),
            body.prompt,
            width,
            height,
            seed=secrets.randbelow(SEEDS) if body.seed is None else body.seed,
            steps=body.steps,
            preview_every=preview_every(body.steps, body.partial_images) if body.stream else 0,
        )
        wanted = [replace(drawing, seed=(drawing.seed + index) % SEEDS) for index in range(body.n)]
        if body.stream:
            return PieceResponse(self._pieces(request, body, wanted))
        async with while_connected(request.receive):
            return JSONResponse(await self._answer(request, body, wanted))

    async def serve(self, request: Request) -> Response:
        """Serve a picture from the shelf."""
        kept = self.shelf.find(request.path_params["name"])
        if kept is None:
            raise UnknownUrl("There is no such picture (any more); pictures are kept for an hour.")
        return Response(kept.data, media_type=kept.content_type, headers={"cache-control": "private, max-age=3600"})

    async def _answer(self, request: Request, body: ImagesBody, wanted: list[GenerateImage]) -> dict[str, Any]:
        ends = [await finish(self._run(request, body, drawing), Drawing) for drawing in wanted]
        finished, first = ends[0]
        return {
            "created": int(time.time()),
            "data": [await self._picture(request, body, drawing) for _, drawing in ends],
            "background": "opaque",
            "output_format": body.output_format,
            "size": f"{first.width}x{first.height}",
            "usage": NOT_COUNTED,
            "senses": extras(finished) | {"seeds": [drawing.seed for _, drawing in ends], "steps": first.steps},
        }

    async def _picture(self, request: Request, body: ImagesBody, drawing: Drawing) -> dict[str, str]:
        data = await encoded(drawing.png, body)
        if body.response_format == "url":
            name = self.shelf.put(data, f"image/{body.output_format}")
            # on the host the client used: Open WebUI sends its key only there
            return {"url": str(request.url_for("picture", name=name))}
        return {"b64_json": base64.b64encode(data).decode()}

    async def _pieces(self, request: Request, body: ImagesBody, wanted: list[GenerateImage]) -> AsyncGenerator[Piece]:
        for drawing in wanted:
            sent, finished = 0, None
            async with aclosing(self._run(request, body, drawing)) as events:
                async for happened in events:
                    if isinstance(happened, Preview) and is_due(happened, body.partial_images, sent):
                        picture = await encoded(happened.picture, body)
                        yield image_event("partial_image", picture, happened.picture, body, partial_image_index=sent)
                        sent += 1
                    elif isinstance(happened, Finished):
                        finished = happened
            end, result = outcome(finished, Drawing)
            picture = await encoded(result.png, body)
            yield image_event("completed", picture, result, body, usage=NOT_COUNTED, senses=extras(end))
        yield DONE

    def _run(self, request: Request, body: ImagesBody, drawing: GenerateImage) -> AsyncGenerator[Event]:
        client = client_name(request.headers)
        return self.service.run(drawing, client=client, keep_alive_seconds=body.keep_alive)


def preview_every(steps: int, previews: int) -> int:
    """How often to ask for a preview: every step where the model chooses the number of steps; `is_due` thins them."""
    if not previews:
        return 0
    return max(steps // (previews + 1), 1)


def is_due(preview: Preview, wanted: int, sent: int) -> bool:
    """Whether this preview is the next of `wanted`, spread evenly over the steps before the last."""
    return sent < wanted and preview.step < preview.steps and preview.step * (wanted + 1) >= (sent + 1) * preview.steps


def image_event(kind: str, data: bytes, size: Picture | Drawing, body: ImagesBody, **more: Any) -> bytes:
    """Write one event of the stream."""
    name = f"image_generation.{kind}"
    payload = {
        "type": name,
        "b64_json": base64.b64encode(data).decode(),
        "created_at": int(time.time()),
        "background": "opaque",
        "output_format": body.output_format,
        "quality": "auto",
        "size": f"{size.width}x{size.height}",
    }
    return event(payload | more, name)


async def encoded(picture: bytes | Picture, body: ImagesBody) -> bytes:
    """Encode as the client wants it, off the event loop; a finished PNG stays as it is, with what it says of itself."""
    if isinstance(picture, bytes) and body.output_format == "png":
        return picture
    from model_runtime.media.pictures import encode_picture

    return await to_thread.run_sync(
        lambda: encode_picture(picture, body.output_format, quality=max(body.output_compression, 1))
    )
