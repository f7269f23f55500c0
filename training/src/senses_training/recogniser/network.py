"""Whisper's network in torch, with the parameter names of the MLX class, over the compact vocabulary.

Component 0 of the decoder's last layer norm is pinned to 1. Column 0 of the embedding is then a bias per token, and
tokens never learned get `NEVER` there: they cannot win however the sound is.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from senses_training.recogniser import vocabulary as v
from senses_training.recogniser.spectrogram import MELS

NEVER = -30.0
GUIDED_HEADS = (0, 1)


@dataclass(frozen=True, slots=True)
class Size:
    """Whisper's dimensions that are ours to choose."""

    state: int = 96
    heads: int = 4
    audio_layers: int = 3
    text_layers: int = 2
    audio_context: int = 1500
    text_context: int = 256


def sinusoids(length: int, channels: int) -> Tensor:
    """Give Whisper's fixed positional embedding of the encoder."""
    step = math.log(10000) / (channels // 2 - 1)
    angles = torch.arange(length)[:, None] * torch.exp(-step * torch.arange(channels // 2))
    return torch.cat([angles.sin(), angles.cos()], 1)


class Attention(nn.Module):
    """Multi-head attention; keys have no bias."""

    def __init__(self, state: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key = nn.Linear(state, state), nn.Linear(state, state, bias=False)
        self.value, self.out = nn.Linear(state, state), nn.Linear(state, state)

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)

    def forward(self, x: Tensor, causal: bool = False) -> Tensor:
        """Attend to `x` itself."""
        query, key, value = self._split(self.query(x)), self._split(self.key(x)), self._split(self.value(x))
        with torch.autocast("cpu", enabled=False):  # in bfloat16 the gradient of this call is slow
            seen = F.scaled_dot_product_attention(query.float(), key.float(), value.float(), is_causal=causal)
        return self.out(seen.transpose(1, 2).flatten(2))

    def across(self, x: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Attend to `sound`; also give the weights, batch x heads x tokens x positions."""
        query, key, value = self._split(self.query(x)), self._split(self.key(sound)), self._split(self.value(sound))
        weights = (query @ key.transpose(2, 3) / math.sqrt(query.shape[-1])).softmax(-1)
        return self.out((weights @ value).transpose(1, 2).flatten(2)), weights


class Block(nn.Module):
    """A residual block, with attention to the sound in the decoder."""

    def __init__(self, state: int, heads: int, *, decoder: bool) -> None:
        super().__init__()
        self.attn, self.attn_ln = Attention(state, heads), nn.LayerNorm(state)
        if decoder:
            self.cross_attn, self.cross_attn_ln = Attention(state, heads), nn.LayerNorm(state)
        self.mlp1, self.mlp2 = nn.Linear(state, 4 * state), nn.Linear(4 * state, state)
        self.mlp_ln = nn.LayerNorm(state)

    def _mlp(self, x: Tensor) -> Tensor:
        return x + self.mlp2(F.gelu(self.mlp1(self.mlp_ln(x))))

    def forward(self, x: Tensor) -> Tensor:
        """Encode."""
        return self._mlp(x + self.attn(self.attn_ln(x)))

    def decode(self, x: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Decode; also give the weights of the attention to the sound."""
        x = x + self.attn(self.attn_ln(x), causal=True)
        seen, weights = self.cross_attn.across(self.cross_attn_ln(x), sound)
        return self._mlp(x + seen), weights


class Encoder(nn.Module):
    """From mel frames to one vector for every 20 ms."""

    positions: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.conv1 = nn.Conv1d(MELS, size.state, 3, padding=1)
        self.conv2 = nn.Conv1d(size.state, size.state, 3, stride=2, padding=1)
        self.blocks = nn.ModuleList(Block(size.state, size.heads, decoder=False) for _ in range(size.audio_layers))
        self.ln_post = nn.LayerNorm(size.state)
        self.register_buffer("positions", sinusoids(size.audio_context, size.state), persistent=False)

    def forward(self, mel: Tensor, offsets: Tensor) -> Tensor:
        """Encode batch x 80 x frames; each begins at its own frame of the 30 s."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.positions[offsets[:, None] // 2 + torch.arange(x.shape[1])]
        for block in self.blocks:
            x = block(x)
        return self.ln_post(x)


class Decoder(nn.Module):
    """From tokens and sound to the next token."""

    pin: Tensor
    unknown: Tensor

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.token_embedding = nn.Embedding(len(v.TOKENS), size.state)
        self.positional_embedding = nn.Parameter(torch.randn(size.text_context, size.state) * 0.02)
        self.blocks = nn.ModuleList(Block(size.state, size.heads, decoder=True) for _ in range(size.text_layers))
        self.ln = nn.LayerNorm(size.state)
        self.register_buffer("pin", F.one_hot(torch.tensor(0), size.state).float(), persistent=False)
        self.register_buffer("unknown", NEVER * self.pin[None], persistent=False)
        self._start_embedding(size)

    @torch.no_grad()
    def _start_embedding(self, size: Size) -> None:
        """Start times as the encoder's own positions, so that near times have near embeddings."""
        table = self.token_embedding.weight
        nn.init.normal_(table, std=0.05)
        positions = 0.07 * sinusoids(size.audio_context + 1, size.state)
        for number, token in enumerate(v.TOKENS):
            if token >= v.ZERO:
                table[number] = positions[token - v.ZERO]
        table[:, 0] = 0

    def pinned_norm(self) -> tuple[Tensor, Tensor]:
        """Give the last norm's weight and bias with component 0 pinned to 1."""
        return self.ln.weight * (1 - self.pin), self.ln.bias * (1 - self.pin) + self.pin

    def forward(self, tokens: Tensor, sound: Tensor) -> tuple[Tensor, Tensor]:
        """Give logits, and the last block's attention to the sound."""
        table = torch.cat([self.token_embedding.weight, self.unknown])
        x = F.embedding(tokens, table) + self.positional_embedding[: tokens.shape[1]]
        *first, last = cast("Iterable[Block]", self.blocks)
        for block in first:
            x, _ = block.decode(x, sound)
        x, weights = last.decode(x, sound)
        x = F.layer_norm(x, x.shape[-1:], *self.pinned_norm())
        return x @ self.token_embedding.weight.T, weights


class Recogniser(nn.Module):
    """The whole network."""

    def __init__(self, size: Size) -> None:
        super().__init__()
        self.size = size
        self.encoder, self.decoder = Encoder(size), Decoder(size)

    def forward(self, mel: Tensor, offsets: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Give logits for the token after each of `tokens`, and the attention to the sound."""
        with torch.autocast("cpu", torch.bfloat16):
            sound = self.encoder(mel, offsets)
        return self.decoder(tokens, sound.float())
