"""POST /v1/images/edits: pictures and a prompt in, the first picture changed as the prompt says out."""

from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Annotated, Any, BinaryIO, ClassVar, Literal

from pydantic import Field, field_validator, model_validator
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model_runtime.catalog.builtin_models import EDIT_TIER
from model_runtime.catalog.openai_names import tier_of
from model_runtime.drawing_size import MAX_SIDE, MIN_SIDE
from model_runtime.errors import InvalidInput
from model_runtime.media.types import ImageData
from model_runtime.requests import GenerateImage, Task
from model_runtime.service import Service
from openai_compat.api.bodies import open_form, read_json, validate_fields
from openai_compat.api.image_inputs import ImageInputs
from openai_compat.api.image_store import TemporaryImageStore
from openai_compat.api.images import ImageRun, first_seed, preview_interval, repeat_image
from openai_compat.api.schemas import IgnoredField, ImagesBody, WireModel, text_to_object, unsupported_error
from openai_compat.http.disconnect import cancel_on_disconnect
from openai_compat.http.uploads import release_upload

MAX_PICTURES = 16
"""As OpenAI takes them; models take fewer, and say so."""
REDRAW_STRENGTH = 0.8
"""How far a model that follows no instruction moves away from the picture, unless the caller says so."""

FILE_FIELDS = ("image", "mask")
"""Fields of a form that hold pictures."""

PictureSource = str | BinaryIO
"""The address of a picture, or an open file."""


class PictureAddress(WireModel):
    """A picture in a JSON body: a data: address, or one in the web if settings allow these."""

    image_url: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def check(cls, values: Any) -> Any:
        """Refuse the id of a stored file.

        Raises:
            PydanticCustomError: there is one.
        """
        if isinstance(values, dict) and values.get("file_id") and not values.get("image_url"):
            raise unsupported_error(
                "file_id", "Senses stores no files. Send the picture as image_url, a data: address."
            )
        return values


PictureField = Annotated[PictureAddress, text_to_object("image_url")]


class ImageEditBody(ImagesBody):
    """POST /v1/images/edits, without the files of a form. `strength` is ours: see `REDRAW_STRENGTH`."""

    ignored: ClassVar[Mapping[str, IgnoredField]] = {
        **ImagesBody.ignored,
        "input_fidelity": IgnoredField("the model always sees the whole picture"),
    }

    images: list[PictureField] = Field([], max_length=MAX_PICTURES)
    mask: PictureField | None = None
    input_fidelity: Literal["low", "high"] | None = None
    strength: float = Field(REDRAW_STRENGTH, ge=0, le=1)
    markup: None = None

    @field_validator("markup", mode="before")
    @classmethod
    def refuse_markup(cls, value: object) -> None:
        """Refuse a drawing over the picture.

        Raises:
            PydanticCustomError: there is one.
        """
        raise unsupported_error("markup", "Say in the prompt what to change, or send a mask.")


@dataclass(frozen=True, slots=True)
class EditUpload:
    """The fields of a request, its pictures, and its mask if any."""

    body: ImageEditBody
    pictures: tuple[PictureSource, ...]
    mask: PictureSource | None


@dataclass(frozen=True, slots=True)
class ImageEditsEndpoint:
    """The endpoint. `store` holds pictures that were requested as URLs."""

    service: Service
    store: TemporaryImageStore
    inputs: ImageInputs

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/v1/images/edits", self.create, methods=["POST"])]

    async def create(self, request: Request) -> Response:
        """Edit the first picture, or make one of all."""
        async with open_edit(request) as upload:
            body = upload.body
            model = await self.service.resolve(editor_name(body.model), Task.IMAGE)
            async with cancel_on_disconnect(request.receive):
                pictures = [await self._decode(source) for source in upload.pictures]
                mask = None if upload.mask is None else await self._decode_mask(upload.mask)
        width, height = body.size or edited_size(pictures[0])
        image_request = GenerateImage(
            model,
            body.prompt,
            width,
            height,
            seed=first_seed(body),
            steps=body.steps,
            strength=body.strength,
            preview_every=preview_interval(body),
            references=tuple(pictures),
            mask=mask,
        )
        requests = repeat_image(image_request, body.n)
        warnings = size_warnings(body, pictures[0])
        return await ImageRun(self.service, self.store, request, body, requests, "image_edit", warnings).respond()

    async def _decode(self, source: PictureSource) -> ImageData:
        if isinstance(source, str):
            return await self.inputs.load(source, param="image")
        return await self.service.media.decode_image(source, param="image")

    async def _decode_mask(self, source: PictureSource) -> ImageData:
        file = await self.inputs.read(source, param="mask") if isinstance(source, str) else source
        return await self.service.media.decode_mask(file, param="mask")


@asynccontextmanager
async def open_edit(request: Request) -> AsyncGenerator[EditUpload]:
    """Read a form with files, or JSON with addresses; files are deleted afterwards.

    Raises:
        BodyTooLarge: the body is too large.
        InvalidInput: there is no picture, or a field is invalid.
        InsufficientStorage: a file cannot be spooled to disk.
    """
    if request.headers.get("content-type", "").startswith("application/json"):
        body = validate_fields(with_images(await read_json(request)), ImageEditBody)
        mask = body.mask.image_url if body.mask else None
        yield require_picture(body, [picture.image_url for picture in body.images], mask)
        release_upload(request.scope)
        return
    async with open_form(request, max_files=MAX_PICTURES + 1) as form:
        fields = {name: value for name, value in form.items() if name not in FILE_FIELDS and value}
        sources = {name: [*form_sources(form, name)] for name in FILE_FIELDS}
        body = validate_fields(fields, ImageEditBody)
        yield require_picture(body, sources["image"], next(iter(sources["mask"]), None))


def form_sources(form: FormData, field: str) -> Iterator[PictureSource]:
    """Yield the files and addresses of a field, which may be repeated, as `field[]` or `field[0]`, too."""
    for key, value in form.multi_items():
        if key.partition("[")[0] == field and value:
            yield value.file if isinstance(value, UploadFile) else value


def with_images(values: dict[str, Any]) -> dict[str, Any]:
    """Return the fields of a JSON body with `image`, one picture or several, as `images`."""
    if "image" not in values or values.get("images"):
        return values
    image = values["image"]
    return values | {"images": image if isinstance(image, list) else [image]}


def require_picture(body: ImageEditBody, pictures: Sequence[PictureSource], mask: PictureSource | None) -> EditUpload:
    """Return the upload.

    Raises:
        InvalidInput: it has no picture.
    """
    if not pictures:
        raise InvalidInput(
            "The picture to edit is missing. Send it as the form field `image`, several as `image[]`, or in JSON as "
            '`"images": [{"image_url": "data:image/png;base64,…"}]`.',
            param="image",
            code="missing_required_parameter",
        )
    return EditUpload(body, tuple(pictures), mask)


def editor_name(name: str) -> str:
    """Return the model to ask for: one that edits, unless a model is named. OpenAI's names and tiers name none."""
    return EDIT_TIER if tier_of(name, Task.IMAGE) else name


def edited_size(picture: ImageData) -> tuple[int, int]:
    """Return the size of the result: that of the picture, with sides that can be drawn."""
    scale = min(1.0, MAX_SIDE / max(picture.width, picture.height))
    return max(round(picture.width * scale), MIN_SIDE), max(round(picture.height * scale), MIN_SIDE)


def size_warnings(body: ImageEditBody, picture: ImageData) -> tuple[str, ...]:
    """Return a warning if the result cannot have the size of its picture."""
    if body.size or (size := edited_size(picture)) == picture.file_size:
        return ()
    sizes = ["x".join(map(str, sides)) for sides in (picture.file_size, size)]
    return (f"The picture has {sizes[0]} pixels; the result has {sizes[1]}.",)
