"""Send random requests to the application and to the socket for MCP.

    python -m tests.fuzz.requests [--number 100000] [--seed 1]

Ends with 1, the smallest input that it found, and what it was answered, if an input is answered with 500, not at all,
or with the content of a file, or a line of MCP with another answer than JSON-RPC demands.
"""

import argparse
import logging
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import hypothesis
from anyio.from_thread import start_blocking_portal
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from tests.fuzz.request_inputs import EventsInput, HttpInput, Inputs
from tests.fuzz.request_target import Found, RequestTarget, open_target

DEFAULT_NUMBER = 100_000
FuzzInput = HttpInput | EventsInput | bytes
Shares = Mapping[st.SearchStrategy[Any], int]
"""Strategy → its percentage of all inputs."""


def main() -> None:
    """Send inputs until one is found or the number is reached."""
    run_main("requests", __doc__ or "", DEFAULT_NUMBER, random_inputs)


def random_inputs(folder: str) -> Shares:
    """Return inputs that no description limits, with their shares; some name a file in `folder`."""
    return Inputs(f"{folder}/secret.txt").by_share()


def run_main(module: str, description: str, default_number: int, make_inputs: Callable[[str], Shares]) -> None:
    """Send inputs as the arguments say, and exit with what was found."""
    parser = argparse.ArgumentParser(prog=f"python -m tests.fuzz.{module}", description=description)
    parser.add_argument("--number", type=int, default=default_number, help="how many inputs")
    parser.add_argument("--seed", type=int, default=1, help="another seed sends other inputs")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    started = time.perf_counter()
    try:
        statuses = send_inputs(options.number, options.seed, make_inputs)
    except Found as found:
        sys.exit(f"Found with seed {options.seed}: {found}\n" + "\n".join(getattr(found, "__notes__", ())))
    counts = ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))
    seconds = time.perf_counter() - started
    sys.stdout.write(f"{sum(statuses.values())} inputs in {seconds:.0f} s: {counts}\n")


def send_inputs(number: int, seed: int, make_inputs: Callable[[str], Shares] = random_inputs) -> Counter[str]:
    """Send so many inputs and return how many had which status; lines of MCP are counted as "MCP".

    Raises:
        Found: an input was answered with 500, not at all, or with the content of a file.
    """
    statuses: Counter[str] = Counter()
    found: Found | None = None
    with (
        tempfile.TemporaryDirectory(prefix="senses-fuzz-") as folder,
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(open_target(Path(folder))) as target,
    ):
        try:
            for strategy, percent in make_inputs(folder).items():
                run(strategy, partial(portal.call, _send, target, statuses), number * percent // 100, seed)
        except Found as error:  # raised again outside, where no task group wraps it
            found = error
    if found:
        raise found
    return statuses


async def _send(target: RequestTarget, statuses: Counter[str], value: FuzzInput) -> None:
    if isinstance(value, EventsInput):
        await target.send_events(value)
        statuses["realtime"] += 1
    elif isinstance(value, bytes):
        await target.send_line(value)
        statuses["MCP"] += 1
    else:
        statuses[str(await target.send(value))] += 1


def run(
    strategy: st.SearchStrategy[FuzzInput],
    send: Callable[[FuzzInput], None],
    number: int,
    seed: int,
) -> None:
    """Draw `number` inputs and send each; a failure is repeated with smaller inputs, and the smallest is raised."""

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=number,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(value=strategy)
    def send_each(value: FuzzInput) -> None:
        send(value)

    send_each()


if __name__ == "__main__":
    main()
