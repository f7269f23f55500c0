"""The small JSON bodies of the page's commands."""

from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.requests import Request

from model_runtime.formats.validation_errors import to_invalid_input
from openai_compat.http.uploads import release_upload


class CommandBody(BaseModel):
    """The fields of a command; unknown ones are refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


CommandT = TypeVar("CommandT", bound=CommandBody)


async def read_command(request: Request, schema: type[CommandT]) -> CommandT:
    """Read the JSON object of a command; no body is an empty object.

    Raises:
        InvalidInput: it is not JSON, or a field is missing, unknown or invalid.
    """
    raw = await request.body()
    release_upload(request.scope)
    try:
        return schema.model_validate_json(raw or b"{}")
    except ValidationError as error:
        raise to_invalid_input(error) from error
