"""The order in which the queued requests of a model are served. Pure functions of plain data."""

from collections.abc import Mapping, Sequence

from model_runtime.scheduler.model_record import QueuedRequest


def fair_order(
    queue: Sequence[QueuedRequest], last_served_round: Mapping[str, int], now: float, ageing_seconds: float
) -> list[QueuedRequest]:
    """Return the queued requests in the order in which they are served.

    Interactive requests go before batch requests, until a batch request has waited `ageing_seconds`. Clients take
    turns (round robin): the client served longest ago, by `last_served_round`, comes first. The requests of one client
    and kind keep their order of arrival.
    """
    remaining, rounds, ordered = list(queue), dict(last_served_round), []

    def service_order(request: QueuedRequest) -> tuple[bool, int, int]:
        is_yielding = yields_to_interactive(request, now, ageing_seconds)
        return is_yielding, rounds.get(request.client, 0), request.arrival_number

    while remaining:
        chosen = min(remaining, key=service_order)
        remaining.remove(chosen)
        ordered.append(chosen)
        rounds[chosen.client] = next_round(rounds)
    return ordered


def yields_to_interactive(request: QueuedRequest, now: float, ageing_seconds: float) -> bool:
    """Return whether this is a batch request that has waited less than `ageing_seconds`."""
    return request.is_batch and now - request.arrived_at < ageing_seconds


def next_round(last_served_round: Mapping[str, int]) -> int:
    """Return the number of the next round."""
    return 1 + max(last_served_round.values(), default=0)
