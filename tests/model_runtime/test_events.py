"""What is added to a result, and which error stands for a group."""

import pytest

from model_runtime.errors import JobFailed, expected_error
from model_runtime.events import ChatResult, Finished, Timings, with_warnings

FINISHED = Finished("m", ChatResult("text", "stop", 1, 1, warnings=("own",)), Timings(0, 0, 0))


def test_warnings_of_the_request_come_before_those_of_the_result() -> None:
    assert with_warnings(FINISHED, ("first", "second")).result.warnings == ("first", "second", "own")


def test_without_warnings_the_result_is_the_same() -> None:
    assert with_warnings(FINISHED, ()) is FINISHED


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ([ValueError("a bug")], None),
        ([ValueError("a bug"), JobFailed("It failed.")], "It failed."),
        ([ExceptionGroup("", [ValueError("a bug")]), ExceptionGroup("", [JobFailed("Deep.")])], "Deep."),
        ([JobFailed("First."), JobFailed("Second.")], "First."),
    ],
)
def test_the_first_expected_error_stands_for_a_group(errors: list[Exception], message: str | None) -> None:
    found = expected_error(ExceptionGroup("", errors))

    assert (found.message if found else None) == message
