"""In which order the requests that wait for a model are served. Pure decisions over plain facts."""

from collections.abc import Mapping, Sequence

from model_runtime.scheduler.model_record import Request


def in_turn(waiting: Sequence[Request], served: Mapping[str, int], now: float, ageing_seconds: float) -> list[Request]:
    """Put waiting requests in the order in which they are served.

    Somebody waits for an interactive request, so it goes before batch work, until that has waited `ageing_seconds`.
    Clients take turns: whose last turn, in `served`, is longest ago comes first. Each client's own requests of one
    kind keep the order in which they came.
    """
    rest, turns, ordered = list(waiting), dict(served), []
    while rest:
        chosen = min(
            rest, key=lambda one: (must_stand_back(one, now, ageing_seconds), turns.get(one.client, 0), one.order)
        )
        rest.remove(chosen)
        ordered.append(chosen)
        turns[chosen.client] = next_turn(turns)
    return ordered


def must_stand_back(request: Request, now: float, ageing_seconds: float) -> bool:
    """Tell whether a request is batch work that has not waited long enough to be served like any other."""
    return request.is_batch and now - request.arrived_at < ageing_seconds


def next_turn(served: Mapping[str, int]) -> int:
    """Number the turn after all that were taken."""
    return 1 + max(served.values(), default=0)
