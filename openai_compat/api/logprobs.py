"""Log-probabilities of tokens, in OpenAI's format."""

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from model_runtime.events import TokenLogprob

MIN_LOGPROB = -9999.0
"""What OpenAI gives for a token that is as good as impossible; JSON has no infinity."""
REPLACEMENT_CHARACTER = "\ufffd"


def logprobs_json(logprobs: Sequence[TokenLogprob]) -> dict[str, Any] | None:
    """Return the log-probabilities of a choice, None if there are none."""
    content = [token_json(one) | {"top_logprobs": [token_json(top) for top in one.top]} for one in logprobs]
    return {"content": content, "refusal": None} if content else None


def logprob_items(logprobs: Sequence[TokenLogprob]) -> list[dict[str, Any]]:
    """Return the log-probabilities of a part of a response, whose type has bytes always."""
    content = (logprobs_json(logprobs) or {"content": []})["content"]
    return [_with_bytes(one) | {"top_logprobs": list(map(_with_bytes, one["top_logprobs"]))} for one in content]


def _with_bytes(token: dict[str, Any]) -> dict[str, Any]:
    return token | {"bytes": token["bytes"] or []}


def completion_logprobs(logprobs: Sequence[TokenLogprob], first_offset: int) -> dict[str, Any] | None:
    """Return the log-probabilities of a text completion; `first_offset` is where its text begins in the answer.

    As with OpenAI, the likeliest tokens include the answer's own.
    """
    if not logprobs:
        return None
    tokens = [one.token for one in logprobs]
    offsets = accumulate(map(len, tokens[:-1]), initial=first_offset)
    return {
        "tokens": tokens,
        "token_logprobs": [_finite(one) for one in logprobs],
        "top_logprobs": [{each.token: _finite(each) for each in (one, *one.top)} for one in logprobs],
        "text_offset": list(offsets),
    }


def _finite(logprob: TokenLogprob) -> float:
    return max(logprob.logprob, MIN_LOGPROB)


def token_json(logprob: TokenLogprob) -> dict[str, Any]:
    """Return one token. A part of a character has no text, and so no bytes, of its own."""
    is_whole = REPLACEMENT_CHARACTER not in logprob.token
    token_bytes = list(logprob.token.encode()) if is_whole else None
    return {"token": logprob.token, "logprob": _finite(logprob), "bytes": token_bytes}
