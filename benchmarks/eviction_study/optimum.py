"""How little loading a trace could have cost: Bélády's optimum, for models of any size."""

from collections.abc import Iterator

from benchmarks.eviction_study.replay import Machine, fitting
from benchmarks.eviction_study.trace import Trace

MAX_MODELS = 14
"""The optimum looks at every set of models: 16 384 sets."""


def belady_optimum(trace: Trace, machine: Machine) -> float:
    """Return the fewest seconds of loading any choice of evictions could have spent on a trace.

    Exact dynamic programming over the sets of models in memory. Keeping a model is free until its memory is needed, so
    only the largest sets that fit are followed. A model leaves by its timer as it does in the scheduler.

    Raises:
        ValueError: the trace has more than `MAX_MODELS` models.
    """
    models = sorted({one.model for one in fitting(trace, machine)})
    if len(models) > MAX_MODELS:
        raise ValueError(f"The optimum is computed for at most {MAX_MODELS} models; the trace has {len(models)}.")
    sets = _Sets([trace.held_bytes[model] for model in models], machine.budget_bytes)
    used_at = dict.fromkeys(models, float("-inf"))
    costs = {0: 0.0}
    for one in fitting(trace, machine):
        here = 1 << models.index(one.model)
        alive = sum(1 << number for number, model in enumerate(models) if _lives(used_at[model], one.at, machine))
        after: dict[int, float] = {}
        for held, cost in costs.items():
            left = held & alive
            loading = 0.0 if left & here else trace.load_seconds[one.model]
            for kept in [left] if left & here else sets.beside(left, here):
                after[kept] = min(after.get(kept, float("inf")), cost + loading)
        costs = after
        used_at[one.model] = one.at
    return min(costs.values())


def _lives(used_at: float, now: float, machine: Machine) -> bool:
    return machine.keep_alive_seconds < 0 or now - used_at < machine.keep_alive_seconds


class _Sets:
    """Sets of models as bits, and which of them fit beside another model."""

    def __init__(self, sizes: list[int], budget_bytes: int) -> None:
        self._sizes = sizes
        self._budget_bytes = budget_bytes
        self._known: dict[tuple[int, int], list[int]] = {}

    def beside(self, held: int, model: int) -> list[int]:
        """Return the largest sets, `model` among them, that keep only what was held and fit the budget."""
        if (held, model) not in self._known:
            fitting = [kept | model for kept in _subsets(held) if self._size(kept | model) <= self._budget_bytes]
            self._known[held, model] = [
                one for one in fitting if not any(one != two and one & two == one for two in fitting)
            ]
        return self._known[held, model]

    def _size(self, held: int) -> int:
        return sum(size for number, size in enumerate(self._sizes) if held >> number & 1)


def _subsets(held: int) -> Iterator[int]:
    """Every subset of a set of bits, the set itself first."""
    kept = held
    while True:
        yield kept
        if not kept:
            return
        kept = (kept - 1) & held
