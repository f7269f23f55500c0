"""The memory of a model and of its requests before anything was measured."""

from dataclasses import replace

import pytest

from model_runtime.catalog.memory_estimate import resident_bytes, working_bytes
from model_runtime.catalog.model import Model
from model_runtime.catalog.transformer_dims import TransformerDims
from model_runtime.media.types import Audio, ImageData
from model_runtime.requests import Chat, Embed, GenerateImage, Message, Request, Speak, Task, Transcribe

MB = 1_000_000
TEXT = Model("m", Task.TEXT, "mlx-lm", "")
PICTURE = ImageData(1, 1, b"abc")
DIMS = TransformerDims.from_config(
    {
        "model_type": "qwen2",
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 4,
        "num_attention_heads": 8,
        "num_key_value_heads": 8,
        "vocab_size": 1000,
        "max_position_embeddings": 128_000,
    }
)


def chat(characters: int, max_tokens: int, images: int = 0) -> Chat:
    """Return a chat of so many characters and pictures."""
    return Chat("m", (Message("user", ("a" * characters, *[PICTURE] * images)),), max_tokens=max_tokens)


@pytest.mark.parametrize(
    ("task", "megabytes"),
    [
        (Task.VISION, 220),
        (Task.TEXT, 180),
        (Task.IMAGE, 200),
        (Task.TRANSCRIPTION, 230),
        (Task.SPEECH, 160),
        (Task.EMBEDDING, 220),
    ],
)
def test_a_loaded_model_takes_its_weights_and_what_its_libraries_take(task: Task, megabytes: int) -> None:
    assert resident_bytes(replace(TEXT, task=task), 5) == megabytes * MB + 5


@pytest.mark.parametrize(
    ("request_", "options", "expected_bytes"),
    [
        (GenerateImage("m", "a", 64, 128, 1), {"family": "flux1-schnell"}, 64 * 128 * (2_900 + 12)),
        (GenerateImage("m", "a", 64, 128, 1), {"family": "flux2-klein"}, 64 * 128 * (1_800 + 12)),
        (GenerateImage("m", "a", 64, 128, 1), {"family": "z-image"}, 64 * 128 * (1_800 + 12)),
        (GenerateImage("m", "a", 64, 128, 1), {}, 64 * 128 * (2_900 + 12)),
        (Transcribe("m", Audio(16_000, b"")), {}, 400 * MB),
        (Speak("m", "a"), {}, 500 * MB),
    ],
    ids=range(6),
)
def test_each_task_takes_what_was_measured(request_: Request, options: dict[str, str], expected_bytes: int) -> None:
    assert working_bytes(request_, replace(TEXT, options=options)) == expected_bytes


def test_a_picture_takes_what_its_drawn_size_takes_and_what_its_own_takes() -> None:
    small, large = GenerateImage("m", "a", 32, 32, 1), GenerateImage("m", "a", 4096, 4096, 1)
    model = replace(TEXT, options={"family": "flux2-klein", "min_pixels": 100_000})

    assert working_bytes(small, model) == 320 * 320 * 1_800 + 32 * 32 * 12
    assert working_bytes(large, model) == 2000 * 2000 * 1_800 + 4096 * 4096 * 12


def test_references_take_what_their_tokens_take_and_the_largest_one_is_encoded() -> None:
    drawing = GenerateImage("m", "a", 64, 64, 1, references=(ImageData(128, 64, b""), ImageData(4096, 4096, b"")))
    model = replace(TEXT, options={"family": "flux2-klein"})

    expected = 2**20 * 1_800 + (128 * 64 + 2**20) * 400 + 64 * 64 * 12
    assert working_bytes(drawing, model) == expected
    assert working_bytes(replace(drawing, mask=PICTURE), model) == expected + 64 * 64 * 12


def test_texts_take_a_batch_of_them_and_their_vectors() -> None:
    words, page = Embed("m", ("word",) * 1000), Embed("m", ("word " * 6000,))

    taken = working_bytes(words, TEXT, DIMS)

    assert taken == DIMS.prefill_bytes(4096) + 3 * 4096 * 2 * 2 + 1000 * 1024 * 4
    assert working_bytes(page, TEXT, DIMS) == DIMS.prefill_bytes(8192) + 3 * 8192 * 8192 * 2 + 1024 * 4
    assert working_bytes(page, TEXT, DIMS, float32=True) > 8192 * 8192 * 8 * 4
    assert working_bytes(page, TEXT) == 500 * MB


def test_a_starter_takes_the_same_for_everything() -> None:
    starter = replace(TEXT, starter=True)

    assert working_bytes(Speak("m", "a"), starter) == working_bytes(chat(9999, 9999), starter) == 100 * MB


def test_a_chat_of_unknown_dimensions_takes_as_much_for_a_token_as_the_costliest_model() -> None:
    per_block = 256 * 200_000

    assert working_bytes(chat(3 * 156, 100), TEXT) == per_block
    assert working_bytes(chat(3 * 156 + 1, 100), TEXT) == 2 * per_block
    assert working_bytes(chat(3 * 36, 0 + 1500 - 1500 + 220, images=1), TEXT) == 7 * per_block


def test_a_chat_of_known_dimensions_takes_its_cache_and_one_chunk_of_the_prompt() -> None:
    assert DIMS is not None
    short, long = working_bytes(chat(0, 256), TEXT, DIMS), working_bytes(chat(0, 1024), TEXT, DIMS)

    assert short == DIMS.kv_bytes(256, dtype_bytes=2) + DIMS.prefill_bytes(256, score_tokens=0, dtype_bytes=2)
    assert long == DIMS.kv_bytes(1024, dtype_bytes=2) + DIMS.prefill_bytes(512, score_tokens=0, dtype_bytes=2)


def test_in_full_precision_a_chat_takes_more_and_the_scores_of_its_whole_context() -> None:
    assert DIMS is not None
    taken = working_bytes(chat(0, 1024), TEXT, DIMS, float32=True)

    assert taken == DIMS.kv_bytes(1024, dtype_bytes=4) + DIMS.prefill_bytes(512, score_tokens=1024, dtype_bytes=4)


def test_each_picture_takes_its_tokens_and_its_encoder() -> None:
    assert DIMS is not None
    one, two = (working_bytes(chat(0, 36, images=number), TEXT, DIMS) for number in (1, 2))

    assert two - one == DIMS.kv_bytes(3072 + 0, dtype_bytes=2) - DIMS.kv_bytes(1536, dtype_bytes=2) + 1500 * 200_000
