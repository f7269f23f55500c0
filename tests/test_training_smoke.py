"""All that the product's run takes of `training/`: its imports resolve, its scores are those of the weights we ship.

`make test-training` runs the rest, with PyTorch.
"""

import ast
import json
import random
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from symtable import symtable

import pytest

from senses_training import loop, paths
from senses_training.painter import prompts
from starter_world import grammar, scenes
from starter_world.judge import judge

ROOT = Path(__file__).parent.parent
PRODUCT = ("mcp_server", "model_runtime")
MODULES = sorted((ROOT / "training" / "src").rglob("*.py"))


def imports(module: Path) -> Iterator[tuple[str, str]]:
    """Where a module imports from, and which name; an `import` alone takes no name."""
    for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module:
            yield from ((node.module, alias.name) for alias in node.names)
        if isinstance(node, ast.Import):
            yield from ((alias.name, "") for alias in node.names)


def defines(package: str, name: str) -> bool:
    """Tell whether a module of the product has a name, without importing MLX to find out."""
    path = ROOT.joinpath(*package.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    if not file.exists() or path.joinpath(f"{name}.py").exists():
        return file.exists()
    table = symtable(file.read_text(encoding="utf-8"), str(file), "exec")
    return name in table.get_identifiers() and (table.lookup(name).is_assigned() or table.lookup(name).is_imported())


def test_what_the_recipes_take_from_the_product_is_there() -> None:
    taken = {item for module in MODULES for item in imports(module) if item[0].startswith(PRODUCT) and item[1]}

    assert len(taken) > 20
    assert sorted(item for item in taken if not defines(*item)) == []


def test_the_recipes_take_nothing_from_the_tests() -> None:
    taken = {package.split(".")[0] for module in MODULES for package, _ in imports(module)}

    assert taken.isdisjoint({"tests", "benchmarks", "packaging"})


def test_what_the_starters_know_takes_no_recipe_no_product_and_no_pytorch() -> None:
    modules = [module for module in MODULES if module.parent.name == "starter_world"]

    taken = {package.split(".")[0] for module in modules for package, _ in imports(module)}
    assert len(modules) > 4
    assert taken - sys.stdlib_module_names == {"starter_world", "numpy", "PIL", "scipy"}


def test_what_a_prompt_asks_for_is_drawn_and_judged_right() -> None:
    rng = random.Random(1)  # noqa: S311 - no secret

    for scene in islice(scenes.scenes(rng, held_out=True), 20):
        read = grammar.parse(prompts.prompt(rng, scene))
        assert read is None or grammar.means(read, scene)
        assert judge(scene, scenes.picture(scene, rng)).right


@pytest.mark.promise("starters:loop")
def test_the_score_is_that_of_the_weights_that_are_served() -> None:
    report = json.loads(loop.RESULTS.read_text(encoding="utf-8"))

    served = {name: loop.fingerprint(paths.WEIGHTS / name) for name in report["weights_sha256"]}
    assert served == report["weights_sha256"], "Other weights than were scored: run senses_training.loop"
    assert [trip["said"] for trip in report["trips"]] == [str(scene) for scene in loop.scenes(loop.SEED)]
    assert sum(not trip["lost_by"] for trip in report["trips"]) == report["same"] >= 51
