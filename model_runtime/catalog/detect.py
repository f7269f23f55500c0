"""Detect the task and engine of a model folder. Reads configuration files only, never weights."""

from pathlib import Path

from model_runtime.catalog.checkpoint_files import CONFIG_FILE, read_config, read_config_or_empty
from model_runtime.catalog.foreign_files import MAX_NAME_CHARACTERS, InvalidCheckpoint, is_there, string_at, strings_at
from model_runtime.catalog.model import Model, ModelArtifact
from model_runtime.errors import InvalidInput
from model_runtime.requests import Task

SPEECH_MODEL_TYPES = {"kokoro", "kitten_tts", "csm", "sesame", "marvis", "qwen3_tts"}
VISION_MODEL_TYPES = {"moondream1", "moondream2", "qwen2_5_vl", "gemma3", "gemma4"}
GROUNDING_MODEL_TYPES = {"qwen2_5_vl"}
"""Vision models that return coordinates in pixels."""
GROUNDING_TASKS = ("detect", "point")
OCR_TASKS = ("ocr",)
IMAGE_ENGINE = "mflux"
DIFFUSION_FOLDERS = ("transformer", "vae")

EMBEDDING_ENGINE = "mlx-vlm-embedding"
EMBEDDING_MODEL_TYPES = {
    "bert",
    "xlm-roberta",
    "modernbert",
    "qwen3",
    "gemma3_text",
    "lfm2",
    "ministral3",
    "llama_bidirec",
}
"""Families of which mlx-vlm makes one vector of a text."""
POOLING_FILE = Path("1_Pooling") / CONFIG_FILE
"""In the layout of sentence-transformers: how the vectors of the tokens become one. Only embedding models have it."""

CONCURRENCY_BY_TASK = {Task.VISION: 4, Task.TEXT: 8, Task.TRANSCRIPTION: 3, Task.EMBEDDING: 8}
"""Requests that a model runs at once: chats and texts in a batch, recordings in turns. Other models run one at a time."""
SPEECH_CONCURRENCY = 2
"""The same for a speech model whose texts take turns."""
SPEECH_TYPES_IN_TURNS = {"kokoro", "kitten_tts"}
"""Speech models that keep nothing of a text between two sentences; the others speak one text at a time."""


def detect_model(name: str, folder: Path, artifacts: tuple[ModelArtifact, ...] = ()) -> Model:
    """Return the model in `folder` under the name `name`.

    Raises:
        InvalidInput: no engine supports the files in `folder`.
    """
    task, engine = _detect_engine(name, folder)
    path = "" if artifacts else str(folder)
    concurrency = SPEECH_CONCURRENCY if _speaks_in_turns(task, folder) else CONCURRENCY_BY_TASK.get(task, 1)
    return Model(name, task, engine, f"Local model in {folder.name}", artifacts, concurrency=concurrency, path=path)


def supports_grounding(folder: Path) -> bool:
    """Return whether the vision model in `folder` returns coordinates."""
    return string_at(read_config_or_empty(folder), "model_type") in GROUNDING_MODEL_TYPES


def needs_picture(folder: Path) -> bool:
    """Return whether the vision model in `folder` answers no chat without a picture."""
    return string_at(read_config_or_empty(folder), "model_type").startswith("moondream")


def _speaks_in_turns(task: Task, folder: Path) -> bool:
    config = read_config_or_empty(folder)
    return task is Task.SPEECH and (str(config.get("model_type")) in SPEECH_TYPES_IN_TURNS or "istftnet" in config)


def _detect_engine(name: str, folder: Path) -> tuple[Task, str]:
    if is_there(folder / "model_index.json") or all(is_there(folder / part) for part in DIFFUSION_FOLDERS):
        return Task.IMAGE, IMAGE_ENGINE
    config = read_config_or_empty(folder)
    model_type = string_at(config, "model_type")
    if model_type in SPEECH_MODEL_TYPES or "istftnet" in config:
        return Task.SPEECH, "mlx-audio"
    if model_type == "whisper" or "n_audio_state" in config:
        return Task.TRANSCRIPTION, "mlx-whisper"
    if model_type in EMBEDDING_MODEL_TYPES and is_there(folder / POOLING_FILE):
        return Task.EMBEDDING, EMBEDDING_ENGINE
    if "vision_config" in config or model_type in VISION_MODEL_TYPES:
        return Task.VISION, "mlx-vlm"
    if any(architecture.endswith("ForCausalLM") for architecture in strings_at(config, "architectures")):
        return Task.TEXT, "mlx-lm"
    raise InvalidInput(
        f"{name} is not a model Senses can serve: {_config_problem(folder)}. "
        "Supported are vision and text models of mlx-vlm and mlx-lm, Whisper, Kokoro, Marvis, Qwen3-TTS, embedding models "
        "of sentence-transformers, and FLUX or Z-Image saved by mflux.",
        param="model",
        code="unsupported_model",
    )


def _config_problem(folder: Path) -> str:
    path = folder / CONFIG_FILE
    if not is_there(path):
        return f"{folder} has no config.json"
    try:
        config = read_config(folder)
    except InvalidCheckpoint as error:
        return f"{path} {error.reason}"
    model_type = str(config.get("model_type", ""))[:MAX_NAME_CHARACTERS]
    return f"its config.json has model_type {model_type!r}" if config else f"{path} is empty"
