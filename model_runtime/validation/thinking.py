"""Whether a chat model can be asked to think. Reads the model's chat template and imports no library."""

from collections.abc import Mapping
from pathlib import Path

from model_runtime.catalog.chat_template import read_chat_template
from model_runtime.catalog.model import Model
from model_runtime.requests import Chat, Request
from model_runtime.validation.chat import TEXT_ENGINE

SWITCH = "thinking"
"""Part of the name of the template's variable: enable_thinking in most, thinking in some.

Source: `_infer_thinking_kwarg` of mlx_lm/tokenizer_utils.py.
"""


def thinking_warnings(request: Request, model: Model, folders: Mapping[str, Path]) -> tuple[str, ...]:
    """Return a warning if a chat asks a model to think that has no switch for that."""
    if not isinstance(request, Chat) or not request.enable_thinking or "model" not in folders:
        return ()
    template = read_chat_template(folders["model"], has_processor=model.engine != TEXT_ENGINE)
    if SWITCH in template.source:
        return ()
    return (
        f"Reasoning was asked for, but {model.name} has no switch for it: it thinks, or does not, as it was made to.",
    )
