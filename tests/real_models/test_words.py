"""How answers of real models are compared, and where their numbers go."""

import json
from pathlib import Path

import pytest

from tests.real_models.results import BEGIN_MARKER, END_MARKER, Results
from tests.real_models.test_whisper import lost_sentences
from tests.real_models.words import error_rate, same_words, word_errors, words_of


@pytest.mark.parametrize(
    ("one", "other", "language"),
    [
        ("Press 21, please.", "press twenty one please", "en"),
        ("Marque 2.", "marque dos", "es"),
        ("Veuillez patienter, été", "veuillez patienter ete", "fr"),
        ("Mister Dashwood's voicemail", "Mr. Dashwood's voice mail", "en"),
        ("Ещё", "еще", "ru"),
    ],
)
def test_case_accents_punctuation_and_the_writing_of_numbers_do_not_count(one: str, other: str, language: str) -> None:
    assert words_of(one, language) == words_of(other, language)


def test_replaced_added_and_dropped_words_are_counted() -> None:
    said = ["a", "b", "c", "d"]

    assert word_errors(said, said) == 0
    assert word_errors(said, ["a", "x", "c"]) == 2
    assert word_errors([], ["a"]) == 1
    assert error_rate([(said, ["a"]), (said, said)]) == 3 / 8


def test_words_are_found_again_after_others_were_lost() -> None:
    assert same_words(["a", "b", "c"], ["b", "x", "c"]) == [(1, 0), (2, 2)]
    assert lost_sentences([["a", "b"], ["c", "d"], ["e"]], ["a", "b", "e"]) == ["c d"]


def test_numbers_are_kept_as_data_and_as_a_table(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"before\n{BEGIN_MARKER}\nold\n{END_MARKER}\nafter\n", encoding="utf-8")
    for model, share in (("a-model", "97 %"), ("another", "98 %"), ("a-model", "99 %")):
        found = Results()
        found.add(model, "three clips", "a library", share, "≥ 98 %")
        found.write(tmp_path)

    page = (tmp_path / "README.md").read_text(encoding="utf-8")
    rows = json.loads((tmp_path / "real.json").read_text(encoding="utf-8"))["rows"]
    assert [row["found"] for row in rows] == ["99 %", "98 %"]
    assert "| a-model | three clips | a library | 99 % | ≥ 98 % |" in page
    assert "| another | three clips | a library | 98 % | ≥ 98 % |" in page
    assert page.startswith("before\n")
    assert page.endswith("after\n")
    assert "old" not in page


def test_a_part_that_is_asked_anew_replaces_its_own_numbers_only(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text(f"{BEGIN_MARKER}{END_MARKER}", encoding="utf-8")
    for run in ("8 clips: same words", "memory", "140 clips: same words"):
        found = Results()
        found.add("a-model", run, "", "", "")
        found.write(tmp_path)

    rows = json.loads((tmp_path / "real.json").read_text(encoding="utf-8"))["rows"]
    assert [row["run"] for row in rows] == ["140 clips: same words", "memory"]
