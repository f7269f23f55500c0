"""/v1/responses/{id}: responses that are kept in memory, what they were asked with, and their end."""

from dataclasses import dataclass
from typing import Any, Literal

from anyio import to_thread
from pydantic import Field
from pydantic_core import from_json, to_json
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from model_runtime.errors import InvalidInput
from openai_compat.api.bodies import validate_fields
from openai_compat.api.response_history import ResponseHistory
from openai_compat.api.schemas import WireModel

DEFAULT_PAGE_ITEMS = 20
MAX_PAGE_ITEMS = 100


class InputItemsQuery(WireModel):
    """Which items of an input are listed. `after` is the id of the last item of the page before."""

    limit: int = Field(DEFAULT_PAGE_ITEMS, ge=1, le=MAX_PAGE_ITEMS)
    order: Literal["asc", "desc"] = "desc"
    after: str = ""


@dataclass(frozen=True, slots=True)
class StoredResponsesEndpoint:
    """The endpoints."""

    history: ResponseHistory

    def routes(self) -> list[Route]:
        """Return the routes."""
        return [
            Route("/v1/responses/{id}", self.retrieve, methods=["GET"]),
            Route("/v1/responses/{id}", self.delete, methods=["DELETE"]),
            Route("/v1/responses/{id}/input_items", self.list_input_items, methods=["GET"]),
            Route("/v1/responses/{id}/cancel", self.cancel, methods=["POST"]),
        ]

    async def retrieve(self, request: Request) -> Response:
        """Return a response as it was answered.

        Raises:
            UnknownResponse: it is not kept.
            InvalidInput: its events are asked for.
        """
        stored = self.history.require(request.path_params["id"])
        for name in ("stream", "starting_after"):
            if request.query_params.get(name, "false").lower() != "false":
                raise InvalidInput(
                    f"{name} is not supported: the events of a response are not kept. Leave it out.",
                    param=name,
                    code="unsupported_value",
                )
        return Response(stored.response, media_type="application/json")

    async def delete(self, request: Request) -> Response:
        """Forget a response.

        Raises:
            UnknownResponse: it is not kept.
        """
        response_id = request.path_params["id"]
        self.history.require(response_id)
        self.history.store.delete(response_id)
        return JSONResponse({"id": response_id, "object": "response", "deleted": True})

    async def cancel(self, request: Request) -> Response:
        """Refuse to end a response, as OpenAI does unless it runs in the background, which none does here.

        Raises:
            UnknownResponse: it is not kept.
            InvalidInput: always, otherwise.
        """
        self.history.require(request.path_params["id"])
        raise InvalidInput(
            "Cannot cancel a synchronous response. Close the connection that waits for it: that ends its work.",
            code="unsupported_value",
        )

    async def list_input_items(self, request: Request) -> Response:
        """List what a response was asked with, the items of earlier responses included.

        Raises:
            UnknownResponse: it is not kept.
            InvalidInput: a parameter is invalid.
        """
        query = validate_fields(dict(request.query_params), InputItemsQuery)
        stored = self.history.require(request.path_params["id"])
        # in a thread, because items hold pictures
        page = await to_thread.run_sync(lambda: to_json(page_of(from_json(stored.input_items), query)))
        return Response(page, media_type="application/json")


def page_of(items: list[dict[str, Any]], query: InputItemsQuery) -> dict[str, Any]:
    """Return one page of the items, which are in the order of the conversation.

    Raises:
        InvalidInput: `after` names no item.
    """
    ordered = items if query.order == "asc" else items[::-1]
    ids = [item["id"] for item in ordered]
    if query.after and query.after not in ids:
        raise InvalidInput(f"after names no item of this response: {query.after[:80]!r}.", param="after")
    start = ids.index(query.after) + 1 if query.after else 0
    page = ordered[start : start + query.limit]
    return {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else "",
        "last_id": page[-1]["id"] if page else "",
        "has_more": start + query.limit < len(ordered),
    }
