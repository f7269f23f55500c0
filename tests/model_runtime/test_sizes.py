import pytest

from model_runtime.sizes import format_bytes


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [(0, "0 MB"), (9_900_000, "10 MB"), (331_000_000, "0.3 GB"), (9_620_000_000, "9.6 GB")],
)
def test_sizes_are_written_for_people(size_bytes: int, text: str) -> None:
    assert format_bytes(size_bytes) == text
