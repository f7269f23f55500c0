"""The text encoder in torch: the first layers of mflux's Qwen3TextEncoder, under its names."""

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from senses_training.painter.shapes import TEXT, TEXT_LAYERS

SPREAD = 0.3
"""Standard deviation of the word vectors at the start."""
BASE = 1e6
"""Rotary positions turn by BASE^(-2i / head_dim) a token."""


class Scale(nn.Module):
    """Root mean square normalisation, in Qwen3's wording."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Normalise the last axis."""
        return self.weight * (x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps))


class Attention(nn.Module):
    """Grouped-query attention with normalised queries and keys."""

    def __init__(self) -> None:
        super().__init__()
        width, head = TEXT["hidden_size"], TEXT["head_dim"]
        self.heads, self.shared, self.head = TEXT["num_attention_heads"], TEXT["num_key_value_heads"], head
        self.q_proj = nn.Linear(width, self.heads * head, bias=False)
        self.k_proj = nn.Linear(width, self.shared * head, bias=False)
        self.v_proj = nn.Linear(width, self.shared * head, bias=False)
        self.o_proj = nn.Linear(self.heads * head, width, bias=False)
        self.q_norm, self.k_norm = Scale(head), Scale(head)

    def forward(self, x: Tensor, visible: Tensor, angles: Tensor) -> Tensor:
        """`visible` is batch x 1 x tokens x tokens, `angles` tokens x head."""
        query = _turn(self.q_norm(self._split(self.q_proj(x), self.heads)), angles)
        key = _turn(self.k_norm(self._split(self.k_proj(x), self.shared)), angles)
        value = self._split(self.v_proj(x), self.shared)
        copies = self.heads // self.shared
        key, value = key.repeat_interleave(copies, 1), value.repeat_interleave(copies, 1)
        seen = functional.scaled_dot_product_attention(query, key, value, attn_mask=visible)
        return cast(Tensor, self.o_proj(seen.transpose(1, 2).flatten(2)))

    def _split(self, x: Tensor, heads: int) -> Tensor:
        return x.view(*x.shape[:2], heads, self.head).transpose(1, 2)


class Gated(nn.Module):
    """The gated feed-forward part."""

    def __init__(self) -> None:
        super().__init__()
        width, inner = TEXT["hidden_size"], TEXT["intermediate_size"]
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Take and return batch x tokens x width."""
        return cast(Tensor, self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x)))


class Layer(nn.Module):
    """One decoder layer."""

    def __init__(self) -> None:
        super().__init__()
        self.input_layernorm = Scale(TEXT["hidden_size"])
        self.self_attn = Attention()
        self.post_attention_layernorm = Scale(TEXT["hidden_size"])
        self.mlp = Gated()

    def forward(self, x: Tensor, visible: Tensor, angles: Tensor) -> Tensor:
        """Take and return batch x tokens x width."""
        x = x + self.self_attn(self.input_layernorm(x), visible, angles)
        return cast(Tensor, x + self.mlp(self.post_attention_layernorm(x)))


class TextEncoder(nn.Module):
    """Token numbers, padded on the right, to what the trained layers make of them; padding sees only real tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(TEXT["vocab_size"], TEXT["hidden_size"])
        nn.init.normal_(self.embed_tokens.weight, std=SPREAD)
        self.layers = nn.ModuleList(Layer() for _ in range(TEXT_LAYERS))

    def forward(self, tokens: Tensor, lengths: Tensor, far: Tensor | None = None) -> Tensor:
        """Take batch x tokens and the number of real ones; return batch x tokens x width.

        The last tokens may stand for padding at the positions `far`.
        """
        place = torch.arange(tokens.shape[1])
        real = place[None] < lengths[:, None]
        visible = (place[:, None] >= place[None, :])[None] & real[:, None, :]
        half = TEXT["head_dim"] // 2
        if far is not None:
            place = torch.cat([place[: -len(far)], far])
        turns = place[:, None] * BASE ** (-torch.arange(half) / half)
        x = self.embed_tokens(tokens)
        for layer in self.layers:
            x = layer(x, visible[:, None], torch.cat([turns, turns], -1))
        return cast(Tensor, x)


def _turn(x: Tensor, angles: Tensor) -> Tensor:
    first, second = x.chunk(2, -1)
    return x * angles.cos() + torch.cat([-second, first], -1) * angles.sin()
