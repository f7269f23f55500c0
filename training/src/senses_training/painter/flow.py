"""The painter in torch: mflux's Flux2Transformer, under its names.

mflux pads a prompt to 512 tokens and masks none. All that carry nothing are equal, so that one of them stands here for
all: its share of attention grows by the logarithm of their number, which is exactly what many equal ones would get.
"""

import math
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from senses_training.painter import code
from senses_training.painter.shapes import CHANNELS, PROMPT_TOKENS, SLOTS, TOKENS_ACROSS, TRANSFORMER
from senses_training.painter.text import Scale

DEPTH = 4 * CHANNELS
"""Live numbers of a picture token: 2 x 2 latents."""
HEADS, HEAD = TRANSFORMER["num_attention_heads"], TRANSFORMER["attention_head_dim"]
WIDTH = HEADS * HEAD
INNER = int(WIDTH * TRANSFORMER["mlp_ratio"])
BASE = 2000.0
TIME_CHANNELS = 256
SPREAD = 0.02

Parts = tuple[Tensor, ...]


def plain(before: int, after: int) -> nn.Linear:
    """Return a matrix without bias, as all of FLUX.2's are."""
    return nn.Linear(before, after, bias=False)


def attend(query: Tensor, key: Tensor, value: Tensor, angles: Tensor, bias: Tensor) -> Tensor:
    """Attend over batch x heads x tokens x HEAD in 32 bits; return batch x tokens x WIDTH."""
    with torch.autocast("cpu", enabled=False):
        query, key = _turn(query.float(), angles), _turn(key.float(), angles)
        seen = functional.scaled_dot_product_attention(query, key, value.float(), attn_mask=bias)
    return seen.transpose(1, 2).flatten(2)


class Double(nn.Module):
    """Picture and text attend together and then go through matrices of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.attn, self.ff, self.ff_context = Joint(), FeedForward(), FeedForward()

    def forward(
        self, x: Tensor, text: Tensor, how: tuple[Parts, Parts], angles: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Take and return picture and text tokens."""
        (a, b, c, d, e, f), (g, h, i, j, k, m) = how
        seen, seen_text = self.attn(_adapt(x, a, b), _adapt(text, g, h), angles, bias)
        x, text = x + c * seen, text + i * seen_text
        return x + f * self.ff(_adapt(x, d, e)), text + m * self.ff_context(_adapt(text, j, k))


class Joint(nn.Module):
    """Attention of picture and text tokens, which have matrices of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.to_q, self.to_k, self.to_v, self.to_out = (plain(WIDTH, WIDTH) for _ in range(4))
        self.add_q_proj, self.add_k_proj, self.add_v_proj, self.to_add_out = (plain(WIDTH, WIDTH) for _ in range(4))
        self.norm_q, self.norm_k, self.norm_added_q, self.norm_added_k = (Scale(HEAD, 1e-5) for _ in range(4))

    def forward(self, x: Tensor, text: Tensor, angles: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """Take and return picture and text tokens."""
        query = torch.cat([self.norm_added_q(_split(self.add_q_proj(text))), self.norm_q(_split(self.to_q(x)))], 2)
        key = torch.cat([self.norm_added_k(_split(self.add_k_proj(text))), self.norm_k(_split(self.to_k(x)))], 2)
        value = torch.cat([_split(self.add_v_proj(text)), _split(self.to_v(x))], 2)
        seen = attend(query, key, value, angles, bias)
        count = text.shape[1]
        return self.to_out(seen[:, count:]), self.to_add_out(seen[:, :count])


class FeedForward(nn.Module):
    """The gated feed-forward part."""

    def __init__(self) -> None:
        super().__init__()
        self.linear_in, self.linear_out = plain(WIDTH, 2 * INNER), plain(INNER, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Take and return batch x tokens x WIDTH."""
        return cast(Tensor, self.linear_out(_gate(self.linear_in(x))))


class Single(nn.Module):
    """Attention and feed-forward side by side, over all tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.attn = Parallel()

    def forward(self, x: Tensor, how: Parts, angles: Tensor, bias: Tensor) -> Tensor:
        """Take and return batch x tokens x WIDTH."""
        return cast(Tensor, x + how[2] * self.attn(_adapt(x, how[0], how[1]), angles, bias))


class Parallel(nn.Module):
    """One matrix in for attention and feed-forward, one out."""

    def __init__(self) -> None:
        super().__init__()
        self.to_qkv_mlp_proj, self.to_out = plain(WIDTH, 3 * WIDTH + 2 * INNER), plain(WIDTH + INNER, WIDTH)
        self.norm_q, self.norm_k = Scale(HEAD, 1e-5), Scale(HEAD, 1e-5)

    def forward(self, x: Tensor, angles: Tensor, bias: Tensor) -> Tensor:
        """Take and return batch x tokens x WIDTH."""
        query, key, value, inner = self.to_qkv_mlp_proj(x).split([WIDTH, WIDTH, WIDTH, 2 * INNER], -1)
        seen = attend(self.norm_q(_split(query)), self.norm_k(_split(key)), _split(value), angles, bias)
        return cast(Tensor, self.to_out(torch.cat([seen, _gate(inner).float()], -1)))


class Modulation(nn.Module):
    """What the noise level does to a block; also the last normalisation, which mflux names alike."""

    def __init__(self, parts: int) -> None:
        super().__init__()
        self.linear = plain(WIDTH, parts * WIDTH)
        self.parts = parts
        nn.init.normal_(self.linear.weight, std=SPREAD)

    def forward(self, time: Tensor) -> Parts:
        """Return shifts, scales and gates, batch x 1 x WIDTH each."""
        return tuple(cast(Tensor, self.linear(functional.silu(time)))[:, None].chunk(self.parts, -1))


class Time(nn.Module):
    """Noise level, in thousandths, to a vector."""

    def __init__(self) -> None:
        super().__init__()
        self.linear_1, self.linear_2 = plain(TIME_CHANNELS, WIDTH), plain(WIDTH, WIDTH)

    def forward(self, level: Tensor) -> Tensor:
        """Take a batch of levels."""
        half = TIME_CHANNELS // 2
        angles = level[:, None] * torch.exp(-math.log(10000) * torch.arange(half) / half)
        waves = torch.cat([angles.cos(), angles.sin()], -1)
        return cast(Tensor, self.linear_2(functional.silu(self.linear_1(waves))))


class Painter(nn.Module):
    """Predicts how a noisy picture moves towards noise, given the code of a scene."""

    def __init__(self) -> None:
        super().__init__()
        self.time_guidance_embed = Time()
        self.double_stream_modulation_img, self.double_stream_modulation_txt = Modulation(6), Modulation(6)
        self.single_stream_modulation, self.norm_out = Modulation(3), Modulation(2)
        self.x_embedder, self.context_embedder = plain(DEPTH, WIDTH), plain(code.WIDTH, WIDTH)
        self.transformer_blocks = nn.ModuleList(Double() for _ in range(TRANSFORMER["num_layers"]))
        self.single_transformer_blocks = nn.ModuleList(Single() for _ in range(TRANSFORMER["num_single_layers"]))
        self.proj_out = plain(WIDTH, DEPTH)
        self._pass_through()

    def forward(self, x: Tensor, scene: Tensor, sigma: Tensor) -> Tensor:
        """Take batch x tokens x DEPTH, batch x len(SLOTS) x code.WIDTH and a noise level of 0..1 for each."""
        nothing = code.nothing().expand(len(scene), 1, -1)
        text = self.context_embedder(torch.cat([scene, nothing], 1))
        count = text.shape[1]
        bias = torch.zeros(1, 1, 1, count + x.shape[1])
        bias[..., count - 1] = math.log(PROMPT_TOKENS - len(SLOTS))
        angles = _angles(count)
        time = self.time_guidance_embed((1000 * sigma).bfloat16().float()).float()
        x = self.x_embedder(x)
        how = self.double_stream_modulation_img(time), self.double_stream_modulation_txt(time)
        for block in self.transformer_blocks:
            x, text = block(x, text, how, angles, bias)
        both, single = torch.cat([text, x], 1), self.single_stream_modulation(time)
        for block in self.single_transformer_blocks:
            both = block(both, single, angles, bias)
        scale, shift = self.norm_out(time)
        return cast(Tensor, self.proj_out(_adapt(both[:, count:], shift, scale))).float()

    @torch.no_grad()
    def _pass_through(self) -> None:
        """Start by handing on the noise: a narrow network would spend its first steps learning that."""
        for matrix, share in ((self.x_embedder.weight, 1.0), (self.proj_out.weight.T, 0.5)):
            nn.init.normal_(matrix, std=SPREAD)
            matrix[:DEPTH] += share * torch.eye(DEPTH)


def _angles(text_tokens: int) -> Tensor:
    """Rotary angles, tokens x HEAD / 2: none for text, then row and column of the picture tokens."""
    speeds = BASE ** (-torch.arange(0, 16, 2) / 16)
    line = torch.arange(TOKENS_ACROSS).float()
    rows, columns = torch.meshgrid(line, line, indexing="ij")
    picture = torch.cat([rows.reshape(-1, 1) * speeds, columns.reshape(-1, 1) * speeds], -1)
    return torch.cat([torch.zeros(text_tokens, HEAD // 2), picture])


def _turn(x: Tensor, angles: Tensor) -> Tensor:
    even, odd = x[..., 0::2], x[..., 1::2]
    cosine, sine = angles.cos(), angles.sin()
    return torch.stack([even * cosine - odd * sine, odd * cosine + even * sine], -1).flatten(-2)


def _split(x: Tensor) -> Tensor:
    return x.reshape(*x.shape[:2], HEADS, HEAD).transpose(1, 2).float()


def _gate(x: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return functional.silu(first) * second


def _adapt(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    return functional.layer_norm(x.float(), (WIDTH,), eps=1e-6) * (1 + scale) + shift
