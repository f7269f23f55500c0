"""Log-probabilities of tokens, in OpenAI's format."""

from collections.abc import Sequence
from typing import Any

from model_runtime.events import TokenLogprob

MIN_LOGPROB = -9999.0
"""What OpenAI gives for a token that is as good as impossible; JSON has no infinity."""
REPLACEMENT_CHARACTER = "\ufffd"


def logprobs_json(logprobs: Sequence[TokenLogprob]) -> dict[str, Any] | None:
    """Return the log-probabilities of a choice, None if there are none."""
    content = [token_json(one) | {"top_logprobs": [token_json(top) for top in one.top]} for one in logprobs]
    return {"content": content, "refusal": None} if content else None


def token_json(logprob: TokenLogprob) -> dict[str, Any]:
    """Return one token. A part of a character has no text, and so no bytes, of its own."""
    is_whole = REPLACEMENT_CHARACTER not in logprob.token
    token_bytes = list(logprob.token.encode()) if is_whole else None
    return {"token": logprob.token, "logprob": max(logprob.logprob, MIN_LOGPROB), "bytes": token_bytes}
