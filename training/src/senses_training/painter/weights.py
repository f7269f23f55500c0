"""Write all trained weights as mflux stores them.

`python -m senses_training.painter.weights FOLDER` makes weights.safetensors.

This half of the export knows torch; `senses_training.painter.export` is the half that knows MLX.
"""

import argparse
import math
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from senses_training.painter.vae import EPS

MFLUX_EPS = 1e-6
SCALE = math.sqrt(MFLUX_EPS / EPS)
"""Shrinks what passes through the picture coder, so that mflux's GroupNorm does what ours does with `EPS`."""


def collect(folder: Path) -> dict[str, Tensor]:
    """Return tensors by mflux's names, each after the name of its part; convolutions have their channels last."""
    vae, flow = _load(folder / "vae.pt"), _load(folder / "flow.pt")
    sharper = folder / "decoder.pt"
    halves = {"encoder": vae["encoder"], "decoder": _load(sharper) if sharper.exists() else vae["decoder"]}
    coder = {f"vae.{half}.{name}": value for half, weights in halves.items() for name, value in weights.items()}
    named = {name: _scaled(name, value) for name, value in coder.items()}
    named |= {f"transformer.{name}": value for name, value in flow["average"].items()}
    named |= {f"text_encoder.{name}": value for name, value in _load(folder / "text.pt").items()}
    named |= {"vae.bn.running_mean": flow["mean"], "vae.bn.running_var": flow["variance"]}
    return {name: _channels_last(value.float()) for name, value in named.items()}


def _load(path: Path) -> dict[str, Any]:
    return dict(torch.load(path, weights_only=True))


def _scaled(name: str, value: Tensor) -> Tensor:
    """Scale all that adds to the stream that residual blocks share, or is normalised."""
    makes_stream = ".conv1." in name or ".conv2." in name or name.endswith(("conv_in.weight", "conv_in.bias"))
    shifts_stream = name.endswith(".bias") and ("conv_shortcut" in name or "samplers" in name)
    return value * SCALE if makes_stream or shifts_stream else value


def _channels_last(value: Tensor) -> Tensor:
    return (value.permute(0, 2, 3, 1) if value.ndim == 4 else value).contiguous()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    save_file(collect(arguments.folder), arguments.folder / "weights.safetensors")
