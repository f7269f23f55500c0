"""Layers of mlx_audio's kitten_tts in PyTorch, with the same parameter names, so that weights move over unchanged.

Shapes are (batch, channels, time) unless said otherwise.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from senses_training.voice.config import STYLE


class WeightedConv(nn.Module):
    """A convolution whose weights have a direction (out, kernel, in) and a length each, as in the library."""

    def __init__(
        self, in_channels: int, out_channels: int, kernel: int, *, stride: int = 1, padding: int = 0,
        dilation: int = 1, groups: int = 1, bias: int | None = None, transposed: bool = False,
    ) -> None:  # fmt: skip
        """`bias` is its size, by default that of the output; 0 leaves it out."""
        super().__init__()
        fan = kernel * (out_channels if transposed and groups == 1 else in_channels)
        weight = torch.randn(out_channels, kernel, in_channels) / math.sqrt(fan)
        self.weight_v = nn.Parameter(weight)
        self.weight_g = nn.Parameter(_lengths(weight).clone())
        size = out_channels if bias is None else bias
        self.bias = nn.Parameter(torch.zeros(size)) if size else None
        self.stride, self.padding, self.dilation, self.groups = stride, padding, dilation, groups
        self.transposed = transposed

    def forward(self, x: Tensor) -> Tensor:
        weight = (self.weight_v * (self.weight_g / (_lengths(self.weight_v) + 1e-7))).transpose(1, 2)
        if self.transposed:
            return F.conv_transpose1d(
                x, weight, self.bias, stride=self.stride, padding=self.padding, groups=self.groups
            )
        return F.conv1d(
            x, weight, self.bias, stride=self.stride, padding=self.padding, dilation=self.dilation, groups=self.groups
        )


def _lengths(weight: Tensor) -> Tensor:
    return weight.flatten(1).norm(dim=1).view(-1, 1, 1)


class StyledNorm(nn.Module):
    """Instance norm over time, scaled and shifted by the style; starts as a plain norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(STYLE, 2 * channels)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.fc(style)[:, :, None].chunk(2, 1)
        return (1 + scale) * F.instance_norm(x, eps=1e-5) + shift


class StyledBlock(nn.Module):
    """A residual block under a style (`AdainResBlk1d`), optionally doubling the time."""

    def __init__(self, in_channels: int, out_channels: int, *, upsample: bool = False) -> None:
        super().__init__()
        self.conv1 = WeightedConv(in_channels, out_channels, 3, padding=1)
        self.conv2 = WeightedConv(out_channels, out_channels, 3, padding=1)
        self.norm1, self.norm2 = StyledNorm(in_channels), StyledNorm(out_channels)
        if in_channels != out_channels:
            self.conv1x1 = WeightedConv(in_channels, out_channels, 1, bias=0)
        self.upsample = upsample
        if upsample:
            self.pool = WeightedConv(1, in_channels, 3, stride=2, groups=in_channels, transposed=True)
            self.pool.weight_v.data[:] = torch.tensor([0.5, 1, 0.5]).view(1, 3, 1)
            self.pool.weight_g.data[:] = math.sqrt(1.5)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        return (self._residual(x, style) + self._shortcut(x)) / math.sqrt(2)

    def _shortcut(self, x: Tensor) -> Tensor:
        x = x.repeat_interleave(2, -1) if self.upsample else x
        return self.conv1x1(x) if hasattr(self, "conv1x1") else x

    def _residual(self, x: Tensor, style: Tensor) -> Tensor:
        x = F.leaky_relu(self.norm1(x, style), 0.2)
        x = self.pool(x)[..., 1:] if self.upsample else x
        return self.conv2(F.leaky_relu(self.norm2(self.conv1(x), style), 0.2))


class SnakeBlock(nn.Module):
    """Three dilated convolutions with Snake activations under a style (`AdaINResBlock1`)."""

    def __init__(self, channels: int, kernel: int, dilations: Sequence[int]) -> None:
        super().__init__()
        self.convs1 = nn.ModuleList(
            WeightedConv(channels, channels, kernel, padding=(kernel * step - step) // 2, dilation=step)
            for step in dilations
        )
        second = [WeightedConv(channels, channels, kernel, padding=(kernel - 1) // 2) for _ in dilations]
        self.convs2 = nn.ModuleList(second)
        self.adain1 = nn.ModuleList(StyledNorm(channels) for _ in dilations)
        self.adain2 = nn.ModuleList(StyledNorm(channels) for _ in dilations)
        for number in range(len(dilations)):
            for half in (1, 2):
                setattr(self, f"alpha{half}_{number}", nn.Parameter(torch.ones(1, channels, 1)))
        for conv in second:
            conv.weight_g.data *= 0.3

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        for number, (first, second) in enumerate(zip(self.convs1, self.convs2, strict=True)):
            inner = first(_snake(self.adain1[number](x, style), getattr(self, f"alpha1_{number}")))
            x = x + second(_snake(self.adain2[number](inner, style), getattr(self, f"alpha2_{number}")))
        return x


def _snake(x: Tensor, alpha: Tensor) -> Tensor:
    return x + torch.sin(alpha * x) ** 2 / alpha


class BothWays(nn.Module):
    """A bidirectional LSTM over (batch, time, channels); `lengths` where rows are padded."""

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__()
        self.l = nn.LSTM(in_channels, channels, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> Tensor:
        if lengths is None:
            return self.l(x)[0]
        packed = nn.utils.rnn.pack_padded_sequence(x, lengths, batch_first=True, enforce_sorted=False)
        return nn.utils.rnn.pad_packed_sequence(self.l(packed)[0], batch_first=True, total_length=x.shape[1])[0]
