"""GET /api/history: the last hour or day, per model and in total, and the last requests and evictions."""

import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any, get_args

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from model_runtime.errors import InvalidInput
from model_runtime.history.buckets import Bucket, Row
from model_runtime.history.history import HistoryView, Range
from model_runtime.history.summary import by_client, by_model, summarize
from model_runtime.service import Service
from openai_compat.dashboard.activity import activity_json, change_json
from openai_compat.http.sse import encode_json


@dataclass(frozen=True, slots=True)
class HistoryEndpoint:
    """The endpoint. `wall_clock` returns seconds since the epoch."""

    service: Service
    wall_clock: Callable[[], float] = time.time

    def routes(self) -> list[Route]:
        """Return the route."""
        return [Route("/api/history", self.get_history, methods=["GET"])]

    async def get_history(self, request: Request) -> Response:
        """Return the history of a range, "hour" unless the query says `range=day`.

        Raises:
            InvalidInput: the range is another one.
        """
        name = request.query_params.get("range", "hour")
        if name not in get_args(Range):
            raise InvalidInput(f"The range {name!r} is not kept; hour and day are.", param="range")
        view = self.service.history.history.view("day" if name == "day" else "hour", self.wall_clock())
        text = await to_thread.run_sync(lambda: encode_json(history_json(view)))  # a busy day takes 100 ms
        return Response(text, media_type="application/json", headers={"cache-control": "no-store"})


def history_json(view: HistoryView) -> dict[str, Any]:
    """Return what happened in a range. Buckets in which nothing happened are left out."""
    rows = [keyed for _, bucket in view.buckets for keyed in bucket.rows.items()]
    return {
        "range": view.range,
        "now": view.now,
        "bucket_seconds": view.bucket_seconds,
        "total": asdict(summarize(row for _, row in rows)),
        "buckets": [{"start": start} | _bucket_json(bucket) for start, bucket in view.buckets],
        "models": {model: asdict(summarize(group)) for model, group in by_model(rows).items()},
        "clients": {client: asdict(summarize(group)) for client, group in by_client(rows).items()},
        "changes": list(map(change_json, view.changes_in_range)),
        "activity": activity_json(view.requests, view.changes),
    }


def _bucket_json(bucket: Bucket) -> dict[str, Any]:
    return {
        "running": bucket.running,
        "waiting": bucket.waiting,
        "memory_bytes": bucket.memory_bytes,
        "total": _short_json(bucket.rows.values()),
        "models": {model: _short_json(rows) for model, rows in by_model(bucket.rows.items()).items()},
    }


def _short_json(rows: Iterable[Row]) -> dict[str, Any]:
    """Return a summary without what is zero or unknown: there may be hundreds of them."""
    return {name: value for name, value in asdict(summarize(rows)).items() if value}
