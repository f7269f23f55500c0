"""Which model a spare process gets ready for."""

from model_runtime.supervisor.prewarmer import likely_next


def test_before_anything_was_asked_for_nothing_is_likely() -> None:
    assert likely_next([], {"eyes", "ears"}) is None


def test_the_model_used_last_is_likely_once_it_has_left() -> None:
    assert likely_next(["ears", "eyes"], {"eyes", "ears"}) == "eyes"


def test_while_the_last_one_is_there_the_model_that_follows_it_most_often_is_likely() -> None:
    asked = ["eyes", "brush", "eyes", "voice", "eyes", "brush", "eyes"]

    assert likely_next(asked, {"voice", "brush"}) == "brush"


def test_a_model_that_is_there_already_needs_nothing() -> None:
    asked = ["eyes", "brush", "eyes", "voice", "eyes", "brush", "eyes"]

    assert likely_next(asked, {"voice"}) == "voice"
    assert likely_next(asked, {"ears"}) is None
    assert likely_next(asked, set()) is None


def test_where_nothing_followed_the_newest_of_the_absent_is_likely() -> None:
    assert likely_next(["voice", "ears", "eyes"], {"voice", "ears"}) == "ears"
