"""Which model a spare worker is prepared for."""

from model_runtime.supervisor.prewarmer import likely_next


def test_without_requests_there_is_no_guess() -> None:
    assert likely_next([], {"eyes", "ears"}) is None


def test_the_model_used_last_is_likely_once_it_is_unloaded() -> None:
    assert likely_next(["ears", "eyes"], {"eyes", "ears"}) == "eyes"


def test_while_the_last_model_is_loaded_the_one_that_followed_it_most_often_is_likely() -> None:
    requested = ["eyes", "brush", "eyes", "voice", "eyes", "brush", "eyes"]

    assert likely_next(requested, {"voice", "brush"}) == "brush"


def test_a_loaded_model_is_never_the_guess() -> None:
    requested = ["eyes", "brush", "eyes", "voice", "eyes", "brush", "eyes"]

    assert likely_next(requested, {"voice"}) == "voice"
    assert likely_next(requested, {"ears"}) is None
    assert likely_next(requested, set()) is None


def test_if_no_model_followed_the_newest_absent_one_is_likely() -> None:
    assert likely_next(["voice", "ears", "eyes"], {"voice", "ears"}) == "ears"
