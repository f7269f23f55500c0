"""What a picture was drawn from, as text for its metadata.

The text is the one of AUTOMATIC1111's web UI, which most galleries and tools read: the prompt, then one last line of
`Key: value` pairs (https://github.com/AUTOMATIC1111/stable-diffusion-webui, modules/infotext_utils.py).
"""

import json
import re
from contextlib import suppress
from dataclasses import dataclass

MAX_CHARACTERS = 20_000
"""A longer text is not read: it may be anything."""
MAX_LINE_CHARACTERS = 2_000
"""Nor is a longer last line: reading it takes time with its square, and other tasks wait meanwhile."""
_PAIR = re.compile(r'\s*(\w[\w /-]{0,99}):\s*("(?:\\.|[^\\"])*"|[^,]*)(?:,|$)')
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


@dataclass(frozen=True, slots=True)
class Provenance:
    """The parameters of a generated picture. `strength` is None for one that did not start from another picture."""

    prompt: str
    model: str
    seed: int
    steps: int
    width: int
    height: int
    strength: float | None = None


def format_provenance(provenance: Provenance) -> str:
    """Return the text for a picture's metadata."""
    pairs: dict[str, object] = {
        "Steps": provenance.steps,
        "Seed": provenance.seed,
        "Size": f"{provenance.width}x{provenance.height}",
        "Model": _quote(provenance.model),
    }
    if provenance.strength is not None:
        pairs["Denoising strength"] = provenance.strength
    line = ", ".join(f"{key}: {value}" for key, value in (pairs | {"Version": "Senses"}).items())
    return f"{provenance.prompt}\n{line}"


def parse_provenance(text: str) -> Provenance | None:
    """Return what a picture's metadata says, or None if it is not such a text or lacks a parameter."""
    prompt, _, line = text.rpartition("\n")
    if len(text) > MAX_CHARACTERS or len(line) > MAX_LINE_CHARACTERS or not prompt:
        return None
    with suppress(KeyError, ValueError):
        pairs = {key: _unquote(value) for key, value in _PAIR.findall(line)}
        size = _SIZE.fullmatch(pairs["Size"])
        width, height = map(int, size.groups()) if size else (0, 0)
        strength = float(pairs["Denoising strength"]) if "Denoising strength" in pairs else None
        seed, steps = int(pairs["Seed"]), int(pairs["Steps"])
        return Provenance(prompt, pairs["Model"], seed, steps, width, height, strength)
    return None


def _quote(value: str) -> str:
    return json.dumps(value, ensure_ascii=False) if re.search(r'[,:"\n]', value) else value


def _unquote(value: str) -> str:
    text = json.loads(value) if value.startswith('"') else value.strip()
    return str(text)
