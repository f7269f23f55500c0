"""In which order the requests that wait for a model are served. Pure decisions over plain facts."""

from collections.abc import Mapping, Sequence

from model_runtime.scheduler.model_record import QueuedRequest


def fair_order(
    waiting: Sequence[QueuedRequest], last_served_round: Mapping[str, int], now: float, ageing_seconds: float
) -> list[QueuedRequest]:
    """Return the waiting requests in the order in which they are served.

    Interactive requests go before batch requests, until a batch request has waited `ageing_seconds`. Clients take
    turns (round robin): the client that was served longest ago, by `last_served_round`, comes first. The requests of
    one client and kind keep their order of arrival.
    """
    remaining, rounds, ordered = list(waiting), dict(last_served_round), []

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
    """Tell whether a request is batch work that has not waited long enough to be served like any other."""
    return request.is_batch and now - request.arrived_at < ageing_seconds


def next_round(last_served_round: Mapping[str, int]) -> int:
    """Number the turn after all that were taken."""
    return 1 + max(last_served_round.values(), default=0)
