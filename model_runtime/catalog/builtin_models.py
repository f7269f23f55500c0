"""The built-in aliases and the default models."""

import sysconfig
from collections.abc import Mapping
from pathlib import Path

from model_runtime.catalog.model import Model, ModelArtifact, OptionValue
from model_runtime.requests import Task

CHECKPOINT_FILES = "*.json *.safetensors *.txt *.jinja tokenizer* *.model"
STARTER_FOLDER = Path(__file__).parent.parent / "starter"

OCR_ENGINE = "rapidocr"
OCR_FOLDER = Path(sysconfig.get_path("purelib")) / "rapidocr" / "models"
"""PP-OCRv6 small (Apache-2.0), part of the wheel of rapidocr."""
OCR_DETECTOR, OCR_RECOGNIZER = "PP-OCRv6_det_small.onnx", "PP-OCRv6_rec_small.onnx"
"""The network that finds lines of text, and the one that reads them."""
MIN_FLUX_PIXELS = 100_000
"""FLUX.1 supports 0.1 to 2 megapixels (https://bfl.ai/blog/24-08-01-bfl). Smaller pictures are scaled from this."""
OCR_WINDOW_PIXELS = 2_700_000
"""Pixels that are searched for text at once: a screen of 2560 by 1600, which is shrunk to a width of 2048, fits."""


def _artifact(source: str, files: str, size_bytes: int, *, role: str = "model") -> ModelArtifact:
    """Return the files of a repository; `source` is REPOSITORY@REVISION, `files` are globs with blanks between them."""
    repo, _, revision = source.partition("@")
    return ModelArtifact(role, repo, revision, tuple(files.split()), size_bytes)


REAL_MODELS = (
    Model(
        "vlm-fast",
        Task.VISION,
        "mlx-vlm",
        "Moondream2: quick looks at one picture",
        (
            _artifact(
                "vikhyatk/moondream2@9a7d4024050840e001defacec2b00727e89149e6",
                "config.json *.safetensors",
                3_854_000_000,
            ),
            _artifact(
                "moondream/starmie-v1@35192e10a54e36eabe0a7cc57a2c1aab371cafc5",
                "tokenizer*",
                4_000_000,
                role="tokenizer",
            ),
        ),
        heavy=False,
        concurrency=4,
        licence="Apache-2.0",
    ),
    Model(
        "vlm-best",
        Task.VISION,
        "mlx-vlm",
        "Qwen2.5-VL 7B: reads text and detail, several pictures at once",
        (
            _artifact(
                "mlx-community/Qwen2.5-VL-7B-Instruct-4bit@fdcc572e8b05ba9daeaf71be8c9e4267c826ff9b",
                CHECKPOINT_FILES,
                5_650_000_000,
            ),
        ),
        concurrency=4,
        licence="Apache-2.0",
    ),
    Model(
        "image-gen",
        Task.IMAGE,
        "mflux",
        "FLUX.1-schnell: text to picture in four steps",
        (
            _artifact(
                "mflux-community/flux-1-schnell-mflux-q4@bcdbe817ad51175959b2e691e64eca626db30558",
                "*/*.json */*.safetensors */*.txt */*.model *.json",
                9_613_000_000,
            ),
        ),
        options={"family": "flux1-schnell", "min_pixels": MIN_FLUX_PIXELS},
        licence="Apache-2.0",
    ),
    Model(
        "image-fast",
        Task.IMAGE,
        "mflux",
        "FLUX.2-klein 4B: faster, smaller, also starts from a picture",
        (
            _artifact(
                "Runpod/FLUX.2-klein-4B-mflux-4bit@73dcaa322be48ea49374b32b4b23aab1a3e59b87",
                "*/*.json */*.safetensors */*.txt */*.jinja *.json",
                4_620_000_000,
            ),
        ),
        options={"family": "flux2-klein", "min_pixels": MIN_FLUX_PIXELS},
        licence="Apache-2.0",
    ),
    Model(
        "stt-fast",
        Task.TRANSCRIPTION,
        "mlx-whisper",
        "Whisper large-v3-turbo: near real time, 99 languages",
        (
            _artifact(
                "mlx-community/whisper-large-v3-turbo@a4aaeec0636e6fef84abdcbe3544cb2bf7e9f6fb",
                "*.json weights.*",
                1_620_000_000,
            ),
        ),
        heavy=False,
        concurrency=3,
        licence="MIT",
    ),
    Model(
        "stt-best",
        Task.TRANSCRIPTION,
        "mlx-whisper",
        "Whisper large-v3: most accurate, translates to English",
        (
            _artifact(
                "mlx-community/whisper-large-v3-mlx@49e6aa286ad60c14352c404340ded53710378a11",
                "*.json weights.*",
                3_100_000_000,
            ),
        ),
        concurrency=3,
        licence="Apache-2.0",
    ),
    Model(
        "tts-fast",
        Task.SPEECH,
        "mlx-audio",
        "Kokoro 82M: natural voices in six languages",
        (
            _artifact(
                "mlx-community/Kokoro-82M-bf16@a71e4d38b236d968966a2002c4c895dbd12b1c3c",
                "*.json *.safetensors voices/*.safetensors",
                360_000_000,
            ),
        ),
        heavy=False,
        concurrency=2,
        licence="Apache-2.0",
    ),
    Model(
        "tts-stream",
        Task.SPEECH,
        "mlx-audio",
        "Marvis 250M: speech that starts at once",
        (
            _artifact("Marvis-AI/marvis-tts-250m-v0.2@main", "*.json *.safetensors *.txt prompts/*", 1_150_000_000),
            _artifact(
                "kyutai/moshiko-pytorch-bf16@2bfc9ae6e89079a5cc7ed2a68436010d91a3d289",
                "tokenizer-e351c8d8-checkpoint125.safetensors",
                385_000_000,
                role="codec",
            ),
        ),
        heavy=False,
        licence="Apache-2.0, codec CC-BY-4.0",
    ),
    Model(
        "tts-multilingual",
        Task.SPEECH,
        "mlx-audio",
        "Qwen3-TTS 0.6B: Korean and nine more languages",
        (
            _artifact(
                "mlx-community/Qwen3-TTS-12Hz-0.6B-CustomVoice-8bit@049ef77fe8816b536193c0c25f9a214d17921282",
                "*.json *.safetensors *.txt speech_tokenizer/*",
                1_700_000_000,
            ),
        ),
        heavy=False,
        licence="Apache-2.0",
    ),
    Model(
        "llm-fast",
        Task.TEXT,
        "mlx-lm",
        "Llama 3.2 3B: short texts",
        (
            _artifact(
                "mlx-community/Llama-3.2-3B-Instruct-4bit@7f0dc925e0d0afb0322d96f9255cfddf2ba5636e",
                CHECKPOINT_FILES,
                1_820_000_000,
            ),
        ),
        heavy=False,
        concurrency=8,
        licence="Llama 3.2 Community License",
    ),
    Model(
        "llm-best",
        Task.TEXT,
        "mlx-vlm",
        "Gemma 3 12B: longer texts, also sees",
        (
            _artifact(
                "mlx-community/gemma-3-12b-it-4bit@86cc6a8dedbc456dd0e4af01a9d09f396f77e558",
                CHECKPOINT_FILES,
                8_070_000_000,
            ),
        ),
        concurrency=4,
        licence="Gemma Terms of Use",
    ),
    Model(
        "embed-small",
        Task.EMBEDDING,
        "mlx-vlm-embedding",
        "Qwen3-Embedding 0.6B: texts in more than 100 languages to vectors of up to 1024 numbers",
        (
            _artifact(
                "Qwen/Qwen3-Embedding-0.6B@97b0c614be4d77ee51c0cef4e5f07c00f9eb65b3",
                "*.json *.safetensors *.txt 1_Pooling/*.json",
                1_210_000_000,
            ),
        ),
        heavy=False,
        concurrency=8,
        options={"shortens_to": 32},
        licence="Apache-2.0",
    ),
)

STARTER_MODELS = (
    Model(
        "vlm-starter",
        Task.VISION,
        "mlx-vlm",
        "Built in: names, counts and places shapes, reads short words and numbers",
        heavy=False,
        concurrency=4,
        starter=True,
        path=str(STARTER_FOLDER / "vlm-starter"),
    ),
    Model(
        "image-starter",
        Task.IMAGE,
        "mflux",
        "Built in: draws one to three coloured shapes, 128 by 128 pixels",
        heavy=False,
        starter=True,
        options={"family": "flux2-klein", "native_side": 128},
        path=str(STARTER_FOLDER / "image-starter"),
    ),
    Model(
        "stt-starter",
        Task.TRANSCRIPTION,
        "mlx-whisper",
        "Built in: hears shapes, numbers, letters and everyday commands in English",
        heavy=False,
        starter=True,
        options={"trust_no_speech_probability": True, "ignore_previous_text": True},
        path=str(STARTER_FOLDER / "stt-starter"),
        concurrency=3,
    ),
    Model(
        "tts-starter",
        Task.SPEECH,
        "mlx-audio",
        "Built in: speaks short English sentences",
        heavy=False,
        starter=True,
        path=str(STARTER_FOLDER / "tts-starter"),
        concurrency=2,
    ),
)

OCR_MODEL = Model(
    "ocr-fast",
    Task.VISION,
    OCR_ENGINE,
    "Built in: reads the text of a picture, with the place of each line; Latin, Chinese and Japanese script",
    heavy=False,
    concurrency=2,
    path=str(OCR_FOLDER),
)
"""It answers only where it is named or text is asked for: it cannot describe a picture."""

SHIPPED_MODELS = (*STARTER_MODELS, OCR_MODEL)
"""Models that are installed with Senses."""
BUILTIN_MODELS = (*REAL_MODELS, *SHIPPED_MODELS)

EDIT_TIER = "edit"
"""Asks for an ability, not for a quality: a model that follows an instruction about a picture."""
ALIASES_BY_TIER: Mapping[Task, Mapping[str, tuple[str, ...]]] = {
    Task.VISION: {
        "auto": ("vlm-best", "vlm-fast"),
        "fast": ("vlm-fast",),
        "best": ("vlm-best",),
        "ocr": ("vlm-best", "ocr-fast"),
    },
    Task.TEXT: {"auto": ("llm-fast", "llm-best", "vlm-best"), "fast": ("llm-fast",), "best": ("llm-best",)},
    Task.IMAGE: {
        "auto": ("image-fast", "image-gen"),
        "fast": ("image-fast",),
        "best": ("image-gen",),
        EDIT_TIER: ("image-fast",),
    },
    Task.TRANSCRIPTION: {"auto": ("stt-fast", "stt-best"), "fast": ("stt-fast",), "best": ("stt-best",)},
    Task.SPEECH: {
        "auto": ("tts-fast", "tts-multilingual", "tts-stream"),
        "fast": ("tts-fast",),
        "stream": ("tts-stream",),
        "best": ("tts-multilingual",),
    },
    Task.EMBEDDING: {"auto": ("embed-small",), "fast": ("embed-small",), "best": ("embed-small",)},
}
"""Task → tier → aliases in order of preference. The first alias on this disk is used, or else reported as missing."""

STARTER_BY_TASK: Mapping[Task, str] = {
    Task.VISION: "vlm-starter",
    Task.TEXT: "vlm-starter",
    Task.IMAGE: "image-starter",
    Task.TRANSCRIPTION: "stt-starter",
    Task.SPEECH: "tts-starter",
}
"""No starter embeds: a tiny model would put wrong texts side by side, and nobody would see it."""


def licence_of(alias: str) -> str:
    """Return the licence of the weights of an alias; "" if it is not known."""
    return next((model.licence for model in BUILTIN_MODELS if model.name == alias), "")


def starter_options(alias: str) -> Mapping[str, OptionValue]:
    """Return the load options of a starter model."""
    return next(model.options for model in STARTER_MODELS if model.name == alias)
