"""Which faults a piece of code can have."""

import ast
from pathlib import Path

import pytest

from tests.mutants.points import mutations_of, product_files, product_mutations
from tests.mutants.selection import choose

ROOT = Path(__file__).parents[2]


def faults(source: str) -> list[str]:
    """Return what the changed line becomes, for each fault."""
    return [mutation.after for mutation in mutations_of("x.py", source.encode())]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("a < b", ["a <= b"]),
        ("a >= b", ["a > b"]),
        ("(a) == (b)", ["(a) != (b)"]),
        ("a not in b", ["a in b"]),
        ("a is not b", ["a is b"]),
        ("a <= b < c", ["a < b < c", "a <= b <= c"]),
        ("a and b or c", ["a or b or c", "a and b and c"]),
        ("a or b or c", ["a and b or c", "a or b and c"]),
        ("x = not (a)", ["x = (a)"]),
        ("x = a if b else c", ["x = a if not (b) else c"]),
        ("x = [a for a in b if a]", ["x = [a for a in b if not (a)]"]),
        ("if a: b", ["if not (a): b"]),
        ("while a.b: c", ["while not (a.b): c"]),
        ("if a == b: c", ["if a != b: c"]),
        ("if not a: b", ["if a: b"]),
        ("x = 0", ["x = 1"]),
        ("x = 2.5", ["x = 3.5"]),
        ("x = True", ["x = False"]),
        ("x['key']", ['x["key-mutant"]']),
        ("f(a)", ["pass"]),
        ("async def g():\n    await f()", ["pass"]),
    ],
)
def test_each_kind_of_fault_is_planted(source: str, expected: list[str]) -> None:
    assert faults(source) == expected


@pytest.mark.parametrize(
    "source",
    [
        '"""A docstring."""',
        "def f(a: 'Literal[1]') -> 'x':\n    'key'",
        "x: Literal['a', 1]",
        "Kind = Literal['a', 'b']",
        "logger.info('loaded', 3)",
        "log = logging.getLogger('senses')",
        "raise Error('A sentence.')",
        "x = 'Title'",
        "x = f'{a + 1} of {b}'",
        "__all__ = ['f']",
        "if TYPE_CHECKING:\n    x = 1",
        "if __name__ == '__main__':\n    main()",
        "@dataclass(frozen=True)\nclass X: ...",
        "x = zip(a, b, strict=True)",
        "assert_never(x)",
    ],
)
def test_what_no_test_of_behaviour_can_notice_is_left_alone(source: str) -> None:
    assert faults(source) == []


def test_a_fault_is_named_by_its_function_and_its_lines() -> None:
    source = "class A:\n    def f(self):\n        return g(\n            1,\n        )\n\n    async def h(self):\n        stop()\n"

    first, second = mutations_of("x.py", source.encode())

    assert str(first) == "x.py:4 A.f: 1,  →  2,"
    assert str(second) == "x.py:8 A.h: stop()  →  pass"


def test_a_statement_of_several_lines_is_replaced_as_one() -> None:
    source = b"if a:\n    f(\n        b,\n    )\nc = \xc3\xa9\n"

    dropped = mutations_of("x.py", source)[1]

    assert dropped.plant(source) == b"if a:\n    pass\nc = \xc3\xa9\n"
    assert dropped.before == "f( b, )"


def test_faults_are_planted_in_the_product_and_not_in_what_workers_run() -> None:
    files = {file.relative_to(ROOT).parts[:2] for file in product_files(ROOT)}

    assert {("model_runtime", "scheduler"), ("mcp_server", "tools"), ("openai_compat", "http")} <= files
    assert files.isdisjoint({("model_runtime", "engines"), ("model_runtime", "worker")})


def test_every_faulty_file_is_still_python_and_means_something_else() -> None:
    for mutation in choose(product_mutations(ROOT), 40, seed=1):
        source = (ROOT / mutation.path).read_bytes()

        assert ast.dump(ast.parse(mutation.plant(source))) != ast.dump(ast.parse(source)), mutation
