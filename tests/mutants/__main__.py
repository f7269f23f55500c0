"""Plant random faults in the product and run the tests that start no process: exit code 1 if too few are noticed.

    python -m tests.mutants --number 100 --seed 7 [--only model_runtime/scheduler] [--at-least 85] [--list]

`--only` takes a folder, a file, or a line of one (`model_runtime/status.py:12`). Faults that change nothing are named
in `equivalents.toml`.
"""

import argparse
import os
import queue
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from rich.console import Console

from tests.mutants.covering import Covering
from tests.mutants.equivalents import load_equivalents, without_equivalents
from tests.mutants.mutation import Mutation
from tests.mutants.points import product_mutations
from tests.mutants.recording import FOLDER
from tests.mutants.report import noticed_percent, progress, survivors
from tests.mutants.selection import choose, only
from tests.mutants.tree import Tree, copy_tree
from tests.mutants.trial import Outcome, attempt

ROOT = Path(__file__).parents[2]
AT_ONCE = 2
"""Faults that are tried at the same time, each in a copy of its own."""
PATIENCE = 4
"""Longest run of a fault's tests, as a multiple of the time that all of them take without a fault."""
MEMORY_BYTES = 4 << 30
"""Most memory of one process: a loop without an end must not take the machine's."""
USER_VARIABLES = ("HF_", "SENSES_", "XDG_")

out = Console(highlight=False, markup=False, soft_wrap=True)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants")
    parser.add_argument("--number", type=int, default=100, help="how many faults (100)")
    parser.add_argument("--seed", type=int, default=1, help="which ones (1)")
    parser.add_argument("--only", default="", help="a folder, a file, or path:line")
    parser.add_argument("--at-least", type=float, default=85, help="percent that must be noticed (85)")
    parser.add_argument("--list", action="store_true", help="print every fault that could be planted, and stop")
    return parser.parse_args(arguments)


def main() -> int:
    """Run the command."""
    asked = parse()
    possible = only(without_equivalents(product_mutations(ROOT), load_equivalents()), asked.only)
    if asked.list:
        for mutation in possible:
            out.print(str(mutation))
        return 0
    chosen = choose(possible, asked.number, asked.seed)
    out.print(f"{len(chosen)} of {len(possible)} faults, seed {asked.seed}")
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        fence_off(Path(folder).resolve())
        outcomes = list(tried(chosen, Path(folder).resolve()))
    for line in survivors(outcomes):
        out.print(line)
    percent = noticed_percent(outcomes)
    out.print(f"\n{percent:.0f} % of {len(outcomes)} faults were noticed; at least {asked.at_least:g} % are wanted")
    return 0 if percent >= asked.at_least else 1


def fence_off(home: Path) -> None:
    """Let no faulty code reach the user's folders, or all memory: processes started from now on inherit this."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, resource.getrlimit(resource.RLIMIT_DATA)[1]))
    for name in [name for name in os.environ if name.startswith(USER_VARIABLES)]:
        del os.environ[name]
    os.environ |= {"HOME": str(home), FOLDER: str(home)}


def tried(mutations: Sequence[Mutation], folder: Path) -> Iterator[Outcome]:
    """Try every fault, and print a line for each as soon as it is decided."""
    first = copy_tree(ROOT, folder / "0")
    timeout_seconds = PATIENCE * seconds_without_faults(first)
    tests = [Covering(folder, first.sources).tests(mutation) for mutation in mutations]
    trees: queue.Queue[Tree] = queue.Queue()
    for tree in (first, *(copied(first, folder / str(index)) for index in range(1, AT_ONCE))):
        trees.put(tree)

    def in_a_free_tree(mutation: Mutation, tests: frozenset[str]) -> Outcome:
        tree = trees.get()
        try:
            return attempt(mutation, tree, tests, timeout_seconds)
        finally:
            trees.put(tree)

    with ThreadPoolExecutor(AT_ONCE) as pool:
        futures = [pool.submit(in_a_free_tree, *one) for one in zip(mutations, tests, strict=True)]
        for index, future in enumerate(as_completed(futures), 1):
            out.print(progress(future.result(), index, len(mutations)))
            yield future.result()


def copied(tree: Tree, folder: Path) -> Tree:
    """Copy a tree with the bytecode that its first run wrote."""
    shutil.copytree(tree.sources, folder / "sources")
    return Tree(folder)


def seconds_without_faults(tree: Tree) -> float:
    """Record all the tests without a fault and return how long it took. Exits if they fail: every fault would be noticed."""
    started = time.monotonic()
    ran = tree.record()
    if ran.code:
        sys.exit(f"{ran.output}\nThe tests fail without a fault. Make them pass first: make test-fast")
    seconds = time.monotonic() - started
    out.print(f"the tests pass without a fault in {seconds:.0f} s")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
