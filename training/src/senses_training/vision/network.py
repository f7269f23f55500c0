"""Qwen2.5-VL in PyTorch, small and batched: pictures of one size go through together.

Parameter names are those of the published checkpoints, so a state dict is a checkpoint but for the patch convolution.
Every vision block attends to the whole picture (`fullatt_block_indexes` lists them all), which needs no windows.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from senses_training.vision.glance import Labels
from senses_training.vision.patches import MERGE, PATCH


@dataclass(frozen=True, slots=True)
class Shape:
    """The sizes of a network."""

    vocabulary: int
    hidden: int = 128
    layers: int = 4
    intermediate: int = 384
    heads: int = 4
    kv_heads: int = 2
    mrope: tuple[int, int, int] = (4, 6, 6)
    rope_theta: float = 10_000.0
    vision_hidden: int = 128
    vision_layers: int = 5
    vision_intermediate: int = 384
    vision_heads: int = 4
    eps: float = field(default=1e-6)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn the two halves of every head by the given angles."""
    half = x.shape[-1] // 2
    return x * cos + torch.cat((-x[..., half:], x[..., :half]), -1) * sin


def attend(q: Tensor, k: Tensor, v: Tensor, penalty: Tensor | None = None) -> Tensor:
    """Attend by plain matrix products: half precision has no fast fused backward pass on a CPU."""
    with torch.autocast("cpu", enabled=False):
        scores = q @ (k * k.shape[-1] ** -0.5).transpose(-1, -2)
        if penalty is not None:
            scores = scores + penalty
        out: Tensor = scores.softmax(-1) @ v
        return out


class VisionAttention(nn.Module):
    """Attention among all patches of a picture."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads = shape.vision_heads
        self.qkv = nn.Linear(shape.vision_hidden, 3 * shape.vision_hidden)
        self.proj = nn.Linear(shape.vision_hidden, shape.vision_hidden)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        batch, count, width = x.shape
        q, k, v = self.qkv(x).view(batch, count, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        y = attend(q, k, v)
        out: Tensor = self.proj(y.transpose(1, 2).reshape(batch, count, width))
        return out


class Gated(nn.Module):
    """The gated feed-forward layer; only the vision side has biases."""

    def __init__(self, width: int, inner: int, *, bias: bool) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=bias)
        self.up_proj = nn.Linear(width, inner, bias=bias)
        self.down_proj = nn.Linear(inner, width, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class VisionBlock(nn.Module):
    """One layer of the vision tower."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm1 = nn.RMSNorm(shape.vision_hidden, eps=shape.eps)
        self.norm2 = nn.RMSNorm(shape.vision_hidden, eps=shape.eps)
        self.attn = VisionAttention(shape)
        self.mlp = Gated(shape.vision_hidden, shape.vision_intermediate, bias=True)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        x = x + self.attn(self.norm1(x), cos, sin)
        out: Tensor = x + self.mlp(self.norm2(x))
        return out


class PatchEmbed(nn.Module):
    """Patches to vectors; the two equal frames of a still picture share one kernel."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.proj = nn.Linear(3 * PATCH * PATCH, shape.vision_hidden, bias=False)

    def forward(self, patches: Tensor) -> Tensor:
        out: Tensor = self.proj(patches)
        return out


class Merger(nn.Module):
    """Join two by two patches into one token of the language model."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.joined = shape.vision_hidden * MERGE * MERGE
        self.ln_q = nn.RMSNorm(shape.vision_hidden, eps=shape.eps)
        self.mlp = nn.Sequential(nn.Linear(self.joined, self.joined), nn.GELU(), nn.Linear(self.joined, shape.hidden))

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.mlp(self.ln_q(x).reshape(x.shape[0], -1, self.joined))
        return out


class Vision(nn.Module):
    """The vision tower."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.patch_embed = PatchEmbed(shape)
        self.blocks = nn.ModuleList(VisionBlock(shape) for _ in range(shape.vision_layers))
        self.merger = Merger(shape)
        self.quarter = shape.vision_hidden // shape.vision_heads // 4

    def angles(self, rows: int, columns: int) -> tuple[Tensor, Tensor]:
        """Rotary angles of a grid of patches, in the order in which two by two are joined."""
        row, column = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        blocks = [
            axis.view(rows // MERGE, MERGE, columns // MERGE, MERGE).transpose(1, 2).reshape(-1)
            for axis in (row, column)
        ]
        frequency = 10_000.0 ** -(torch.arange(self.quarter) / self.quarter)
        angle = torch.cat([axis[:, None] * frequency for axis in blocks], -1).repeat(1, 2)
        return angle.cos(), angle.sin()

    def forward(self, patches: Tensor, rows: int, columns: int) -> Tensor:
        cos, sin = self.angles(rows, columns)
        x = self.patch_embed(patches)
        cos, sin = cos.to(x.dtype), sin.to(x.dtype)  # bfloat16 under autocast
        for block in self.blocks:
            x = block(x, cos, sin)
        out: Tensor = self.merger(x)
        return out


class Attention(nn.Module):
    """Grouped-query attention of the language model."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.heads, self.kv_heads = shape.heads, shape.kv_heads
        width = shape.hidden // shape.heads
        self.q_proj = nn.Linear(shape.hidden, shape.heads * width)
        self.k_proj = nn.Linear(shape.hidden, shape.kv_heads * width)
        self.v_proj = nn.Linear(shape.hidden, shape.kv_heads * width)
        self.o_proj = nn.Linear(shape.heads * width, shape.hidden, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, penalty: Tensor) -> Tensor:
        batch, count, width = x.shape
        q = self.q_proj(x).view(batch, count, self.heads, -1).transpose(1, 2)
        k = self.k_proj(x).view(batch, count, self.kv_heads, -1).transpose(1, 2)
        v = self.v_proj(x).view(batch, count, self.kv_heads, -1).transpose(1, 2)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        groups = self.heads // self.kv_heads
        k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
        y = attend(q, k, v, penalty)
        out: Tensor = self.o_proj(y.transpose(1, 2).reshape(batch, count, width))
        return out


class Layer(nn.Module):
    """One layer of the language model."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.input_layernorm = nn.RMSNorm(shape.hidden, eps=shape.eps)
        self.post_attention_layernorm = nn.RMSNorm(shape.hidden, eps=shape.eps)
        self.self_attn = Attention(shape)
        self.mlp = Gated(shape.hidden, shape.intermediate, bias=False)

    def forward(self, x: Tensor, cos: Tensor, sin: Tensor, penalty: Tensor) -> Tensor:
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, penalty)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out


class Language(nn.Module):
    """The language model, without its head: that is the transposed embedding."""

    frequency: Tensor
    axes: Tensor

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(shape.vocabulary, shape.hidden)
        self.layers = nn.ModuleList(Layer(shape) for _ in range(shape.layers))
        self.norm = nn.RMSNorm(shape.hidden, eps=shape.eps)
        half = shape.hidden // shape.heads // 2
        axes = [axis for axis, count in enumerate(shape.mrope) for _ in range(count)]
        self.register_buffer("frequency", shape.rope_theta ** -(torch.arange(half) / half), persistent=False)
        self.register_buffer("axes", torch.tensor(axes), persistent=False)

    def forward(self, embeds: Tensor, positions: Tensor, mask: Tensor) -> Tensor:
        """Run `embeds`; `positions` holds time, row and column of every token."""
        angle = (positions[self.axes].permute(1, 2, 0) * self.frequency).repeat(1, 1, 2)[:, None]
        x = embeds
        cos, sin = angle.cos(), angle.sin()
        if torch.is_autocast_enabled("cpu"):
            cos, sin = cos.bfloat16(), sin.bfloat16()
        penalty = torch.zeros(mask.shape, dtype=cos.dtype).masked_fill_(~mask, -1e4)
        for layer in self.layers:
            x = layer(x, cos, sin, penalty)
        out: Tensor = self.norm(x)
        return out


class QwenVL(nn.Module):
    """The whole model."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.visual = Vision(shape)
        self.model = Language(shape)
        self.apply(_initialize)

    def look(self, batch: "Batch") -> Tensor:
        """Return the image tokens."""
        features: Tensor = self.visual(batch.patches, batch.rows, batch.columns)
        return features

    def forward(self, batch: "Batch", features: Tensor) -> Tensor:
        """Return the logits at the batch's answer tokens."""
        embeds = self.model.embed_tokens(batch.tokens)
        embeds = embeds.masked_scatter(batch.is_image[..., None], features.to(embeds.dtype))
        hidden = self.model(embeds, batch.positions, batch.mask)
        return F.linear(hidden.flatten(0, 1)[batch.answers], self.model.embed_tokens.weight)


@dataclass(frozen=True, slots=True)
class Batch:
    """Pictures of one size with their questions.

    `answers` are flat indices of the tokens after which `targets` come.
    """

    patches: Tensor
    rows: int
    columns: int
    tokens: Tensor
    is_image: Tensor
    positions: Tensor
    mask: Tensor
    answers: Tensor
    targets: Tensor
    labels: Labels


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, std=module.in_features**-0.5)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Embedding):
        nn.init.normal_(module.weight, std=0.5 * module.embedding_dim**-0.5)
