"""Which error stands for a group."""

import pytest

from model_runtime.errors import JobFailed, expected_error


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
