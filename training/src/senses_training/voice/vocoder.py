"""From phonemes held for their durations, pitch and loudness to sound: the decoder and its iSTFT generator."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from senses_training.voice.config import RATE
from senses_training.voice.layers import BothWays, SnakeBlock, StyledBlock, WeightedConv

HARMONICS = 9
VOICED_HZ = 10.0


class TextEncoder(nn.Module):
    """Phoneme numbers (batch, time) to features (batch, channels, time)."""

    def __init__(self, channels: int, kernel: int, layers: int, symbols: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, channels)
        self.cnn = nn.ModuleList(
            nn.ModuleList([WeightedConv(channels, channels, kernel, padding=(kernel - 1) // 2), nn.LayerNorm(channels)])
            for _ in range(layers)
        )
        self.lstm = BothWays(channels, channels // 2)

    def forward(self, tokens: Tensor, lengths: Tensor) -> Tensor:
        there = (torch.arange(tokens.shape[1]) < lengths[:, None]).float()[:, None]
        x = self.embedding(tokens).transpose(1, 2) * there
        for conv, norm in cast("Iterable[tuple[nn.Module, nn.Module]]", self.cnn):
            x = F.leaky_relu(norm(conv(x).transpose(1, 2)).transpose(1, 2), 0.2) * there
            x = F.dropout(x, 0.1, self.training)
        return self.lstm(x.transpose(1, 2), lengths).transpose(1, 2) * there


class Source(nn.Module):
    """Pitch in Hz (batch, time) to a hum with harmonics, and to noise where there is no pitch."""

    def __init__(self) -> None:
        super().__init__()
        self.l_linear = nn.Linear(HARMONICS, 1)
        nn.init.constant_(self.l_linear.weight, 0.5)
        nn.init.zeros_(self.l_linear.bias)
        self.noise = True

    def forward(self, pitch: Tensor, rate: int) -> Tensor:
        harmonics = torch.arange(1, HARMONICS + 1)[None, :, None]
        turns = torch.cumsum((pitch[:, None] * harmonics / RATE) % 1, -1) * rate
        sines = torch.sin(F.interpolate(turns * 2 * math.pi, scale_factor=rate, mode="linear")) * 0.1
        voiced = (pitch > VOICED_HZ).float().repeat_interleave(rate, -1)[:, None]
        level = voiced * 0.003 + (1 - voiced) * 0.1 / 3 if self.noise else 0.0
        return torch.tanh(self.l_linear((sines * voiced + level * torch.randn_like(sines)).transpose(1, 2)))[..., 0]


class Generator(nn.Module):
    """Features to sound: one upsampling, residual blocks, then magnitudes and phases of short spectra."""

    window: Tensor

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        (up,), (kernel,) = config["upsample_rates"], config["upsample_kernel_sizes"]
        wide = config["upsample_initial_channel"]
        self.size, self.hop = config["gen_istft_n_fft"], config["gen_istft_hop_size"]
        self.rate = up * self.hop
        self.m_source = Source()
        self.ups = nn.ModuleList(
            [
                WeightedConv(
                    wide // 2, wide, kernel, stride=up, padding=(kernel - up) // 2, bias=wide // 2, transposed=True
                )
            ]
        )
        shapes = zip(config["resblock_kernel_sizes"], config["resblock_dilation_sizes"], strict=True)
        self.resblocks = nn.ModuleList(SnakeBlock(wide // 2, kernel, dilations) for kernel, dilations in shapes)
        self.noise_convs = nn.ModuleList([nn.Conv1d(self.size + 2, wide // 2, 1)])
        self.noise_res = nn.ModuleList([SnakeBlock(wide // 2, 11, [1, 3, 5])])
        self.conv_post = WeightedConv(wide // 2, self.size + 2, 7, padding=3)
        self.conv_post.weight_g.data *= 0.3
        self.conv_post.bias.data[: self.size // 2 + 1] = -3.0  # type: ignore[union-attr]
        self.register_buffer("window", torch.hann_window(self.size), persistent=False)

    def forward(self, x: Tensor, style: Tensor, pitch: Tensor) -> Tensor:
        hum = self.noise_res[0](self.noise_convs[0](self._spectrum(self.m_source(pitch, self.rate))), style)
        x = F.pad(self.ups[0](F.leaky_relu(x, 0.1)), (1, 0)) + hum
        x = torch.stack([block(x, style) for block in self.resblocks]).mean(0)
        x = self.conv_post(F.leaky_relu(x, 0.01))
        return self._sound(x)

    def _spectrum(self, sound: Tensor) -> Tensor:
        spectrum = torch.stft(
            sound, self.size, self.hop, self.size, self.window, pad_mode="reflect", return_complex=True
        )
        size = (spectrum.real**2 + spectrum.imag**2 + 1e-9).sqrt()
        return torch.cat([size, spectrum.angle().detach()], 1)

    def _sound(self, x: Tensor) -> Tensor:
        bins = self.size // 2 + 1
        size, phase = torch.exp(x[:, :bins].clamp(max=5)), torch.sin(x[:, bins:])
        return torch.istft(torch.polar(size, phase), self.size, self.hop, self.size, self.window)


class Decoder(nn.Module):
    """Held phoneme features, pitch and loudness under a style to sound."""

    def __init__(self, config: Mapping[str, Any]) -> None:
        super().__init__()
        wide, narrow = config["max_conv_dim"], config["asr_res_dim"]
        self.encode = StyledBlock(config["hidden_dim"] + 2, wide)
        self.decode = nn.ModuleList(StyledBlock(wide + 2 + narrow, wide) for _ in range(3))
        self.decode.append(StyledBlock(wide + 2 + narrow, config["decoder_out_dim"], upsample=True))
        self.F0_conv = WeightedConv(1, 1, 3, stride=2, padding=1)
        self.N_conv = WeightedConv(1, 1, 3, stride=2, padding=1)
        self.asr_res = nn.ModuleList([WeightedConv(config["hidden_dim"], narrow, 1)])
        self.generator = Generator(config["istftnet"])
        for conv, gain in ((self.F0_conv, 0.006), (self.N_conv, 0.6)):
            conv.weight_v.data[:] = 1
            conv.weight_g.data[:] = gain

    def forward(self, held: Tensor, pitch: Tensor, loudness: Tensor, style: Tensor) -> Tensor:
        curves = [self.F0_conv(pitch[:, None]), self.N_conv(loudness[:, None])]
        x = self.encode(torch.cat([held, *curves], 1), style)
        narrow = self.asr_res[0](held)
        for block in self.decode:
            x = block(torch.cat([x, narrow, *curves], 1), style)
        return self.generator(x, style, pitch)
