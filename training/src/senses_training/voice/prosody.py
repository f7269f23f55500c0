"""From phonemes and a style to durations, pitch and loudness."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from senses_training.voice.config import STYLE
from senses_training.voice.layers import BothWays, StyledBlock


class Attention(nn.Module):
    """Self-attention with its own residual and norm, as in ALBERT."""

    def __init__(self, size: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query, self.key, self.value, self.dense = (nn.Linear(size, size) for _ in range(4))
        self.LayerNorm = nn.LayerNorm(size, eps=1e-12)

    def forward(self, x: Tensor) -> Tensor:
        query, key, value = (self._split(layer(x)) for layer in (self.query, self.key, self.value))
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2)
        return self.LayerNorm(self.dense(seen) + x)

    def _split(self, x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


class AlbertLayer(nn.Module):
    """Attention and a feed-forward part."""

    def __init__(self, size: int, inner: int, heads: int) -> None:
        super().__init__()
        self.attention = Attention(size, heads)
        self.full_layer_layer_norm = nn.LayerNorm(size, eps=1e-12)
        self.ffn, self.ffn_output = nn.Linear(size, inner), nn.Linear(inner, size)

    def forward(self, x: Tensor) -> Tensor:
        x = self.attention(x)
        return self.full_layer_layer_norm(self.ffn_output(F.gelu(self.ffn(x), approximate="tanh")) + x)


class Group(nn.Module):
    """A named bag of modules, to give parameters the library's names."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)

    if TYPE_CHECKING:  # torch's says Tensor | Module

        def __getattr__(self, name: str) -> Any: ...


class Albert(nn.Module):
    """A small ALBERT over phonemes (batch, time) to (batch, time, channels)."""

    def __init__(self, symbols: int, config: Mapping[str, Any]) -> None:
        super().__init__()
        embedded, size = config["embedding_size"], config["hidden_size"]
        self.layers = config["num_hidden_layers"]
        self.embeddings = Group(
            word_embeddings=nn.Embedding(symbols, embedded),
            position_embeddings=nn.Embedding(config["max_position_embeddings"], embedded),
            token_type_embeddings=nn.Embedding(2, embedded),
            LayerNorm=nn.LayerNorm(embedded, eps=1e-12),
        )
        self.embeddings.position_embeddings.weight.data *= 0.02
        self.embeddings.token_type_embeddings.weight.data.zero_()
        layer = AlbertLayer(size, config["intermediate_size"], config["num_attention_heads"])
        self.encoder = Group(
            embedding_hidden_mapping_in=nn.Linear(embedded, size),
            albert_layer_groups=nn.ModuleList([Group(albert_layers=nn.ModuleList([layer]))]),
        )
        self.pooler = nn.Linear(size, size)

    def forward(self, tokens: Tensor) -> Tensor:
        parts = self.embeddings
        places = parts.position_embeddings.weight[: tokens.shape[1]] + parts.token_type_embeddings.weight[0]
        x = self.encoder.embedding_hidden_mapping_in(parts.LayerNorm(parts.word_embeddings(tokens) + places))
        for _ in range(self.layers):
            x = self.encoder.albert_layer_groups[0].albert_layers[0](x)
        return x


class StyledLayerNorm(nn.Module):
    """Layer norm over channels, scaled and shifted by the style."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc = nn.Linear(STYLE, 2 * channels)
        nn.init.zeros_(self.fc.weight)
        nn.init.zeros_(self.fc.bias)

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        scale, shift = self.fc(style)[:, None].chunk(2, -1)
        return (1 + scale) * F.layer_norm(x, x.shape[-1:], eps=1e-5) + shift


class DurationEncoder(nn.Module):
    """LSTMs that are told the style before and after each layer."""

    def __init__(self, channels: int, layers: int) -> None:
        super().__init__()
        self.lstms = nn.ModuleList()
        for _ in range(layers):
            self.lstms.extend([BothWays(channels + STYLE, channels // 2), StyledLayerNorm(channels)])

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        everywhere = style[:, None].expand(-1, x.shape[1], -1)
        x = torch.cat([x, everywhere], -1)
        for lstm, norm in zip(self.lstms[::2], self.lstms[1::2], strict=True):
            x = torch.cat([norm(lstm(x), style), everywhere], -1)
        return x


class Predictor(nn.Module):
    """Durations from phoneme features; pitch and loudness once the features are held for the durations."""

    def __init__(self, channels: int, layers: int, longest: int) -> None:
        super().__init__()
        self.text_encoder = DurationEncoder(channels, layers)
        self.lstm, self.shared = (BothWays(channels + STYLE, channels // 2) for _ in range(2))
        self.duration_proj = Group(linear_layer=nn.Linear(channels, longest))
        self.F0, self.N = _curve(channels), _curve(channels)
        self.F0_proj, self.N_proj = nn.Conv1d(channels // 2, 1, 1), nn.Conv1d(channels // 2, 1, 1)
        self.F0_proj.weight.data *= 40
        self.F0_proj.bias.data[:] = 100.0  # type: ignore[union-attr]
        self.duration_proj.linear_layer.bias.data[:] = -1.5

    def durations(self, features: Tensor) -> Tensor:
        """Frames of every phoneme, not yet whole numbers."""
        return torch.sigmoid(self.duration_proj.linear_layer(self.lstm(features))).sum(-1)

    def curves(self, held: Tensor, style: Tensor) -> tuple[Tensor, Tensor]:
        """Pitch in Hz and loudness, two values a frame."""
        shared = self.shared(held.transpose(1, 2)).transpose(1, 2)
        pitch = loudness = shared
        for block in self.F0:
            pitch = block(pitch, style)
        for block in self.N:
            loudness = block(loudness, style)
        return self.F0_proj(pitch)[:, 0], self.N_proj(loudness)[:, 0]


def _curve(channels: int) -> nn.ModuleList:
    half = channels // 2
    return nn.ModuleList(
        [StyledBlock(channels, channels), StyledBlock(channels, half, upsample=True), StyledBlock(half, half)]
    )
