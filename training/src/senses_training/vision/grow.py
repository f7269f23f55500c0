"""Carry what a run has learned into a new one with a larger world: `python -m senses_training.vision.grow OLD NEW`.

Tokens, shapes and everything else known by name keep their weights; what is new starts small. The new run then trains as
usual, with fresh optimizers.
"""

import argparse
from pathlib import Path

import torch
from tokenizers import Tokenizer
from torch import Tensor

from senses_training.vision.glance import NAMES
from senses_training.vision.network import Shape
from senses_training.vision.prints import find_fonts
from senses_training.vision.reserve import Split
from senses_training.vision.train import Run, prepare_tokenizer, write_shape

EMBEDDING = "model.embed_tokens.weight"
OLD_NAMES = ("", "circle", "square", "triangle", "star", "heart", *"0123456789")
"""What the tokens of the five-shape world were named."""


def carry(old: Tensor, new: Tensor, old_names: list[str], new_names: list[str]) -> None:
    """Copy rows whose names are in both."""
    rows = {name: row for row, name in enumerate(old_names)}
    for row, name in enumerate(new_names):
        if name in rows:
            new[row] = old[rows[name]]


def vocabulary(tokenizer: Tokenizer) -> list[str]:
    """List the tokens by their numbers."""
    return [token for token, _ in sorted(tokenizer.get_vocab().items(), key=lambda pair: pair[1])]


@torch.no_grad()
def grow(old: Path, new: Path, tokenizer: Tokenizer) -> None:
    """Write the state of a new run at its first step."""
    run = Run(new, Shape(tokenizer.get_vocab_size()), seed=1)
    state = torch.load(old / "state.pt")
    known, before = vocabulary(tokenizer), vocabulary(Tokenizer.from_file(str(old / "tokenizer.json")))
    for name, value in run.model.state_dict().items():
        if name == EMBEDDING:
            carry(state["average"][name], value, before, known)
        else:
            value.copy_(state["average"][name])
    heads = run.glance.state_dict()
    for name, value in state["glance"].items():
        if name.startswith("names."):
            carry(value, heads[name], list(OLD_NAMES), list(NAMES))
        else:
            heads[name].copy_(value)
    run.average.weights = {name: value.clone() for name, value in run.model.state_dict().items()}
    run.save()


def main() -> None:
    """Grow from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("old", type=Path, help="the folder of the finished run")
    parser.add_argument("new", type=Path, help="the folder of the run to start")
    parser.add_argument("--fonts", type=Path, default=Path("/usr/share/fonts"), help="a folder of .ttf and .otf files")
    options = parser.parse_args()
    options.new.mkdir(parents=True, exist_ok=True)
    tokenizer = prepare_tokenizer(options.new, find_fonts(options.fonts, Split.TRAINING))
    write_shape(options.new, Shape(tokenizer.get_vocab_size()))
    grow(options.old, options.new, tokenizer)


if __name__ == "__main__":
    main()
