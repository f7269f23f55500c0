"""Moondream2 of 2025, run as in its reference implementation, https://github.com/vikhyat/moondream.

mlx-vlm loads the weights but differs from the reference in four points, which this module corrects: the tokenizer comes
from a folder instead of the network; the prompt is the token template of the training; attention is bidirectional
within the first token and the picture; and the picture is tiled as in training (see `tiling`).
"""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
from mlx_vlm.utils import StoppingCriteria, load_model
from tokenizers import Tokenizer

from model_runtime.catalog.transformer_dims import context_tokens
from model_runtime.engines.chat.answer_format import NO_MARKS
from model_runtime.engines.chat.sequence import Prompt
from model_runtime.engines.chat.special_tokens import SpecialTokens
from model_runtime.engines.checkpoint import require_tokenizer, translate_load_errors
from model_runtime.engines.dtype import evaluate_weights, weight_bytes
from model_runtime.engines.vision.batch import VisionBatch
from model_runtime.engines.vision.bidirectional import TEXT_TOKEN, BidirectionalLanguageModel
from model_runtime.engines.vision.feature_cache import VisionFeatureCache
from model_runtime.engines.vision.tiling import CropConfig, merge_crop_features, overlap_crop_picture
from model_runtime.errors import InvalidInput, LoadFailed
from model_runtime.loading import LoadSpec
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat

BOS_EOS_TOKEN = 0
"""The first token of a prompt and the end of an answer."""
QUESTION_PREFIX, QUESTION_SUFFIX = (1, 15381, 2), (3,)
CAPTION_TEMPLATE = (1, 32708, 2, 6382, 3)
"""Token templates of config.py in revision 2025-06-21: around a question, or for a caption without a question."""
PREFILL_CHUNK_TOKENS = 2048
"""The whole context: bidirectional attention needs all tokens of the picture in one prefill step."""
IMAGE_ID = 1
"""The image id of the only picture and of the first token."""


class MoondreamModel:
    """A loaded Moondream2. It takes exactly one picture; all texts of the chat together are the question."""

    eos_token_ids: tuple[int, ...] = (BOS_EOS_TOKEN,)
    answer_format = NO_MARKS

    def __init__(self, model: Any, tokenizer: Tokenizer, *, context_tokens: int, weights_bytes: int) -> None:
        vision_config = model.config.vision_config
        self._crop_config = CropConfig(
            vision_config.crop_size, vision_config.patch_size, vision_config.overlap_margin, vision_config.max_crops
        )
        self._image_placeholders = (BOS_EOS_TOKEN,) * (1 + self._crop_config.patches_per_side**2)
        self._model = model
        self._special_tokens = SpecialTokens.from_tokenizer(tokenizer)
        self.feature_cache = VisionFeatureCache()
        self.tokenizer = tokenizer
        self.context_tokens = context_tokens
        self.weights_bytes = weights_bytes

    def build_prompt(self, chat: Chat) -> Prompt:
        """Return the token template with the question, and a placeholder token for each patch of the picture.

        Raises:
            InvalidInput: the chat has no picture or several.
        """
        parts = [part for message in chat.messages for part in message.content]
        pictures = [part for part in parts if isinstance(part, ImageData)]
        if len(pictures) != 1:
            raise InvalidInput(
                f"Moondream2 takes exactly one picture at a time, not {len(pictures)}. Send one picture for each "
                "question.",
                param="messages",
            )
        question = "\n".join(part for part in parts if isinstance(part, str) and part)
        return Prompt([*self._image_placeholders, *self._question_tokens(question)], {"picture": pictures[0]})

    def open_batch(self) -> VisionBatch:
        """Return a new, empty batch."""
        processor = SimpleNamespace(stopping_criteria=StoppingCriteria([BOS_EOS_TOKEN]))
        return VisionBatch(BidirectionalLanguageModel(self._model.text), processor, self._embed, PREFILL_CHUNK_TOKENS)

    def _question_tokens(self, question: str) -> tuple[int, ...]:
        if not question:
            return CAPTION_TEMPLATE
        token_ids = self.tokenizer.encode(self._special_tokens.escape(question), add_special_tokens=False).ids
        return (*QUESTION_PREFIX, *token_ids, *QUESTION_SUFFIX)

    def _embed(self, prompt: Prompt) -> Mapping[str, Any]:
        picture: ImageData = prompt.processor_inputs["picture"]
        token_embeddings = self._model.text.model.embed_tokens(mx.array([prompt.token_ids]))
        image_features = self.feature_cache.get_or_compute(
            picture, lambda: self._encode_picture(picture, token_embeddings.dtype)
        )
        embedded = mx.concatenate(
            [token_embeddings[:, :1], image_features[None], token_embeddings[:, 1 + image_features.shape[0] :]], axis=1
        )
        image_ids = [IMAGE_ID] * len(self._image_placeholders) + [TEXT_TOKEN] * (
            len(prompt.token_ids) - len(self._image_placeholders)
        )
        return {"inputs_embeds": embedded, "image_ids": image_ids}

    def _encode_picture(self, picture: ImageData, dtype: Any) -> mx.array:
        """Return the picture's features, (patches, width)."""
        crops = overlap_crop_picture(picture, self._crop_config)
        pixels = (mx.array(crops.pixels).astype(mx.float32) / 127.5 - 1).astype(dtype)
        return self._model.vision.proj_mlp(
            merge_crop_features(self._model.vision.encoder(pixels), crops, self._crop_config)
        )


def load_moondream(spec: LoadSpec, folder: Path, config: Mapping[str, Any]) -> MoondreamModel:
    """Load Moondream2 from its folder, and its tokenizer from the folder of the role "tokenizer".

    Raises:
        LoadFailed: the tokenizer is missing, or the weights are of an older revision.
    """
    if "tokenizer" not in spec.folders:
        raise LoadFailed(
            f"{spec.model} needs the tokenizer moondream/starmie-v1, which is not in its own repository. "
            "Use vlm-fast, or name both in config.toml."
        )
    with translate_load_errors(spec.model, config):
        tokenizer = _load_tokenizer(spec.model, Path(spec.folders["tokenizer"]))
        model = load_model(folder, lazy=True)
        if spec.evaluate:
            evaluate_weights(model)
    return MoondreamModel(
        model,
        tokenizer,
        context_tokens=context_tokens(config, int(spec.options.get("context_tokens", 0))),
        weights_bytes=weight_bytes(model),
    )


def _load_tokenizer(model_name: str, folder: Path) -> Tokenizer:
    tokenizer = require_tokenizer(model_name, Tokenizer.from_file(str(folder / "tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
