"""POST /v1/images/generations: a prompt in, images out, with previews if the client streams."""

import base64
import secrets
import time
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, Literal

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.events import Event, GeneratedImage, Preview, expect_result
from model_runtime.media.types import ImageData
from model_runtime.requests import GenerateImage
from model_runtime.service import Service
from openai_compat.api.bodies import read_body
from openai_compat.api.chat_requests import SEED_RANGE
from openai_compat.api.generation import collect_result, run_events, senses_fields
from openai_compat.api.image_store import TemporaryImageStore
from openai_compat.api.schemas import ImagesBody
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.errors import UnknownUrl
from openai_compat.http.sse import DONE_EVENT, Chunk, DeferredStreamingResponse, encode_event
from openai_compat.http.uploads import release_upload

EventPrefix = Literal["image_generation", "image_edit"]
"""How the names of the events of a stream begin."""
DEFAULT_SIZE = (512, 512)
OPENAI_SIZES = frozenset({"1024x1024", "1024x1536", "1536x1024"})
"""Sizes that the types of OpenAI's Python client allow in answers; strict validation fails on others. `senses` has the
true one."""
ZERO_USAGE = {
    "input_tokens": 0,
    "output_tokens": 0,
    "total_tokens": 0,
    "input_tokens_details": {"text_tokens": 0, "image_tokens": 0},
}
"""OpenAI bills images by tokens. Senses does not, but clients require the keys."""


@dataclass(frozen=True, slots=True)
class ImagesEndpoint:
    """The endpoint, and the store of images that were requested as URLs."""

    service: Service
    store: TemporaryImageStore

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v1/images/generations", self.create, methods=["POST"]),
            Route("/v1/files/images/{name}", self.serve, methods=["GET"], name="stored_image"),
        ]

    async def create(self, request: Request) -> Response:
        """Generate one image or several, one after the other."""
        body = await read_body(request, ImagesBody)
        release_upload(request.scope)
        width, height = body.size or DEFAULT_SIZE
        image_request = GenerateImage(
            body.model,
            body.prompt,
            width,
            height,
            seed=first_seed(body),
            steps=body.steps,
            preview_every=preview_interval(body),
        )
        run = ImageRun(self.service, self.store, request, body, repeat_image(image_request, body.n), "image_generation")
        return await run.respond()

    async def serve(self, request: Request) -> Response:
        """Return a stored image.

        Raises:
            UnknownUrl: the image does not exist or has expired.
        """
        stored = self.store.get(request.path_params["name"])
        if stored is None:
            raise UnknownUrl(
                "This image does not exist or has expired. Images are kept for an hour; generate it again."
            )
        return Response(stored.data, media_type=stored.content_type, headers={"cache-control": "private, max-age=3600"})


@dataclass(frozen=True, slots=True)
class ImageRun:
    """Runs the requests of one call, one after the other, and answers it; `warnings` come with the pictures."""

    service: Service
    store: TemporaryImageStore
    request: Request
    body: ImagesBody
    image_requests: Sequence[GenerateImage]
    event_prefix: EventPrefix
    warnings: Sequence[str] = ()

    async def respond(self) -> Response:
        """Return the pictures, or the stream in which they come."""
        if self.body.stream:
            return DeferredStreamingResponse(self._events())
        async with cancel_on_disconnect(self.request.receive):
            return JSONResponse(await self._images_json())

    @property
    def _all_warnings(self) -> list[str]:
        return [*self.body.ignored_warnings(), *self.warnings]

    async def _images_json(self) -> dict[str, Any]:
        runs = [
            await collect_result(run_events(self.service, one, self.request, self.body), GeneratedImage)
            for one in self.image_requests
        ]
        images = [image for _, image in runs]
        finished, first = runs[0]
        return {
            "created": int(time.time()),
            "data": [await self._image_json(image) for image in images],
            "background": "opaque",
            "output_format": self.body.output_format,
            **({"size": size} if (size := size_text(first)) in OPENAI_SIZES else {}),
            "usage": ZERO_USAGE,
            "senses": senses_fields(finished, self._all_warnings)
            | {"size": size, "seeds": [image.seed for image in images], "steps": first.steps},
        }

    async def _image_json(self, image: GeneratedImage) -> dict[str, str]:
        data = await encode_output(image.png, self.body)
        if self.body.response_format == "url":
            name = self.store.put(data, f"image/{self.body.output_format}")
            # the host that the client used: Open WebUI sends its API key to no other
            return {"url": str(self.request.url_for("stored_image", name=name))}
        return {"b64_json": base64.b64encode(data).decode()}

    async def _events(self) -> AsyncGenerator[Chunk]:
        for image_request in self.image_requests:
            sent_previews = 0
            event: Event | None = None
            async with aclosing(run_events(self.service, image_request, self.request, self.body)) as events:
                async for event in events:
                    if isinstance(event, Preview) and is_preview_due(event, self.body.partial_images, sent_previews):
                        encoded_image = await encode_output(event.image, self.body)
                        yield self._event(
                            "partial_image", encoded_image, event.image, partial_image_index=sent_previews
                        )
                        sent_previews += 1
            finished, image = expect_result(event, GeneratedImage)
            encoded_image = await encode_output(image.png, self.body)
            senses = senses_fields(finished, self._all_warnings)
            yield self._event("completed", encoded_image, image, usage=ZERO_USAGE, senses=senses)
        yield DONE_EVENT

    def _event(
        self,
        suffix: str,
        data: bytes,
        image: ImageData | GeneratedImage,
        *,
        senses: Mapping[str, Any] | None = None,
        **extra: Any,
    ) -> bytes:
        """Return one event of the stream."""
        size, name = size_text(image), f"{self.event_prefix}.{suffix}"
        payload = {
            "type": name,
            "b64_json": base64.b64encode(data).decode(),
            "created_at": int(time.time()),
            "background": "opaque",
            "output_format": self.body.output_format,
            "quality": "auto",
            "size": size if size in OPENAI_SIZES else "auto",
            "senses": {**(senses or {}), "size": size},
        }
        return encode_event(payload | extra, name)


def first_seed(body: ImagesBody) -> int:
    """Return the seed of the first picture, a random one if the body has none."""
    return secrets.randbelow(SEED_RANGE) if body.seed is None else body.seed


def repeat_image(image_request: GenerateImage, count: int) -> list[GenerateImage]:
    """Return `count` requests with consecutive seeds."""
    return [replace(image_request, seed=(image_request.seed + index) % SEED_RANGE) for index in range(count)]


def size_text(image: ImageData | GeneratedImage) -> str:
    """Return width and height as OpenAI writes them."""
    return f"{image.width}x{image.height}"


def preview_interval(body: ImagesBody) -> int:
    """Return the number of steps between previews, 0 for no previews.

    With `steps` 0 the model chooses their number, so every step has a preview and `is_preview_due` drops most.
    """
    return max(body.steps // (body.partial_images + 1), 1) if body.stream and body.partial_images else 0


def is_preview_due(preview: Preview, preview_count: int, sent_previews: int) -> bool:
    """Return whether to send a preview: `preview_count` of them are spread evenly over the steps before the last."""
    return (
        sent_previews < preview_count
        and preview.step < preview.steps
        and preview.step * (preview_count + 1) >= (sent_previews + 1) * preview.steps
    )


async def encode_output(image: bytes | ImageData, body: ImagesBody) -> bytes:
    """Return the image in the requested format, encoded in a thread. A finished PNG is unchanged: it has metadata."""
    if isinstance(image, bytes) and body.output_format == "png":
        return image
    from model_runtime.media.images import encode_image  # imports Pillow, which an idle daemon does not need

    return await to_thread.run_sync(
        lambda: encode_image(image, body.output_format, quality=max(body.output_compression, 1))
    )
