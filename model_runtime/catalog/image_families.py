"""Families of image models, recognized by a module that only the transformer of each has."""

from collections.abc import Iterable
from pathlib import Path

from model_runtime.catalog.checkpoint_files import read_tensors
from model_runtime.catalog.foreign_files import InvalidCheckpoint
from model_runtime.catalog.model import Model

FLUX1, FLUX2, Z_IMAGE = "flux1-schnell", "flux2-klein", "z-image"
FAMILY_MODULES = {"double_stream_modulation_img": FLUX2, "noise_refiner": Z_IMAGE, "time_text_embed": FLUX1}
"""A module that only this family's transformer has → family."""
EDITING_FAMILIES = frozenset({FLUX2})
"""Families that look at pictures while they draw, and follow an instruction about them."""
EDIT_ABILITY = "edit"


def family_of(tensor_names: Iterable[str]) -> str:
    """Return the family whose transformer has these tensors, "" if none is known."""
    names = list(tensor_names)
    known = (family for module, family in FAMILY_MODULES.items() if any(name.startswith(module) for name in names))
    return next(known, "")


def can_edit(model: Model, folder: Path) -> bool:
    """Return whether an image model edits pictures. A starter has learnt to draw only.

    It reads headers of files; a checkpoint that cannot be read edits nothing.
    """
    if model.starter:
        return False
    try:
        return family_of(read_tensors(folder / "transformer")) in EDITING_FAMILIES
    except InvalidCheckpoint:
        return False
