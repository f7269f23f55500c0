"""One answer alone is computed as outside of batches; as soon as there are two, padding is masked."""

from typing import Any

import mlx.core as mx
import pytest

from model_runtime.engines.row_caches import BatchRows, NewRow

pytestmark = pytest.mark.engines


def read(rows: BatchRows, tokens: int) -> None:
    """Take in so many tokens of every row."""
    keys = mx.ones((rows.offset.shape[0], 1, tokens, 4))
    rows.update_and_fetch(keys, keys)


def test_a_row_alone_needs_no_mask() -> None:
    rows = NewRow.merge([NewRow()])
    read(rows, 3)

    assert rows.make_mask(1) is None
    assert rows.make_mask(2) == "causal"


@pytest.mark.parametrize("limits", [{"return_array": True}, {"window_size": 2}])
def test_a_model_that_wants_numbers_or_looks_back_a_window_gets_its_mask(limits: dict[str, Any]) -> None:
    rows = NewRow.merge([NewRow()])
    read(rows, 3)

    assert isinstance(rows.make_mask(1, **limits), mx.array)


def test_padding_is_masked_while_rows_of_different_lengths_are_together() -> None:
    rows, shorter = NewRow.merge([NewRow()]), NewRow.merge([NewRow()])
    read(rows, 3)
    read(shorter, 2)

    rows.extend(shorter)
    together = rows.make_mask(1)
    rows.filter([1])

    assert isinstance(together, mx.array)
    assert together.reshape(2, 4).tolist() == [[True] * 4, [False, True, True, True]]
    assert rows.make_mask(1) is None
    assert rows.keys[..., : rows.size(), :].shape == (1, 1, 2, 4)
