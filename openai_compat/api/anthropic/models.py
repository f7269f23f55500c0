"""Models in the shape of Anthropic's list.

Format: https://docs.anthropic.com/en/api/models-list
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from model_runtime.status import ModelStatus

MAX_PAGE = 1000


def model_info(name: str, model: ModelStatus | None, created_at: int) -> dict[str, Any]:
    """Return a model under this name; `created_at` is in seconds since the epoch. Its lengths are null while unknown."""
    context_tokens = (model.context_tokens if model else 0) or None
    return {
        "type": "model",
        "id": name,
        "display_name": model.description if model else name,
        "created_at": datetime.fromtimestamp(created_at, UTC).isoformat().replace("+00:00", "Z"),
        "lifecycle": "active",
        "max_input_tokens": context_tokens,
        "max_tokens": context_tokens,
    }


def model_page(models: Sequence[dict[str, Any]], query: Mapping[str, str]) -> dict[str, Any]:
    """Return a page of a list: up to `limit` models after `after_id` or before `before_id`, all by default."""
    ids = [model["id"] for model in models]
    after, before = query.get("after_id", ""), query.get("before_id", "")
    start = ids.index(after) + 1 if after in ids else 0
    end = ids.index(before) if before in ids else len(ids)
    limit = min(max(int(query["limit"]), 1), MAX_PAGE) if query.get("limit", "").isdecimal() else MAX_PAGE
    page = models[max(end - limit, start) : end] if before in ids else models[start : min(start + limit, end)]
    is_more = len(page) < end - start
    return {
        "data": [*page],
        "has_more": is_more,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }
