"""Estimate the memory of a model and its requests before the first load. Measurements replace the estimates later.

The size of the weights is exact, read from safetensors headers. The other numbers are upper bounds, measured with the
library versions in requirements.lock.
"""

import math
from bisect import bisect_right
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from model_runtime.catalog.builtin_models import OCR_ENGINE, OCR_WINDOW_PIXELS
from model_runtime.catalog.foreign_files import list_files
from model_runtime.catalog.model import Model
from model_runtime.catalog.transformer_dims import CACHE_BLOCK_TOKENS, TransformerDims
from model_runtime.catalog.weight_file import ONNX_SUFFIXES, WEIGHT_SUFFIXES, read_weight_file
from model_runtime.drawing_size import drawn_size
from model_runtime.requests import Chat, Embed, GenerateImage, Request, Speak, Task, Transcribe

MB = 1_000_000
PROCESS_OVERHEAD_BYTES: Mapping[Task, int] = {
    Task.VISION: 220 * MB,
    Task.TEXT: 180 * MB,
    Task.IMAGE: 200 * MB,
    Task.TRANSCRIPTION: 230 * MB,
    Task.SPEECH: 160 * MB,
    Task.EMBEDDING: 220 * MB,
}
"""Memory of a worker besides the weights: interpreter, libraries and tokenizer. For transcription it is between the 200 MB
of Whisper tiny.en and the 274 MB of Whisper base, measured on Linux after a job."""

OCR_OVERHEAD_BYTES = 160 * MB
"""The same for a worker that imports onnxruntime and no MLX."""
OCR_BYTES_PER_PIXEL = 220
OCR_WORKING_BYTES = 120 * MB
"""Activations of the detector by pixel, and all else that reading takes. Measured: 330 MB for 1280 by 800 pixels."""
MIN_OCR_PIXELS = 1_200_000
"""Smaller pictures are enlarged up to this."""

STARTER_WORKING_BYTES = 100 * MB
DECODE_BYTES_PER_PIXEL = {"flux1-schnell": 2_900, "flux2-klein": 1_800, "z-image": 1_800}
"""Peak memory of the VAE decoder, in tiles for FLUX.1 and in strips for the others."""
REFERENCE_BYTES_PER_PIXEL = 400
"""A reference of an edit adds a token for 256 pixels to each layer, and is encoded as the picture is decoded."""
MAX_REFERENCE_PIXELS = 1024 * 1024
"""mflux shrinks larger references to this."""
RESIZE_BYTES_PER_PIXEL = 12
"""The requested size in three bytes, Pillow's copy of it in four, and the PNG."""
DEFAULT_KV_BYTES_PER_TOKEN = 200_000
"""KV cache of Moondream2, which has no grouped-query attention. Used if config.json has no dimensions."""
IMAGE_TOKENS = 1500
"""Tokens of one image in a prompt, an upper bound."""
IMAGE_ENCODING_BYTES = IMAGE_TOKENS * DEFAULT_KV_BYTES_PER_TOKEN
"""Memory of the image encoder for one image."""
USUAL_ANSWER_TOKENS = 1024
"""Tokens reserved for an answer without a limit."""
MAX_RESERVED_ANSWER_TOKENS = 4096
"""The most that is reserved for an answer: agents ask for 32 000 tokens and take few. What a worker holds is measured."""
MIN_CONTEXT_TOKENS = 2048
PREFILL_CHUNK_TOKENS = 512
"""Prompt tokens that the engines process at once."""
MAX_EMBEDDED_TOKENS = 8192
"""The most tokens of one text that is embedded, as with OpenAI's models."""
EMBEDDING_BATCH_TOKENS = 4096
"""Tokens, with padding, that are embedded at once; a longer text is a batch of its own."""
EMBEDDING_WORKING_BYTES = 500 * MB
"""The same if config.json has no dimensions."""
TRANSCRIPTION_WORKING_BYTES = 400 * MB
SPEECH_WORKING_BYTES = 500 * MB
"""Kokoro takes 107 MB per second of a sentence, and the engine splits sentences after about four seconds."""


def weights_bytes(folders: Mapping[str, Path], *, float32: bool = False) -> int:
    """Return the size of all weights in these folders. `float32` means that engines widen half precision."""
    suffixes = (
        WEIGHT_SUFFIXES if any(list_files(folder, WEIGHT_SUFFIXES) for folder in folders.values()) else ONNX_SUFFIXES
    )
    files = (file for folder in set(folders.values()) for file in list_files(folder, suffixes))
    contents = [read_weight_file(file) for file in files]
    return sum(content.float32_bytes if float32 else content.size_bytes for content in contents)


def resident_bytes(model: Model, loaded_weights_bytes: int) -> int:
    """Return the memory of a loaded model without requests, in bytes."""
    overhead_bytes = OCR_OVERHEAD_BYTES if model.engine == OCR_ENGINE else PROCESS_OVERHEAD_BYTES[model.task]
    return loaded_weights_bytes + overhead_bytes


def working_bytes(request: Request, model: Model, dims: TransformerDims | None = None, *, float32: bool = False) -> int:
    """Return the memory that a running request takes on top of the loaded model, in bytes.

    `dims` are the dimensions of a chat model, if known. `float32` means that the engine computes in full precision.
    """
    if model.engine == OCR_ENGINE:
        return _ocr_working_bytes(request)
    if model.starter:
        return STARTER_WORKING_BYTES
    match request:
        case GenerateImage():
            return _drawing_bytes(request, model.options)
        case Chat():
            return _chat_working_bytes(request, dims, float32)
        case Transcribe():
            return TRANSCRIPTION_WORKING_BYTES
        case Speak():
            return SPEECH_WORKING_BYTES
        case Embed():
            return _embedding_bytes(request, dims, float32)


def _drawing_bytes(request: GenerateImage, options: Mapping[str, Any]) -> int:
    """Return the memory of the decoder for the size that is drawn, of references, and of the requested picture."""
    drawn_width, drawn_height = drawn_size(request.width, request.height, int(options.get("min_pixels", 0)))
    references = [min(picture.width * picture.height, MAX_REFERENCE_PIXELS) for picture in request.references]
    coded_pixels = max(drawn_width * drawn_height, *references, 0)
    decoder_bytes = coded_pixels * DECODE_BYTES_PER_PIXEL.get(str(options.get("family")), 2_900)
    kept_copies = 1 + (request.mask is not None)
    resized_bytes = RESIZE_BYTES_PER_PIXEL * request.width * request.height * kept_copies
    return decoder_bytes + REFERENCE_BYTES_PER_PIXEL * sum(references) + resized_bytes


def _embedding_bytes(request: Embed, dims: TransformerDims | None, float32: bool) -> int:
    """Return the size of the activations of one batch, of its mask, and of all vectors."""
    if dims is None or not dims.hidden_size:
        return EMBEDDING_WORKING_BYTES
    longest_tokens = math.ceil(max(map(len, request.texts)) / 3)
    row_tokens = min(longest_tokens, dims.served_tokens(), MAX_EMBEDDED_TOKENS)
    batch_tokens = max(row_tokens, EMBEDDING_BATCH_TOKENS)
    dtype_bytes = 4 if float32 else 2
    activation_bytes = dims.prefill_bytes(
        batch_tokens, score_tokens=row_tokens if float32 else 0, dtype_bytes=dtype_bytes
    )
    mask_bytes = 3 * batch_tokens * row_tokens * dtype_bytes
    return activation_bytes + mask_bytes + 4 * dims.hidden_size * len(request.texts)


def _ocr_working_bytes(request: Request) -> int:
    messages = request.messages if isinstance(request, Chat) else ()
    sizes = [part.width * part.height for message in messages for part in message.content if not isinstance(part, str)]
    pixels = min(max(MIN_OCR_PIXELS, *sizes, 0), OCR_WINDOW_PIXELS)
    return OCR_WORKING_BYTES + OCR_BYTES_PER_PIXEL * pixels


def _chat_working_bytes(request: Chat, dims: TransformerDims | None, float32: bool) -> int:
    """Return the size of the KV cache, the activations of one prompt chunk and the image encoder."""
    image_count = sum(1 for message in request.messages for part in message.content if not isinstance(part, str))
    tokens = _estimate_context_tokens(request, image_count)
    has_dims = dims is not None and dims.layers
    return _context_bytes(tokens, dims, float32) + (image_count * IMAGE_ENCODING_BYTES if has_dims else 0)


def _context_bytes(tokens: int, dims: TransformerDims | None, float32: bool) -> int:
    """Return the size of the KV cache of so many tokens, and the activations of one prompt chunk."""
    if dims is None or not dims.layers:
        return tokens * DEFAULT_KV_BYTES_PER_TOKEN
    dtype_bytes = 4 if float32 else 2
    score_tokens = tokens if float32 else 0  # attention is not fused on a CPU
    chunk_tokens = min(tokens, PREFILL_CHUNK_TOKENS)
    prefill_bytes = dims.prefill_bytes(chunk_tokens, score_tokens=score_tokens, dtype_bytes=dtype_bytes)
    return dims.kv_bytes(tokens, dtype_bytes=dtype_bytes) + prefill_bytes


def affordable_tokens(dims: TransformerDims, available_bytes: int, *, float32: bool = False) -> int:
    """Return the most tokens of a context, in whole cache blocks, whose memory fits into `available_bytes`.

    At least `MIN_CONTEXT_TOKENS`: a model whose memory does not even leave these is refused by the scheduler.
    """
    blocks = range(math.ceil(dims.served_tokens() / CACHE_BLOCK_TOKENS) + 1)
    fitting = bisect_right(
        blocks, available_bytes, key=lambda count: _context_bytes(count * CACHE_BLOCK_TOKENS, dims, float32)
    )
    return max((fitting - 1) * CACHE_BLOCK_TOKENS, MIN_CONTEXT_TOKENS)


def _estimate_context_tokens(request: Chat, image_count: int) -> int:
    """Return a bound of the tokens of prompt and answer, at three characters a token, in whole cache blocks."""
    characters = len(request.raw_text) + len(request.tool_text)
    answer_tokens = min(request.max_tokens or USUAL_ANSWER_TOKENS, MAX_RESERVED_ANSWER_TOKENS)
    tokens = characters / 3 + IMAGE_TOKENS * image_count + answer_tokens
    return math.ceil(tokens / CACHE_BLOCK_TOKENS) * CACHE_BLOCK_TOKENS
