"""How much memory a model and its requests need, before anything is loaded.

Weights are exact, read from safetensors headers. The rest are upper bounds that were measured on the libraries of
this release; what a worker really holds replaces them after its first load.
"""

import math
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

from model_runtime.catalog.checkpoint_files import InvalidCheckpoint, read_header
from model_runtime.catalog.model import Model
from model_runtime.catalog.transformer_dims import CACHE_BLOCK_TOKENS, TransformerDims
from model_runtime.requests import DEFAULT_MAX_TOKENS, Chat, GenerateImage, Request, Speak, Task, Transcribe

MB = 1_000_000
PROCESS_OVERHEAD_BYTES: Mapping[Task, int] = {
    Task.VISION: 220 * MB,
    Task.TEXT: 180 * MB,
    Task.IMAGE: 200 * MB,
    Task.TRANSCRIPTION: 240 * MB,
    Task.SPEECH: 160 * MB,
}
"""Interpreter, libraries and tokenizer of a worker, by what its engine imports."""

STARTER_WORKING_BYTES = 100 * MB
DECODE_BYTES_PER_PIXEL = {"flux1-schnell": 2_900, "flux2-klein": 1_800, "z-image": 1_800}
"""Peak of decoding a picture: tiles for FLUX.1, strips for the others (2.9 and 1.8 GB for a megapixel)."""
DEFAULT_KV_BYTES_PER_TOKEN = 200_000
"""Of Moondream2, which has no grouped queries; for a model whose config.json names no sizes."""
IMAGE_TOKENS = 1500
IMAGE_ENCODING_BYTES = IMAGE_TOKENS * DEFAULT_KV_BYTES_PER_TOKEN
"""What encoding a picture takes while it is read, whatever the language model behind it."""
PREFILL_CHUNK_TOKENS = 512
"""How much of a prompt the engines read at once."""
TRANSCRIPTION_WORKING_BYTES = 400 * MB
SPEECH_WORKING_BYTES = 500 * MB
"""Kokoro takes 107 MB for a second of an utterance, which the engine ends after about four."""


def weights_bytes(folders: Mapping[str, Path], *, float32: bool = False) -> int:
    """Size of all weights in these folders, exact where they are safetensors.

    `in_full` counts half precision twice: engines widen it on a machine without a GPU.
    """
    patterns = ("**/*.safetensors", "**/*.npz")
    files = (file for folder in set(folders.values()) for pattern in patterns for file in folder.glob(pattern))
    return sum(_file_bytes(file, file.stat().st_mtime_ns, float32) for file in files)


def resident_bytes(model: Model, loaded_weights_bytes: int) -> int:
    """Memory of a loaded model while nothing runs on it."""
    return loaded_weights_bytes + PROCESS_OVERHEAD_BYTES[model.task]


def working_bytes(request: Request, model: Model, dims: TransformerDims | None = None, *, float32: bool = False) -> int:
    """Memory a running request takes on top; `decoder` are the sizes of a model that chats, where they are known.

    `in_full` says that the engine computes in full precision, without a GPU.
    """
    if model.starter:
        return STARTER_WORKING_BYTES
    match request:
        case GenerateImage(width=width, height=height):
            return width * height * DECODE_BYTES_PER_PIXEL.get(str(model.options.get("family")), 2_900)
        case Chat():
            return _chat_working_bytes(request, dims, float32)
        case Transcribe():
            return TRANSCRIPTION_WORKING_BYTES
        case Speak():
            return SPEECH_WORKING_BYTES


def _chat_working_bytes(request: Chat, dims: TransformerDims | None, float32: bool) -> int:
    """Keys and values of prompt and answer, the activations of a chunk of the prompt, and what pictures take."""
    image_count = sum(1 for message in request.messages for part in message.content if not isinstance(part, str))
    tokens = _estimate_context_tokens(request, image_count)
    if dims is None or not dims.layers:
        return tokens * DEFAULT_KV_BYTES_PER_TOKEN
    dtype_bytes = 4 if float32 else 2
    score_tokens = tokens if float32 else 0
    prefill_bytes = dims.prefill_bytes(
        min(tokens, PREFILL_CHUNK_TOKENS), score_tokens=score_tokens, dtype_bytes=dtype_bytes
    )
    return dims.kv_bytes(tokens, dtype_bytes=dtype_bytes) + prefill_bytes + image_count * IMAGE_ENCODING_BYTES


def _estimate_context_tokens(request: Chat, image_count: int) -> int:
    """Round up to blocks as the caches do; a token is three letters or more."""
    characters = sum(len(part) for message in request.messages for part in message.content if isinstance(part, str))
    answer_tokens = request.max_tokens or DEFAULT_MAX_TOKENS
    tokens = characters / 3 + IMAGE_TOKENS * image_count + answer_tokens
    return math.ceil(tokens / CACHE_BLOCK_TOKENS) * CACHE_BLOCK_TOKENS


@lru_cache(maxsize=256)
def _file_bytes(file: Path, modified_ns: int, float32: bool) -> int:
    """What a file's tensors take; a header is read again only after the file has changed (`changed_at`)."""
    if file.suffix != ".safetensors":
        return file.stat().st_size
    try:
        return sum(tensor.float32_bytes if float32 else tensor.size_bytes for _, tensor in read_header(file))
    except InvalidCheckpoint:
        return file.stat().st_size  # loading will say what is wrong with it
