"""The text engine: chats with text models on mlx-lm."""

from typing import Any

import mlx_lm
from tokenizers import Tokenizer

from model_runtime.catalog.chat_template import ChatTemplate, read_chat_template
from model_runtime.catalog.transformer_dims import context_tokens
from model_runtime.engines.chat.answer_format import find_answer_format
from model_runtime.engines.chat.engine import MAX_SEQUENCES, ChatEngine
from model_runtime.engines.chat.sequence import Prompt
from model_runtime.engines.chat.special_tokens import SpecialTokens
from model_runtime.engines.chat.template_messages import TemplateMessages
from model_runtime.engines.checkpoint import open_checkpoint, require_tokenizer, translate_load_errors
from model_runtime.engines.dtype import evaluate_weights, weight_bytes
from model_runtime.engines.protocol import LoadReporter
from model_runtime.engines.template_limit import limit_template
from model_runtime.engines.text.batch import TextBatch
from model_runtime.engines.text.kv_cache import is_batchable
from model_runtime.engines.text.prefill import single_pass_tokens
from model_runtime.engines.text.prefix_cache import PrefixCache, prefix_cache_limit_bytes
from model_runtime.errors import InvalidInput
from model_runtime.loading import LoadSpec
from model_runtime.requests import Chat


class TextEngine(ChatEngine):
    """The engine for Llama, Gemma and all other families of mlx-lm."""

    def __init__(self) -> None:
        super().__init__(load_text_model)


class TextModel:
    """A model of mlx-lm with its tokenizer and chat template."""

    def __init__(
        self,
        model: Any,
        tokenizer_wrapper: Any,
        *,
        context_tokens: int,
        weights_bytes: int,
        template: ChatTemplate,
    ) -> None:
        self._model = model
        self._tokenizer_wrapper = tokenizer_wrapper
        self.tokenizer: Tokenizer = tokenizer_wrapper.backend_tokenizer
        self.eos_token_ids = tuple(sorted(tokenizer_wrapper.eos_token_ids))
        self.context_tokens = context_tokens
        self.weights_bytes = weights_bytes
        self.answer_format = find_answer_format(self.tokenizer, template)
        self._special_tokens = SpecialTokens.from_tokenizer(self.tokenizer)
        self._template_messages = TemplateMessages(self.answer_format.tools, self._special_tokens)
        self._prefix_cache = PrefixCache(model, prefix_cache_limit_bytes(weights_bytes))
        self._max_sequences = MAX_SEQUENCES if is_batchable(model) else 1
        self._single_pass_tokens = single_pass_tokens(model)

    def build_prompt(self, chat: Chat) -> Prompt:
        """Format the chat and its tools with the model's template; without one, join the texts by line breaks.

        A raw text stays.

        Raises:
            InvalidInput: the chat has pictures.
            JobFailed: the template does not end.
        """
        if chat.is_raw:
            return Prompt(self._tokenizer_wrapper.encode(chat.raw_text))
        contents = [self._plain_text(message.content) for message in chat.messages]
        messages = self._template_messages.convert(chat, contents)
        if self._tokenizer_wrapper.chat_template is None:
            return Prompt(self._tokenizer_wrapper.encode("\n".join(message["content"] for message in messages)))
        with limit_template():
            tokens = self._tokenizer_wrapper.apply_chat_template(
                messages,
                tools=self._template_messages.tools(chat),
                add_generation_prompt=True,
                tokenize=True,
                return_dict=False,
                enable_thinking=False,
            )
        return Prompt(list(tokens))

    def open_batch(self) -> TextBatch:
        """Return a new, empty batch."""
        return TextBatch(
            self._model,
            self.eos_token_ids,
            self._prefix_cache,
            max_sequences=self._max_sequences,
            single_pass_tokens=self._single_pass_tokens,
        )

    def _plain_text(self, content: tuple[object, ...]) -> str:
        if not all(isinstance(part, str) for part in content):
            raise InvalidInput("This model reads text only. Send pictures to a vision model.", param="messages")
        return self._special_tokens.escape("\n".join(map(str, content)))


def load_text_model(spec: LoadSpec, _report_progress: LoadReporter) -> TextModel:
    """Load a checkpoint of a family that mlx-lm supports.

    Raises:
        LoadFailed: it is broken, of an unsupported family, or asks for its own code to be run.
    """
    folder, config = open_checkpoint(spec)
    with translate_load_errors(spec.model, config):
        model, tokenizer_wrapper = mlx_lm.load(str(folder), lazy=True)
        require_tokenizer(spec.model, getattr(tokenizer_wrapper, "backend_tokenizer", None))
        if spec.evaluate:
            evaluate_weights(model)
    return TextModel(
        model,
        tokenizer_wrapper,
        context_tokens=context_tokens(config, int(spec.options.get("context_tokens", 0))),
        weights_bytes=weight_bytes(model),
        template=read_chat_template(folder, has_processor=False),
    )
