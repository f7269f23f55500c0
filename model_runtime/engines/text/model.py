"""Chats with text models, on mlx-lm."""

from typing import Any

import mlx_lm
from tokenizers import Tokenizer

from model_runtime.catalog.architecture import context_tokens
from model_runtime.engines.chat.engine import MAX_ROWS, ChatEngine
from model_runtime.engines.chat.sequence import Prompt
from model_runtime.engines.chat.special_tokens import Markers
from model_runtime.engines.checkpoint import check_words, loading, open_checkpoint
from model_runtime.engines.dtype import evaluate, held_bytes
from model_runtime.engines.protocol import Report
from model_runtime.engines.text.batch import TextBatch
from model_runtime.engines.text.kv_cache import can_batch
from model_runtime.engines.text.prefill import whole_tokens
from model_runtime.engines.text.prefix_cache import Prefixes, limit_bytes
from model_runtime.errors import InvalidInput
from model_runtime.loading import LoadSpec
from model_runtime.requests import Chat


class TextEngine(ChatEngine):
    """Llama, Gemma and whatever else mlx-lm loads."""

    def __init__(self) -> None:
        super().__init__(open_text_model)


class TextModel:
    """A model of mlx-lm with its tokenizer and chat template."""

    def __init__(self, model: Any, words: Any, *, context_tokens: int, weights_bytes: int) -> None:
        self._model = model
        self._words = words
        self.tokenizer: Tokenizer = words.backend_tokenizer
        self.end_tokens = tuple(sorted(words.eos_token_ids))
        self.context_tokens = context_tokens
        self.weights_bytes = weights_bytes
        self._markers = Markers.of(self.tokenizer)
        self._prefixes = Prefixes(model, limit_bytes(weights_bytes))
        self._max_rows = MAX_ROWS if can_batch(model) else 1
        self._whole_tokens = whole_tokens(model)

    def prepare(self, chat: Chat) -> Prompt:
        """Write the chat with the model's template; a model without one reads the texts as they are."""
        messages = [{"role": message.role, "content": self._text(message.content)} for message in chat.messages]
        if self._words.chat_template is None:
            return Prompt(self._words.encode("\n".join(message["content"] for message in messages)))
        tokens = self._words.apply_chat_template(
            messages, add_generation_prompt=True, tokenize=True, return_dict=False, enable_thinking=False
        )
        return Prompt(list(tokens))

    def open_batch(self) -> TextBatch:
        """Start a batch."""
        return TextBatch(
            self._model,
            self.end_tokens,
            self._prefixes,
            max_rows=self._max_rows,
            whole_tokens=self._whole_tokens,
        )

    def _text(self, content: tuple[object, ...]) -> str:
        if not all(isinstance(part, str) for part in content):
            raise InvalidInput("This model reads text only. Send pictures to a vision model.", param="messages")
        return self._markers.disarm("\n".join(map(str, content)))


def open_text_model(spec: LoadSpec, _report: Report) -> TextModel:
    """Load a checkpoint that mlx-lm knows.

    Raises:
        LoadFailed: it is broken, of another family, or wants code of its own to run.
    """
    folder, config = open_checkpoint(spec)
    with loading(spec.model, config):
        model, words = mlx_lm.load(str(folder), lazy=True)
        check_words(spec.model, getattr(words, "backend_tokenizer", None))
        evaluate(model)
    return TextModel(
        model,
        words,
        context_tokens=context_tokens(config, int(spec.options.get("context_tokens", 0))),
        weights_bytes=held_bytes(model),
    )
