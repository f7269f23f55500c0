"""`pytest --complete`: the tests of real models ask for all clips, sentences and prompts, and keep their numbers."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option `--complete`."""
    parser.addoption("--complete", action="store_true", help="ask everything of the real models; see `make real`")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what only `make real` runs."""
    if not config.getoption("complete"):
        config.hook.pytest_deselected(items=[item for item in items if item.get_closest_marker("complete")])
        items[:] = [item for item in items if not item.get_closest_marker("complete")]
