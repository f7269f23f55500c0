"""Which faults a run plants."""

from collections import Counter
from pathlib import Path

from tests.mutants.equivalents import Equivalent, load_equivalents, without_equivalents
from tests.mutants.points import mutations_of, product_mutations
from tests.mutants.selection import choose, only

ROOT = Path(__file__).parents[2]
MUTATIONS = [
    *mutations_of("pack/long.py", b"def f():\n" + b"    g()\n" * 75),
    *mutations_of("pack/short.py", b"x = 1\n" * 25),
]


def test_the_seed_decides_which_faults_are_chosen() -> None:
    assert choose(MUTATIONS, 10, seed=7) == choose(MUTATIONS, 10, seed=7)
    assert choose(MUTATIONS, 10, seed=7) != choose(MUTATIONS, 10, seed=8)


def test_files_get_faults_in_proportion_to_what_they_can_have() -> None:
    chosen = choose(MUTATIONS, 20, seed=7)

    assert len(set(chosen)) == 20
    assert Counter(mutation.path for mutation in chosen) == {"pack/long.py": 15, "pack/short.py": 5}


def test_more_than_there_are_means_all() -> None:
    assert choose(MUTATIONS, 1000, seed=7) == MUTATIONS


def test_a_folder_a_file_or_a_line_may_be_asked_for() -> None:
    assert only(MUTATIONS, "pack/") == MUTATIONS
    assert {mutation.path for mutation in only(MUTATIONS, "pack/long.py")} == {"pack/long.py"}
    assert [mutation.line for mutation in only(MUTATIONS, "pack/short.py:3")] == [3]
    assert only(MUTATIONS, "pac") == []


def test_known_equivalents_are_not_planted() -> None:
    mutations = mutations_of("x.py", b"def f(a, b):\n    if a < b:\n        return b\n    return a\n")
    first = mutations[0]
    known = Equivalent(first.path, first.where, first.before, first.after, "Both return the larger one.")

    assert without_equivalents(mutations, [known]) == mutations[1:]


def test_every_known_equivalent_names_a_fault_and_says_why() -> None:
    possible = {(one.path, one.where, one.before, one.after) for one in product_mutations(ROOT)}

    for known in load_equivalents():
        assert (known.path, known.where, known.before, known.after) in possible, known
        assert known.why.endswith("."), known
