"""What the result of a starter says first: what little that model knows, and which model to download instead."""

from collections.abc import Mapping
from functools import cache

from mcp_server.launcher.commands import absolute_senses_command
from model_runtime.catalog.builtin_models import OCR_MODEL, REAL_MODELS, STARTER_MODELS
from model_runtime.requests import Task
from model_runtime.sizes import format_bytes

LIMITS: Mapping[Task, str] = {
    Task.VISION: "only knows coloured shapes, so what it says of any other picture is wrong. What ocr-fast read in the "
    "picture is right.",
    Task.IMAGE: "only draws one to three coloured shapes, whatever it is asked for.",
    Task.TRANSCRIPTION: "only knows shapes, numbers, letters and everyday commands in English, so what it hears in any "
    "other speech is wrong.",
    Task.SPEECH: "only speaks short English sentences; it spells or slurs other words.",
}
"""What a starter cannot do, by its task."""


@cache
def starter_notice(model_name: str) -> str:
    """Return the notice for a result of this starter."""
    task = next(model.task for model in STARTER_MODELS if model.name == model_name)
    real = min(
        (model for model in REAL_MODELS if model.task is task and model is not OCR_MODEL),
        key=lambda model: model.download_bytes,
    )
    return (
        f"{model_name} is a tiny built-in model that {LIMITS[task]} Tell the user so. {real.name} is a real one: "
        f'download_model(model="{real.name}") or `{absolute_senses_command()} pull {real.name}` brings its '
        f"{format_bytes(real.download_bytes)} ({real.licence}), once the user agrees."
    )
