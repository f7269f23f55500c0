"""The picture coder in torch: mflux's Flux2VAE, under its names, of which only what is trained is built.

The rest of the full class (second and third residual blocks, attention) is written as identity by the export.
GroupNorm runs with `EPS` instead of 1e-6: FLUX.2 has 32 groups, here of one or two channels each, and would erase
absolute colours. Scaling the residual stream by sqrt(1e-6 / EPS) at export gives exactly the same pictures.
"""

from typing import cast

from torch import Tensor, nn
from torch.nn import functional

from senses_training.painter.group_norm import GroupNorm
from senses_training.painter.shapes import CHANNELS, DECODER_WIDTHS, ENCODER_WIDTHS

EPS = 4.0


def norm(channels: int) -> GroupNorm:
    """Return FLUX.2's group norm."""
    module = GroupNorm(channels, EPS)
    nn.init.constant_(module.weight, 2.0)
    return module


class Residual(nn.Module):
    """Two convolutions that add to what passes by."""

    def __init__(self, before: int, after: int) -> None:
        super().__init__()
        self.norm1 = norm(before)
        self.conv1 = nn.Conv2d(before, after, 3, padding=1)
        self.norm2 = norm(after)
        self.conv2 = nn.Conv2d(after, after, 3, padding=1)
        self.conv_shortcut = nn.Conv2d(before, after, 1) if before != after else None
        nn.init.normal_(self.conv2.weight, std=0.01)
        nn.init.zeros_(cast(Tensor, self.conv2.bias))

    def forward(self, x: Tensor) -> Tensor:
        """Take and return batch x channels x height x width."""
        change = self.conv1(functional.silu(self.norm1(x)))
        change = self.conv2(functional.silu(self.norm2(change)))
        return change + (self.conv_shortcut(x) if self.conv_shortcut else x)


class Resample(nn.Module):
    """A convolution that mflux keeps one name deeper."""

    def __init__(self, channels: int, stride: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=stride, padding=1 if stride == 1 else 0)


class UpBlock(nn.Module):
    """Residual blocks, then twice the resolution."""

    def __init__(self, before: int, after: int, blocks: int, *, grows: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Residual(before if n == 0 else after, after) for n in range(blocks))
        self.upsamplers = nn.ModuleList([Resample(after, 1)] if grows else [])

    def forward(self, x: Tensor) -> Tensor:
        """Take and return batch x channels x height x width."""
        for block in self.resnets:
            x = block(x)
        for up in self.upsamplers:
            x = cast(Resample, up).conv(functional.interpolate(x, scale_factor=2, mode="nearest"))
        return x


class DownBlock(nn.Module):
    """Residual blocks, then half the resolution."""

    def __init__(self, before: int, after: int, blocks: int, *, shrinks: bool) -> None:
        super().__init__()
        self.resnets = nn.ModuleList(Residual(before if n == 0 else after, after) for n in range(blocks))
        self.downsamplers = nn.ModuleList([Resample(after, 2)] if shrinks else [])

    def forward(self, x: Tensor) -> Tensor:
        """Take and return batch x channels x height x width."""
        for block in self.resnets:
            x = block(x)
        for down in self.downsamplers:
            x = cast(Resample, down).conv(functional.pad(x, (0, 1, 0, 1)))
        return x


class Middle(nn.Module):
    """The residual block at the lowest resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.resnets = nn.ModuleList([Residual(channels, channels)])


class Decoder(nn.Module):
    """Latents, batch x CHANNELS x h x w, to pixels in -1..1, batch x 3 x 8h x 8w."""

    BLOCKS = (2, 1, 1, 1)

    def __init__(self) -> None:
        super().__init__()
        widths = DECODER_WIDTHS[::-1]
        self.conv_in = nn.Conv2d(CHANNELS, widths[0], 3, padding=1)
        self.mid_block = Middle(widths[0])
        self.up_blocks = nn.ModuleList(
            UpBlock(widths[max(n - 1, 0)], widths[n], self.BLOCKS[n], grows=n < 3) for n in range(4)
        )
        self.conv_norm_out = norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], 3, 3, padding=1)

    def forward(self, latents: Tensor) -> Tensor:
        """Decode."""
        x = self.mid_block.resnets[0](self.conv_in(latents))
        for block in self.up_blocks:
            x = block(x)
        return cast(Tensor, self.conv_out(functional.silu(self.conv_norm_out(x))))


class Encoder(nn.Module):
    """Pixels in -1..1, batch x 3 x 8h x 8w, to latents, batch x CHANNELS x h x w."""

    BLOCKS = (0, 1, 1, 1)

    def __init__(self) -> None:
        super().__init__()
        widths = ENCODER_WIDTHS
        self.conv_in = nn.Conv2d(3, widths[0], 3, padding=1)
        self.down_blocks = nn.ModuleList(
            DownBlock(widths[max(n - 1, 0)], widths[n], self.BLOCKS[n], shrinks=n < 3) for n in range(4)
        )
        self.mid_block = Middle(widths[-1])
        self.conv_norm_out = norm(widths[-1])
        self.conv_out = nn.Conv2d(widths[-1], CHANNELS, 3, padding=1)

    def forward(self, pixels: Tensor) -> Tensor:
        """Encode."""
        x = self.conv_in(pixels)
        for block in self.down_blocks:
            x = block(x)
        x = self.mid_block.resnets[0](x)
        return cast(Tensor, self.conv_out(functional.silu(self.conv_norm_out(x))))


def pack(latents: Tensor) -> Tensor:
    """Fold 2 x 2 latents into one token: batch x C x h x w to batch x (h/2 * w/2) x 4C, as mflux orders them."""
    batch, channels, height, width = latents.shape
    split = latents.reshape(batch, channels, height // 2, 2, width // 2, 2).permute(0, 2, 4, 1, 3, 5)
    return split.reshape(batch, height // 2 * (width // 2), channels * 4)


def unpack(tokens: Tensor, across: int) -> Tensor:
    """Undo `pack` for a picture of `across` tokens a row."""
    batch, count, depth = tokens.shape
    split = tokens.reshape(batch, count // across, across, depth // 4, 2, 2).permute(0, 3, 1, 4, 2, 5)
    return split.reshape(batch, depth // 4, count // across * 2, across * 2)
