"""The vision engine: chats with pictures on mlx-vlm."""

from collections.abc import Mapping
from typing import Any

import mlx.core as mx
import mlx_vlm
from mlx_vlm.utils import prepare_inputs, should_add_special_tokens
from PIL import Image
from tokenizers import Tokenizer
from transformers import logging

from model_runtime.catalog.chat_template import ChatTemplate, read_chat_template
from model_runtime.catalog.transformer_dims import context_tokens
from model_runtime.engines.chat.answer_format import find_answer_format
from model_runtime.engines.chat.engine import ChatEngine, ChatModel
from model_runtime.engines.chat.sequence import Prompt
from model_runtime.engines.chat.special_tokens import SpecialTokens
from model_runtime.engines.chat.template_messages import TemplateMessages
from model_runtime.engines.checkpoint import open_checkpoint, require_tokenizer, translate_load_errors
from model_runtime.engines.dtype import evaluate_weights, weight_bytes
from model_runtime.engines.protocol import LoadReporter
from model_runtime.engines.template_limit import limit_template
from model_runtime.engines.vision import moondream
from model_runtime.engines.vision.batch import PREFILL_CHUNK_TOKENS, VisionBatch
from model_runtime.engines.vision.bidirectional import BidirectionalLanguageModel, label_image_tokens
from model_runtime.engines.vision.feature_cache import VisionFeatureCache
from model_runtime.engines.vision.image_encoders import IMAGE_ENCODERS
from model_runtime.errors import LoadFailed
from model_runtime.loading import LoadSpec
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat, Message

logging.set_verbosity_error()  # mlx-vlm calls transformers with deprecated arguments, which it warns of at every chat

MAX_PIXELS = 1_500_000
"""Size limit of a picture. Qwen's own is 12.8 megapixels, which is 16 000 tokens and seconds of work for a screenshot
that is as legible at this size."""
BIDIRECTIONAL_MODEL_TYPE = "gemma3"
"""The family that mlx-vlm runs with causal attention within pictures, unlike its training (Gemma 4 is correct)."""


class VisionEngine(ChatEngine):
    """The engine for Qwen2.5-VL, Gemma 3 and 4, Moondream2 and the other families that mlx-vlm loads and batches."""

    def __init__(self) -> None:
        super().__init__(load_vision_model)


class VisionModel:
    """A model of mlx-vlm with its processor, which holds tokenizer, chat template and picture preparation."""

    def __init__(
        self, model: Any, processor: Any, *, context_tokens: int, weights_bytes: int, template: ChatTemplate
    ) -> None:
        self._model = model
        self._processor = processor
        self.tokenizer: Tokenizer = processor.tokenizer.backend_tokenizer
        self.eos_token_ids = tuple(processor.tokenizer.stopping_criteria.eos_token_ids)
        self.context_tokens = context_tokens
        self.weights_bytes = weights_bytes
        self.feature_cache = VisionFeatureCache()
        self._model_type = model.config.model_type
        self._sliding_window_tokens = int(
            getattr(model.config.text_config, "sliding_window", None) or PREFILL_CHUNK_TOKENS
        )
        self.answer_format = find_answer_format(self.tokenizer, template)
        self._special_tokens = SpecialTokens.from_tokenizer(self.tokenizer)
        self._template_messages = TemplateMessages(self.answer_format.tools, self._special_tokens)

    def build_prompt(self, chat: Chat) -> Prompt:
        """Format the chat and its tools with the model's template, unless it is a raw text, and preprocess its pictures.

        Raises:
            JobFailed: the template does not end.
        """
        pictures = [part for message in chat.messages for part in message.content if isinstance(part, ImageData)]
        text = chat.raw_text if chat.is_raw else self._format(chat, len(pictures))
        inputs = prepare_inputs(
            self._processor,
            images=[*map(_to_pillow, pictures)] or None,
            prompts=text,
            image_token_index=getattr(self._model.config, "image_token_index", None),
            add_special_tokens=should_add_special_tokens(self._model_type, self._processor),
        )
        tokens = inputs["input_ids"].squeeze(0).tolist()
        return Prompt(tokens, {**inputs, "pictures": pictures}, self._processed_sizes(inputs))

    def _format(self, chat: Chat, picture_count: int) -> str:
        messages = self._template_messages.convert(chat, [*map(self._template_content, chat.messages)])
        tools = self._template_messages.tools(chat)
        options = {"tools": tools} if tools else {}
        with limit_template():
            return str(
                mlx_vlm.apply_chat_template(
                    self._processor, self._model.config, messages, num_images=picture_count, **options
                )
            )

    def open_batch(self) -> VisionBatch:
        """Return a new, empty batch; Gemma 3 prefills a whole sliding window at once, so that no picture is split."""
        language_model = self._model.language_model
        if self._model_type == BIDIRECTIONAL_MODEL_TYPE:
            return VisionBatch(
                BidirectionalLanguageModel(language_model), self._processor, self._embed, self._sliding_window_tokens
            )
        return VisionBatch(language_model, self._processor, self._embed)

    def _processed_sizes(self, inputs: Mapping[str, Any]) -> tuple[tuple[int, int], ...]:
        """Return width and height in pixels of each picture after Qwen's processor, whose grid counts patches."""
        if "image_grid_thw" not in inputs:
            return ()
        patch_size = self._model.config.vision_config.patch_size
        return tuple(
            (columns * patch_size, rows * patch_size) for _, rows, columns in inputs["image_grid_thw"].tolist()
        )

    def _template_content(self, message: Message) -> Any:
        """Return the content of a message in the template's format: a text, or parts if it has pictures.

        A single picture goes first, as in the models' training; OpenAI's clients send it last. Several pictures keep
        their places between the texts, which may refer to them.
        """
        parts = [_template_part(part, self._special_tokens) for part in message.content]
        pictures = [part for part in parts if part["type"] == "image"]
        if len(pictures) == 1:
            parts.sort(key=lambda part: part["type"] != "image")
        return parts if pictures else "\n".join(part["text"] for part in parts)

    def _embed(self, prompt: Prompt) -> Mapping[str, Any]:
        """Return the embeddings of text and pictures, and the processor's other outputs for the language model."""
        inputs = dict(prompt.processor_inputs)
        tokens, mask = inputs.pop("input_ids"), inputs.pop("attention_mask", None)
        cached_features = self._encode_images(inputs.pop("pictures"), inputs)
        pixels = inputs.pop("pixel_values", None)
        embedded = self._model.get_input_embeddings(tokens, pixels, mask=mask, **inputs, **cached_features).to_dict()
        return inputs | self._image_ids(prompt) | {name: value for name, value in embedded.items() if value is not None}

    def _image_ids(self, prompt: Prompt) -> dict[str, tuple[int, ...]]:
        """Return the image ids of a prompt, or none if it exceeds the window: it then has mlx-vlm's causal mask."""
        if self._model_type != BIDIRECTIONAL_MODEL_TYPE or len(prompt.token_ids) > self._sliding_window_tokens:
            return {}
        return {"image_ids": label_image_tokens(prompt.token_ids, self._model.config.image_token_index)}

    def _encode_images(self, pictures: list[ImageData], inputs: Mapping[str, Any]) -> Mapping[str, mx.array]:
        encoder = IMAGE_ENCODERS.get(self._model_type)
        if encoder is None or not pictures:
            return {}
        encode_calls = encoder(self._model, inputs)
        features = [
            self.feature_cache.get_or_compute(picture, call)
            for picture, call in zip(pictures, encode_calls, strict=True)
        ]
        return {"cached_image_features": mx.concatenate(features, axis=-2)}


def load_vision_model(spec: LoadSpec, report_progress: LoadReporter) -> ChatModel:
    """Load a checkpoint of a family that mlx-vlm supports.

    Raises:
        LoadFailed: it is broken, of an unsupported family, has no vision tower, or asks for its own code to be run.
    """
    folder, config = open_checkpoint(spec)
    if str(config.get("model_type", "")).startswith("moondream"):
        return moondream.load_moondream(spec, folder, config)
    if not config.get("vision_config"):
        raise LoadFailed(
            f"{spec.model} is not a vision model: its config.json describes {config.get('model_type')!r} without a "
            "vision_config. Use the engine mlx-lm for text models."
        )
    with translate_load_errors(spec.model, config):
        model, processor = mlx_vlm.load(str(folder), lazy=True, trust_remote_code=False)
        _require_chat_model(spec.model, model, processor)
        if spec.evaluate:
            evaluate_weights(model)
    _limit_pixels(processor, int(spec.options.get("max_pixels", MAX_PIXELS)))
    return VisionModel(
        model,
        processor,
        context_tokens=context_tokens(config, int(spec.options.get("context_tokens", 0))),
        weights_bytes=weight_bytes(model),
        template=read_chat_template(folder, has_processor=True),
    )


def _require_chat_model(model_name: str, model: Any, processor: Any) -> None:
    """Raise `LoadFailed` for a model that mlx-vlm loads but cannot chat with."""
    # mlx-vlm drops a vision tower without weights and only prints a warning.
    if any(getattr(model, tower, model) is None for tower in ("vision_tower", "vision_model", "vision")):
        raise LoadFailed(
            f"The checkpoint of {model_name} has no tensors of its vision tower. Download the model again."
        )
    if not (hasattr(model, "language_model") and hasattr(model, "get_input_embeddings")):
        raise LoadFailed(f"The family of {model_name} does not support chat. Choose a vision-language model.")
    require_tokenizer(model_name, getattr(getattr(processor, "tokenizer", None), "backend_tokenizer", None))


def _limit_pixels(processor: Any, max_pixels: int) -> None:
    """Lower the size limit of pictures, for processors that have one; a smaller limit in the checkpoint is kept."""
    image_processor = getattr(processor, "image_processor", None)
    checkpoint_limit = getattr(image_processor, "max_pixels", None)
    if image_processor is not None and isinstance(checkpoint_limit, int):
        image_processor.max_pixels = max(min(checkpoint_limit, max_pixels), image_processor.min_pixels)


def _template_part(part: str | ImageData, special_tokens: SpecialTokens) -> dict[str, str]:
    if isinstance(part, ImageData):
        return {"type": "image"}
    return {"type": "text", "text": special_tokens.escape(part)}


def _to_pillow(picture: ImageData) -> Image.Image:
    return Image.frombytes("RGB", (picture.width, picture.height), picture.rgb)
