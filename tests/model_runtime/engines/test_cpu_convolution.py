"""Convolutions on a CPU are those of MLX; `test_metal` shows that no GPU gets them."""

from importlib.metadata import version

import hypothesis
import mlx.core as mx
import numpy as np
import pytest
from hypothesis import strategies as st

from model_runtime.engines import cpu_convolution
from model_runtime.engines.cpu_convolution import (
    conv1d,
    conv_transpose1d,
    library_conv1d,
    library_conv_transpose1d,
)

pytestmark = pytest.mark.engines
BATCH, CHANNELS, OUT = 2, 3, 4


def random_arrays(length: int, taps: int) -> tuple[mx.array, mx.array]:
    """Return an input (batch, length, channels) and weights (out, taps, channels)."""
    keys = mx.random.key(length), mx.random.key(taps)
    return mx.random.normal((BATCH, length, CHANNELS), key=keys[0]), mx.random.normal(
        (OUT, taps, CHANNELS), key=keys[1]
    )


@hypothesis.settings(max_examples=50)
@hypothesis.given(st.integers(1, 11), st.integers(1, 5), st.integers(0, 9), st.integers(0, 20))
def test_a_dilated_convolution_is_that_of_mlx(taps: int, dilation: int, padding: int, extra: int) -> None:
    x, w = random_arrays(dilation * (taps - 1) + 1 + extra, taps)

    ours = conv1d(x, w, padding=padding, dilation=dilation)

    np.testing.assert_allclose(ours, library_conv1d(x, w, padding=padding, dilation=dilation), atol=1e-4)


@hypothesis.settings(max_examples=50)
@hypothesis.given(st.integers(1, 12), st.integers(1, 8), st.integers(1, 15), st.integers(0, 4), st.integers(0, 1))
def test_a_transposed_convolution_is_that_of_mlx(
    taps: int, stride: int, length: int, padding: int, output_padding: int
) -> None:
    hypothesis.assume(padding < taps and output_padding < stride)  # MLX's own fails otherwise
    hypothesis.assume((length - 1) * stride - 2 * padding + taps + output_padding > 0)
    x, w = random_arrays(length, taps)
    options = {"stride": stride, "padding": padding, "output_padding": output_padding}

    ours = conv_transpose1d(x, w, **options)

    np.testing.assert_allclose(ours, library_conv_transpose1d(x, w, **options), atol=1e-4)


def test_each_new_version_of_mlx_is_compared_again() -> None:
    assert version("mlx") == "0.32.4", (
        f"Run `python -m benchmarks --only convolution`: if MLX's own convolutions are now as fast as ours, remove "
        f"{cpu_convolution.__name__}; else change the version here."
    )
