"""How much loading each eviction policy needs, over the best any could do, on traces like those of agents at work.

Sizes are of the built-in models; loads are taken as two seconds and 0.4 s a gigabyte. Only ratios are told.
"""

import math
import random
from collections.abc import Callable

from benchmarks.eviction_study.optimum import belady_optimum
from benchmarks.eviction_study.policies import POLICIES
from benchmarks.eviction_study.replay import Machine, replay
from benchmarks.eviction_study.trace import Trace
from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row
from model_runtime.supervisor.usage_log import ModelRequest

GB = 1_000_000_000
SIZES_GB = {
    "vlm-fast": 1.9,
    "vlm-best": 5.6,
    "image-gen": 9.6,
    "stt-fast": 1.6,
    "stt-best": 3.1,
    "tts-fast": 0.35,
    "tts-stream": 1.0,
}
TOOL_LOOPS = (
    ("image-gen", "vlm-fast"),
    ("stt-fast", "vlm-fast", "tts-fast"),
    ("vlm-best",) * 3,
    ("stt-best", "tts-stream"),
    ("vlm-fast", "vlm-fast", "image-gen", "vlm-best"),
)
"""What an agent asks for within one piece of work: draw and look, listen and answer, read a screen, write minutes."""
BUDGETS_GB = (10, 12, 14, 16, 18, 20)
REQUESTS, SEEDS = 600, (1, 2, 3)
KEEP_ALIVE_SECONDS = 300.0


def measure(context: BenchmarkContext) -> list[Row]:
    """Replay every trace under every budget and policy."""
    seeds = SEEDS[:1] if context.quick else SEEDS
    ratios: dict[str, list[float]] = {policy: [] for policy in POLICIES}
    for make_trace in (independent_requests, one_agent, three_agents, scan):
        for seed in seeds:
            trace = add_costs(make_trace(random.Random(seed)))
            for budget in BUDGETS_GB:
                machine = Machine(budget * GB, KEEP_ALIVE_SECONDS)
                best = belady_optimum(trace, machine)
                for policy, found in ratios.items():
                    found.append(replay(trace, policy, machine) / best)
    how = (
        f"4 kinds of traces × {len(seeds)} seeds × {len(BUDGETS_GB)} budgets, {REQUESTS} requests each; geometric mean"
    )
    return [
        Row(f"loading over the best possible, {policy}", mean(found), "×", None, how)
        for policy, found in ratios.items()
    ]


def mean(ratios: list[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(map(math.log, ratios)) / len(ratios))


def add_costs(requests: list[ModelRequest]) -> Trace:
    """A trace with what its models weigh."""
    bytes_of = {model: int(size * GB) for model, size in SIZES_GB.items()}
    seconds_of = {model: 2 + 0.4 * size for model, size in SIZES_GB.items()}
    return Trace(tuple(sorted(requests, key=lambda one: one.at)), seconds_of, bytes_of)


def independent_requests(rng: random.Random) -> list[ModelRequest]:
    """Requests that know nothing of each other, small models more often."""
    models = list(SIZES_GB)
    weights = [1 / size for size in SIZES_GB.values()]
    return _poisson_requests(rng, 25.0, lambda: rng.choices(models, weights)[0])


def one_agent(rng: random.Random) -> list[ModelRequest]:
    """One agent with pauses between its pieces of work."""
    return _agent_sessions(rng, REQUESTS)


def three_agents(rng: random.Random) -> list[ModelRequest]:
    """Three agents side by side."""
    return [one for _ in range(3) for one in _agent_sessions(rng, REQUESTS // 3)]


def scan(rng: random.Random) -> list[ModelRequest]:
    """A few small models all the time, the large painter now and then."""
    hot = ("vlm-fast", "stt-fast", "tts-fast", "vlm-best")
    return _poisson_requests(rng, 20.0, lambda: "image-gen" if rng.random() < 0.05 else rng.choice(hot))


def _poisson_requests(rng: random.Random, gap_seconds: float, choose: Callable[[], str]) -> list[ModelRequest]:
    now, asked = 0.0, []
    for _ in range(REQUESTS):
        now += rng.expovariate(1 / gap_seconds)
        asked.append(ModelRequest(now, choose()))
    return asked


def _agent_sessions(rng: random.Random, count: int) -> list[ModelRequest]:
    now, asked = rng.uniform(0, 60), list[ModelRequest]()
    while len(asked) < count:
        loop = rng.choice(TOOL_LOOPS)
        for _ in range(rng.randint(1, 4)):
            for model in loop:
                now += rng.expovariate(1 / 12)
                asked.append(ModelRequest(now, model))
        now += rng.expovariate(1 / 180)
    return asked[:count]
