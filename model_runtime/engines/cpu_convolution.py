"""One-dimensional convolutions on a CPU as sums of shifted matrix products.

MLX without a GPU computes dilated and transposed convolutions at about one billion operations a second; as matrix
products with the OpenBLAS of `blas` they run fifty times faster. Kokoro's decoder consists of them.
"""

from collections.abc import Callable
from typing import Any

import mlx.core as mx

from model_runtime.engines.dtype import computes_on_gpu

library_conv1d: Callable[..., mx.array] = mx.conv1d
library_conv_transpose1d: Callable[..., mx.array] = mx.conv_transpose1d
"""MLX's own functions."""


def install_cpu_convolutions() -> None:
    """Replace MLX's one-dimensional convolutions in this process if it has no GPU.

    `benchmarks` compares both; a test in `test_cpu_convolution` fails for a version of MLX that was not compared.
    """
    if not computes_on_gpu():  # layers look the functions up by their names in `mx` at every call
        mx.conv1d, mx.conv_transpose1d = conv1d, conv_transpose1d


def conv1d(
    x: mx.array, w: mx.array, stride: int = 1, padding: int = 0, dilation: int = 1, groups: int = 1, **options: Any
) -> mx.array:
    """Return the convolution (batch, length, out) of `x` (batch, length, in) with `w` (out, taps, in).

    Only a dilated one is computed here; any other goes to MLX.
    """
    if dilation == 1 or stride != 1 or groups != 1:
        return library_conv1d(x, w, stride=stride, padding=padding, dilation=dilation, groups=groups, **options)
    taps = w.shape[1]
    length = x.shape[1] + 2 * padding - dilation * (taps - 1)
    padded = mx.pad(x, [(0, 0), (padding, padding), (0, 0)])
    return _sum([padded[:, tap * dilation : tap * dilation + length] @ w[:, tap].T for tap in range(taps)])


def conv_transpose1d(
    x: mx.array,
    w: mx.array,
    stride: int = 1,
    padding: int = 0,
    dilation: int = 1,
    output_padding: int = 0,
    groups: int = 1,
    **options: Any,
) -> mx.array:
    """Return the transposed convolution (batch, length, out) of `x` (batch, length, in) with `w` (out, taps, in).

    Output number t = stride * s + phase - padding only depends on the taps phase, phase + stride, …, so each phase is a
    small convolution of its own. One with dilation, groups or stride 1 goes to MLX.
    """
    if dilation != 1 or groups != 1 or stride == 1:
        return library_conv_transpose1d(
            x,
            w,
            stride=stride,
            padding=padding,
            dilation=dilation,
            output_padding=output_padding,
            groups=groups,
            **options,
        )
    batch, steps, _ = x.shape
    out, taps, _ = w.shape
    phases = [_phase(x, w, stride, phase) for phase in range(stride)]
    whole = mx.stack(phases, axis=2).reshape(batch, -1, out)
    length = (steps - 1) * stride - 2 * padding + taps + output_padding
    missing = max(0, padding + length - whole.shape[1])
    return mx.pad(whole, [(0, 0), (0, missing), (0, 0)])[:, padding : padding + length]


def _phase(x: mx.array, w: mx.array, stride: int, phase: int) -> mx.array:
    """Return the outputs phase, phase + stride, … before padding is cut off, (batch, steps + taps / stride - 1, out)."""
    batch, steps, _ = x.shape
    out, taps, _ = w.shape
    shifts = -(-taps // stride)
    padded = mx.pad(x, [(0, 0), (shifts - 1, shifts - 1), (0, 0)])
    length = steps + shifts - 1
    used = [shift for shift in range(shifts) if phase + shift * stride < taps]
    if not used:
        return mx.zeros((batch, length, out), x.dtype)
    starts = {shift: shifts - 1 - shift for shift in used}
    return _sum([padded[:, starts[shift] : starts[shift] + length] @ w[:, phase + shift * stride].T for shift in used])


def _sum(parts: list[mx.array]) -> mx.array:
    total, *others = parts
    for part in others:
        total = total + part
    return total
