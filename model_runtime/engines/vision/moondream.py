"""Moondream2 of 2025, as its reference implementation runs it.

mlx-vlm loads the weights; four things around them it does otherwise, so they are done here. Its tokenizer comes from a
folder instead of the network. The prompt is the token template that the model was trained on. The first token and the
picture are read in both directions. And the picture is cut and put together as in training (see `crops`).
"""

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mlx.core as mx
from mlx_vlm.utils import StoppingCriteria, load_model
from tokenizers import Tokenizer

from model_runtime.catalog.architecture import context_tokens
from model_runtime.engines.chat.sequence import Prompt
from model_runtime.engines.chat.special_tokens import Markers
from model_runtime.engines.checkpoint import check_words, loading
from model_runtime.engines.dtype import evaluate, held_bytes
from model_runtime.engines.vision.batch import VlmBatch
from model_runtime.engines.vision.bidirectional import TEXT, TwoWayReader
from model_runtime.engines.vision.feature_cache import FeatureCache
from model_runtime.engines.vision.tiling import Eye, cut, join
from model_runtime.errors import InvalidInput, LoadFailed
from model_runtime.loading import LoadSpec
from model_runtime.media.types import Picture
from model_runtime.requests import Chat

END = 0
"""Both the first token of a prompt and the end of an answer."""
QUESTION, ANSWER = (1, 15381, 2), (3,)
CAPTION = (1, 32708, 2, 6382, 3)
"""Token templates of the 2025-06-21 revision's config.py: a question between two, or a description without one."""
CHUNK_TOKENS = 2048
"""The whole context, because a picture can be attended in both directions only where it is read at once."""
PICTURE = 1
"""The number of the only picture, for the reader; the first token belongs to it."""


class MoondreamModel:
    """Answers questions about exactly one picture; earlier turns and system messages become part of the question."""

    end_tokens: tuple[int, ...] = (END,)

    def __init__(self, model: Any, tokenizer: Tokenizer, *, context_tokens: int, weights_bytes: int) -> None:
        sizes = model.config.vision_config
        self._eye = Eye(sizes.crop_size, sizes.patch_size, sizes.overlap_margin, sizes.max_crops)
        self._places = (END,) * (1 + self._eye.patches**2)
        self._model = model
        self._markers = Markers.of(tokenizer)
        self.features = FeatureCache()
        self.tokenizer = tokenizer
        self.context_tokens = context_tokens
        self.weights_bytes = weights_bytes

    def prepare(self, chat: Chat) -> Prompt:
        """Build the token template around the question, with a place for each patch of the picture.

        Raises:
            InvalidInput: there is no picture, or more than one.
        """
        parts = [part for message in chat.messages for part in message.content]
        pictures = [part for part in parts if isinstance(part, Picture)]
        if len(pictures) != 1:
            raise InvalidInput(
                f"Moondream2 looks at exactly one picture at a time, not {len(pictures)}.", param="messages"
            )
        question = "\n".join(part for part in parts if isinstance(part, str) and part)
        return Prompt([*self._places, *self._template(question)], {"picture": pictures[0]})

    def open_batch(self) -> VlmBatch:
        """Start a batch."""
        words = SimpleNamespace(stopping_criteria=StoppingCriteria([END]))
        return VlmBatch(TwoWayReader(self._model.text), words, self._embed, CHUNK_TOKENS)

    def _template(self, question: str) -> tuple[int, ...]:
        if not question:
            return CAPTION
        words = self.tokenizer.encode(self._markers.disarm(question), add_special_tokens=False).ids
        return (*QUESTION, *words, *ANSWER)

    def _embed(self, prompt: Prompt) -> Mapping[str, Any]:
        picture: Picture = prompt.inputs["picture"]
        words = self._model.text.model.embed_tokens(mx.array([prompt.tokens]))
        seen = self.features.get(picture, lambda: self._see(picture, words.dtype))
        embedded = mx.concatenate([words[:, :1], seen[None], words[:, 1 + seen.shape[0] :]], axis=1)
        blocks = [PICTURE] * len(self._places) + [TEXT] * (len(prompt.tokens) - len(self._places))
        return {"inputs_embeds": embedded, "blocks": blocks}

    def _see(self, picture: Picture, dtype: Any) -> mx.array:
        """Return the picture's features, patches² x width."""
        crops = cut(picture, self._eye)
        pixels = (mx.array(crops.pixels).astype(mx.float32) / 127.5 - 1).astype(dtype)
        return self._model.vision.proj_mlp(join(self._model.vision.encoder(pixels), crops, self._eye))


def open_model(spec: LoadSpec, folder: Path, config: Mapping[str, Any]) -> MoondreamModel:
    """Load Moondream2 from its folder and its tokenizer from the folder of the role "tokenizer".

    Raises:
        LoadFailed: the tokenizer is not there, or the weights are of an older revision.
    """
    if "tokenizer" not in spec.folders:
        raise LoadFailed(
            f"{spec.model} needs the tokenizer moondream/starmie-v1, which is not in its own repository. "
            "Use vlm-fast, or name both in config.toml."
        )
    with loading(spec.model, config):
        tokenizer = _open_words(spec.model, Path(spec.folders["tokenizer"]))
        model = evaluate(load_model(folder, lazy=True))
    return MoondreamModel(
        model,
        tokenizer,
        context_tokens=context_tokens(config, int(spec.options.get("context_tokens", 0))),
        weights_bytes=held_bytes(model),
    )


def _open_words(name: str, folder: Path) -> Tokenizer:
    tokenizer = check_words(name, Tokenizer.from_file(str(folder / "tokenizer.json")))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
