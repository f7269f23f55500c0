"""The order in which the queued requests of a model are served. Pure functions of plain data."""

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from heapq import heapify, heappop, heappush
from itertools import count

from model_runtime.scheduler.model_record import QueuedRequest


def fair_order(
    queue: Sequence[QueuedRequest], last_served_round: Mapping[str, int], now: float, ageing_seconds: float
) -> list[QueuedRequest]:
    """Return the queued requests in the order in which they are served.

    Interactive requests go before batch requests, until a batch request has waited `ageing_seconds`. Clients take
    turns (round robin): the client served longest ago, by `last_served_round`, comes first. The requests of one client
    and kind keep their order of arrival.
    """
    rounds = dict(last_served_round)
    first: list[QueuedRequest] = []
    second: list[QueuedRequest] = []
    for request in sorted(queue, key=lambda request: request.arrival_number):
        (second if yields_to_interactive(request, now, ageing_seconds) else first).append(request)
    return [*_take_turns(first, rounds), *_take_turns(second, rounds)]


def _take_turns(requests: Sequence[QueuedRequest], rounds: dict[str, int]) -> Iterator[QueuedRequest]:
    """Yield requests, given in order of arrival, so that clients take turns; update the clients' last `rounds`."""
    waiting: dict[str, deque[QueuedRequest]] = {}
    for request in requests:
        waiting.setdefault(request.client, deque()).append(request)
    turns = [(rounds.get(client, 0), first[0].arrival_number, client) for client, first in waiting.items()]
    heapify(turns)
    for round_ in count(next_round(rounds)):
        if not turns:
            return
        _, _, client = heappop(turns)
        yield waiting[client].popleft()
        rounds[client] = round_
        if waiting[client]:
            heappush(turns, (round_, waiting[client][0].arrival_number, client))


def yields_to_interactive(request: QueuedRequest, now: float, ageing_seconds: float) -> bool:
    """Return whether this is a batch request that has waited less than `ageing_seconds`."""
    return request.is_batch and now - request.arrived_at < ageing_seconds


def next_round(last_served_round: Mapping[str, int]) -> int:
    """Return the number of the next round."""
    return 1 + max(last_served_round.values(), default=0)
