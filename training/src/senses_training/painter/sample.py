"""Draw with the torch models as mflux would: its noise levels, Euler steps, the coder's mean and spread."""

import itertools
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import Tokenizer
from torch import Tensor

from senses_training.painter import code, train_text, train_vae
from senses_training.painter.flow import DEPTH, Painter
from senses_training.painter.shapes import TOKENS_ACROSS
from senses_training.painter.text import TextEncoder
from senses_training.painter.vae import unpack

STEPS = 4
EPS = 1e-4
"""Added to variances, as in mflux's Flux2BatchNormStats."""


def sigmas(steps: int = STEPS, tokens: int = TOKENS_ACROSS**2) -> Tensor:
    """Return mflux's noise levels: 1 first, 0 last (`FlowMatchEulerDiscreteScheduler.get_timesteps_and_sigmas`)."""
    many, few = 0.00016927 * tokens + 0.45666666, 8.73809524e-05 * tokens + 1.89833333
    slope = (many - few) / 190
    shift = math.exp(slope * steps + many - 200 * slope)
    levels = torch.linspace(1, 1 / steps, steps)
    return torch.cat([shift / (shift + 1 / levels - 1), torch.zeros(1)])


class Studio:
    """All parts of a training folder, ready to draw."""

    def __init__(self, folder: Path) -> None:
        self.encoder, self.decoder = train_vae.load(folder)
        if (folder / "decoder.pt").exists():
            self.decoder.load_state_dict(torch.load(folder / "decoder.pt", weights_only=True))
        flow = torch.load(folder / "flow.pt", weights_only=True)
        self.steps, self.mean, self.spread = flow["steps"], flow["mean"], (flow["variance"] + EPS).sqrt()
        self.painter, self.text = Painter().eval(), TextEncoder()
        self.painter.load_state_dict(flow["average"])
        self.text.load_state_dict(torch.load(folder / "text.pt", weights_only=True))
        self._reader = train_text.Reader(Tokenizer.from_file(str(folder / "tokenizer" / "tokenizer.json")))

    @torch.no_grad()
    def read(self, prompts: Sequence[str]) -> Tensor:
        """Return the codes of prompts."""
        tokens, lengths = self._reader.tokens(list(prompts), 0)
        return train_text.slots(self.text(tokens, lengths), lengths)[..., : code.WIDTH]

    @torch.no_grad()
    def latents(self, codes: Tensor, seed: int) -> Tensor:
        """Return clean packed latents, normalised."""
        x = torch.randn(len(codes), TOKENS_ACROSS**2, DEPTH, generator=torch.Generator().manual_seed(seed))
        levels = sigmas()
        for now, after in itertools.pairwise(levels):
            with torch.autocast("cpu", torch.bfloat16):
                moving = self.painter(x, codes, now.expand(len(x)))
            x = (x + (after - now) * moving).bfloat16().float()
        return x

    @torch.no_grad()
    def decode(self, latents: Tensor) -> list[Image.Image]:
        """Turn normalised packed latents into pictures."""
        shown = self.decoder(unpack(latents * self.spread + self.mean, TOKENS_ACROSS)).float()
        levels = shown.add(1).mul(127.5).round().clamp(0, 255).byte().permute(0, 2, 3, 1)
        return [Image.fromarray(np.ascontiguousarray(level)) for level in levels.numpy()]

    def draw(self, prompts: Sequence[str], seed: int) -> list[Image.Image]:
        """Draw prompts."""
        return self.decode(self.latents(self.read(prompts), seed))
