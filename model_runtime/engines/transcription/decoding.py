"""From the features of one window to tokens: mlx-whisper's decoding with two mistakes of 0.4.3 put right.

* Its sampling is compiled without the random state, so every token at a temperature gets the same noise and a loop is
  hardly ever left.
* It compares the likelihood of times with that of words before it masks what the rules forbid, so that everything can
  end up forbidden: text of "!" and a likelihood that is no number.

https://github.com/openai/whisper/blob/main/whisper/decoding.py is what both should do.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import mlx.core as mx

from model_runtime.engines.protocol import CancelCheck
from model_runtime.engines.transcription.mlx_whisper_patches import decoding

TEMPERATURE_FALLBACK = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Temperatures to try one after the other while the result looks wrong."""

COMPRESSION_RATIO_THRESHOLD, LOGPROB_THRESHOLD, NO_SPEECH_THRESHOLD, TRUSTED_NO_SPEECH_THRESHOLD = 2.4, -1.0, 0.6, 0.2
"""Compression ratio above which a text repeats itself; mean log probability below which it is a guess; probability of
no speech above which a guess is silence, and above which a model that is sure is believed."""


class WindowDecodingTask(decoding.DecodingTask):
    """One pass over a window; `check_cancelled` is called before every token."""

    def __init__(self, model: Any, options: Any, check_cancelled: CancelCheck) -> None:
        super().__init__(model, options)
        self.decoder = SamplingDecoder(options.temperature, self.tokenizer.eot)
        library_rules = next(rule for rule in self.logit_filters if isinstance(rule, decoding.ApplyTimestampRules))
        index = self.logit_filters.index(library_rules)
        self.logit_filters[index] = TimestampRules(
            self.tokenizer, self.sample_begin, library_rules.max_initial_timestamp_index
        )
        self.logit_filters.append(_CancellationFilter(check_cancelled))


class SamplingDecoder(decoding.GreedyDecoder):
    """Choose the likeliest token, or at a temperature a random one."""

    def update(self, tokens: mx.array, logits: mx.array, sum_logprobs: mx.array) -> tuple[mx.array, mx.array, mx.array]:
        """Append a token to each row; rows that have ended go on with the end token."""
        next_tokens = logits.argmax(-1) if self.temperature == 0 else mx.random.categorical(logits / self.temperature)
        logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        is_active = tokens[:, -1] != self.eot
        updated_logprobs = sum_logprobs + logprobs[mx.arange(logits.shape[0]), next_tokens] * is_active
        tokens = mx.concatenate([tokens, mx.where(is_active, next_tokens, self.eot)[:, None]], axis=-1)
        return tokens, mx.all(tokens[:, -1] == self.eot), updated_logprobs


class TimestampRules(decoding.ApplyTimestampRules):
    """Times come in pairs, never go back, and are taken where all of them together are likelier than any word."""

    def apply(self, logits: mx.array, tokens: mx.array) -> mx.array:
        """Forbid what may not come next; logits are (1, vocabulary)."""
        tokenizer, token_ids = self.tokenizer, mx.arange(logits.shape[-1])
        sampled = cast(list[int], tokens[0, self.sample_begin :].tolist())
        is_suppressed = token_ids == tokenizer.no_timestamps
        for start, end in suppressed_ranges(
            sampled, tokenizer.timestamp_begin, tokenizer.eot, self.max_initial_timestamp_index
        ):
            is_suppressed |= (token_ids >= start) & (token_ids < (logits.shape[-1] if end is None else end))
        allowed = mx.where(is_suppressed, -mx.inf, logits)
        timestamp_logprob = allowed[:, tokenizer.timestamp_begin :].logsumexp(axis=-1, keepdims=True)
        max_text_logprob = allowed[:, : tokenizer.timestamp_begin].max(axis=-1, keepdims=True)
        return mx.where(
            (timestamp_logprob > max_text_logprob) & (token_ids < tokenizer.timestamp_begin), -mx.inf, allowed
        )


def suppressed_ranges(
    sampled: Sequence[int], timestamp_begin: int, eot: int, max_initial_timestamp_index: int | None
) -> Iterator[tuple[int, int | None]]:
    """Give the ranges of tokens that may not follow `sampled`.

    `timestamp_begin` is the token of time zero; every token from it on is a time. `eot` is the token that ends the text.
    `max_initial_timestamp_index` is the latest time a text may begin with, counted in steps.
    """
    if not sampled:
        yield 0, timestamp_begin
        if max_initial_timestamp_index is not None:
            yield timestamp_begin + max_initial_timestamp_index + 1, None
        return
    has_closed_pair = len(sampled) < 2 or sampled[-2] >= timestamp_begin
    if sampled[-1] >= timestamp_begin:
        yield (timestamp_begin, None) if has_closed_pair else (0, eot)
    timestamps = [token for token in sampled if token >= timestamp_begin]
    if timestamps:
        may_repeat = sampled[-1] >= timestamp_begin and not has_closed_pair
        yield timestamp_begin, timestamps[-1] + (0 if may_repeat else 1)


class _CancellationFilter(decoding.LogitFilter):
    """A rule that forbids nothing: the place where a job can be cancelled between two tokens."""

    def __init__(self, check_cancelled: CancelCheck) -> None:
        self._check_cancelled = check_cancelled

    def apply(self, logits: mx.array, tokens: mx.array) -> mx.array:
        self._check_cancelled()
        return logits


def decode_window(
    model: Any,
    features: mx.array,
    *,
    language: str,
    task: str,
    prompt: Sequence[int],
    temperatures: Sequence[float],
    check_cancelled: CancelCheck,
    trust_no_speech: bool = False,
) -> Any:
    """Decode a window, at the next temperature while the text repeats itself or is a guess; the encoder ran before.

    `trust_no_speech` is passed to `is_silent`.
    """
    use_fp16 = features.dtype == mx.float16
    result = None
    for temperature in temperatures:
        options = decoding.DecodingOptions(
            task=task, language=language, temperature=temperature, prompt=list(prompt), fp16=use_fp16
        )
        result = WindowDecodingTask(model, options, check_cancelled).run(features)[0]
        if is_silent(result, trust_no_speech=trust_no_speech) or not needs_fallback(result):
            break
    return result


def is_silent(result: Any, *, trust_no_speech: bool = False) -> bool:
    """Tell whether a result means that nobody speaks.

    Whisper's own word for it is only believed where its text is a guess, too; that of a model with `trust_no_speech` always is,
    and sooner.
    """
    if trust_no_speech:
        return bool(result.no_speech_prob > TRUSTED_NO_SPEECH_THRESHOLD)
    return bool(result.no_speech_prob > NO_SPEECH_THRESHOLD and not result.avg_logprob > LOGPROB_THRESHOLD)


def needs_fallback(result: Any) -> bool:
    """Tell whether a result should be tried again; a likelihood that is no number counts as doubt."""
    return bool(result.compression_ratio > COMPRESSION_RATIO_THRESHOLD or not result.avg_logprob >= LOGPROB_THRESHOLD)
