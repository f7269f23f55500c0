"""The models that suites ask beside the starters: tiny ones, of which two say what is known in advance."""

from dataclasses import dataclass
from pathlib import Path

from model_runtime.catalog.builtin_models import STARTER_BY_TASK
from model_runtime.requests import Task

DEFAULTS = {**STARTER_BY_TASK, Task.TEXT: "scripted", Task.IMAGE: "painter", Task.TRANSCRIPTION: "listener"}
MODEL = '[models.{name}]\npath = "{path}"\n'


@dataclass(frozen=True, slots=True)
class TinyModels:
    """Lines of config.toml that name them, and what the model `scripted` answers to anything."""

    config: str
    scripted_answer: str


def write_models(folder: Path) -> TinyModels:
    """Write all into a folder.

    `scripted` answers chats of text. `random` says anything. `pictures` takes several of them. `listener` hears tones.
    `painter` draws noise. `agent` says the same as `scripted`, and reads tools. `embedder` makes vectors of texts.
    """
    from tests.checkpoints import (
        flux2_klein,
        llama,
        qwen25_vl,
        text_encoders,
        tone_whisper,
        tool_templates,
    )  # import MLX, which takes a second

    answer = llama.build_scripted(folder / "scripted")
    llama.build_scripted(folder / "agent")
    template = tool_templates.QWEN.replace("assistant\\n' }}{%- endif %}", "assistant\\n\\n' }}{%- endif %}")
    (folder / "agent" / "chat_template.jinja").write_text(template, encoding="utf-8")
    llama.build(folder / "random")
    qwen25_vl.build(folder / "pictures")
    tone_whisper.build(folder / "listener")
    flux2_klein.build(folder / "painter")
    text_encoders.build_bert(folder / "embedder")
    defaults = "".join(f'{task} = "{name}"\n' for task, name in DEFAULTS.items())
    tables = "".join(MODEL.format(name=one.name, path=one) for one in sorted(folder.iterdir()))
    return TinyModels(f"[defaults]\n{defaults}{tables}", answer)
