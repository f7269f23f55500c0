"""Ask a client's user a question, in the way of the connection's protocol era."""

from contextlib import suppress
from typing import TypeVar

import anyio
from mcp.server.mcpserver import AcceptedElicitation, DeclinedElicitation, Elicit
from pydantic import BaseModel

from mcp_server.calls import sdk_compat
from mcp_server.calls.context import ToolContext

QUESTION_SECONDS = 300.0
"""How long a person may take to notice and to answer."""

AnswerT = TypeVar("AnswerT", bound=BaseModel)


async def ask_person(
    ctx: ToolContext, text: str, schema: type[AnswerT], declined: AnswerT
) -> Elicit[AnswerT] | AnswerT | None:
    """Return the person's answer, None if there is none in time, or what makes the SDK ask with the result of the call.

    `declined` is the answer of a person who declines to answer.
    """
    if sdk_compat.asks_with_result(ctx):
        return Elicit(text, schema)
    with anyio.move_on_after(QUESTION_SECONDS), suppress(ValueError):  # an answer that is none
        match await ctx.elicit(text, schema):
            case AcceptedElicitation(data=answer):
                return answer
            case DeclinedElicitation():
                return declined
            case _:
                return None
    return None
