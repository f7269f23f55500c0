"""Load a text encoder of mlx-vlm with its tokenizer, in the folder layout of sentence-transformers.

That layout is https://www.sbert.net/docs/sentence_transformer/usage/custom_models.html: `1_Pooling/config.json` says how
the vectors of the tokens become one, `sentence_bert_config.json` how many tokens the model was trained to read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx_vlm.embedding_loader import load_embedding_model
from mlx_vlm.models.pooling import read_pooling_config
from tokenizers import Tokenizer

from model_runtime.catalog.foreign_files import count_at, is_there, read_json_object, string_at
from model_runtime.catalog.memory_estimate import MAX_EMBEDDED_TOKENS
from model_runtime.engines.checkpoint import describe_error, open_checkpoint, require_tokenizer, translate_load_errors
from model_runtime.engines.dtype import evaluate_weights, weight_bytes
from model_runtime.errors import JobFailed, LoadFailed
from model_runtime.loading import LoadSpec

SENTENCE_CONFIG = "sentence_bert_config.json"
POSITIONS_AFTER_PADDING = frozenset({"xlm-roberta", "roberta"})
"""Families whose first position is the one after the padding token's id."""


class TextEncoder:
    """A loaded encoder. `dimensions` is the length of its vectors, `max_tokens` the most tokens of one text."""

    def __init__(self, name: str, model: Any, tokenizer: Tokenizer, *, max_tokens: int) -> None:
        self._name = name
        self._model = model
        self._tokenizer = tokenizer
        self._padding_id = int(getattr(model.config, "pad_token_id", None) or 0)
        self.max_tokens = max_tokens
        self.weights_bytes = weight_bytes(model)
        _, self.dimensions = self.embed(self.tokenize(["a"])).shape

    def tokenize(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of each text, with those that the model wants at its ends."""
        return [encoding.ids for encoding in self._tokenizer.encode_batch(list(texts))]

    def embed(self, rows: Sequence[Sequence[int]]) -> np.ndarray:
        """Return the vector of each row of token ids: float32 of shape (rows, dimensions), each of length 1.

        Raises:
            JobFailed: a vector is not finite, or has no direction.
        """
        width = max(map(len, rows))
        tokens = np.array([[*row, *[self._padding_id] * (width - len(row))] for row in rows], np.int32)
        mask = np.array([[1] * len(row) + [0] * (width - len(row)) for row in rows], np.int32)
        output = self._model(mx.array(tokens), attention_mask=mx.array(mask)).text_embeds
        vectors = np.array(output.astype(mx.float32))
        return normalized(vectors, self._name)


def normalized(vectors: np.ndarray, model_name: str) -> np.ndarray:
    """Return vectors (rows, dimensions) with the length 1.

    Raises:
        JobFailed: a vector is not finite, or has no direction.
    """
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    if not (np.isfinite(lengths) & (lengths > 0)).all():
        raise JobFailed(f"{model_name} produced an invalid vector (NaN, infinity or zero). Change the text.")
    return np.asarray(vectors / lengths, np.float32)


def load_text_encoder(spec: LoadSpec) -> TextEncoder:
    """Return the encoder of a checkpoint, evaluated and tried with one text.

    Raises:
        LoadFailed: the checkpoint is broken, of an unsupported family, or has several vectors for one text.
    """
    folder, config = open_checkpoint(spec)
    with translate_load_errors(spec.model, config):
        model = evaluate_weights(load_embedding_model(folder, lazy=True))
        model.pooling_config = read_pooling_config(folder)
        tokenizer = require_tokenizer(spec.model, read_tokenizer(folder))
        try:
            return TextEncoder(spec.model, model, tokenizer, max_tokens=max_tokens_of(folder, config))
        except (AttributeError, ValueError, JobFailed) as error:
            raise LoadFailed(
                f"{spec.model} does not make one vector of a text ({describe_error(error)}). Choose another model."
            ) from error


def read_tokenizer(folder: Path) -> Tokenizer | None:
    """Return the tokenizer of a folder, which neither pads nor cuts off; None if there is none."""
    file = folder / "tokenizer.json"
    if not is_there(file):
        return None
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer


def max_tokens_of(folder: Path, config: Mapping[str, Any]) -> int:
    """Return the most tokens of one text: those that the model has positions for and was trained to read."""
    limits = [MAX_EMBEDDED_TOKENS, count_at(config, "max_position_embeddings")]
    if string_at(config, "model_type") in POSITIONS_AFTER_PADDING:
        limits[1] -= count_at(config, "pad_token_id") + 1
    if is_there(folder / SENTENCE_CONFIG):
        limits.append(count_at(read_json_object(folder / SENTENCE_CONFIG), "max_seq_length"))
    return min(limit for limit in limits if limit > 0)
