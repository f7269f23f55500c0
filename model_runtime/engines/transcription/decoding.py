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

from model_runtime.engines.protocol import Check
from model_runtime.engines.transcription.mlx_whisper_patches import decoding

LADDER = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Temperatures to try one after the other while the result looks wrong."""

MOST_REPETITIVE, LEAST_LIKELY, SILENT, SURELY_SILENT = 2.4, -1.0, 0.6, 0.2
"""Compression ratio above which a text repeats itself; mean log probability below which it is a guess; probability of
no speech above which a guess is silence, and above which a model that is sure is believed."""


class Window(decoding.DecodingTask):
    """One pass over a window; `check` is called before every token."""

    def __init__(self, model: Any, options: Any, check: Check) -> None:
        super().__init__(model, options)
        self.decoder = Sampler(options.temperature, self.tokenizer.eot)
        first = next(rule for rule in self.logit_filters if isinstance(rule, decoding.ApplyTimestampRules))
        place = self.logit_filters.index(first)
        self.logit_filters[place] = Times(self.tokenizer, self.sample_begin, first.max_initial_timestamp_index)
        self.logit_filters.append(_Asking(check))


class Sampler(decoding.GreedyDecoder):
    """Choose the likeliest token, or at a temperature a random one."""

    def update(self, tokens: mx.array, logits: mx.array, sum_logprobs: mx.array) -> tuple[mx.array, mx.array, mx.array]:
        """Append a token to each row; rows that have ended go on with the end token."""
        chosen = logits.argmax(-1) if self.temperature == 0 else mx.random.categorical(logits / self.temperature)
        likelihood = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        going = tokens[:, -1] != self.eot
        total = sum_logprobs + likelihood[mx.arange(logits.shape[0]), chosen] * going
        tokens = mx.concatenate([tokens, mx.where(going, chosen, self.eot)[:, None]], axis=-1)
        return tokens, mx.all(tokens[:, -1] == self.eot), total


class Times(decoding.ApplyTimestampRules):
    """Times come in pairs, never go back, and are taken where all of them together are likelier than any word."""

    def apply(self, logits: mx.array, tokens: mx.array) -> mx.array:
        """Forbid what may not come next; logits are (1, vocabulary)."""
        words, numbers = self.tokenizer, mx.arange(logits.shape[-1])
        sampled = cast(list[int], tokens[0, self.sample_begin :].tolist())
        banned = numbers == words.no_timestamps
        for start, end in forbidden(sampled, words.timestamp_begin, words.eot, self.max_initial_timestamp_index):
            banned |= (numbers >= start) & (numbers < (logits.shape[-1] if end is None else end))
        allowed = mx.where(banned, -mx.inf, logits)
        times = allowed[:, words.timestamp_begin :].logsumexp(axis=-1, keepdims=True)
        word = allowed[:, : words.timestamp_begin].max(axis=-1, keepdims=True)
        return mx.where((times > word) & (numbers < words.timestamp_begin), -mx.inf, allowed)


def forbidden(
    sampled: Sequence[int], clock: int, end: int, latest_first: int | None
) -> Iterator[tuple[int, int | None]]:
    """Give the ranges of tokens that may not follow `sampled`.

    `clock` is the token of time zero; every token from it on is a time. `end` is the token that ends the text.
    `latest_first` is the latest time a text may begin with, counted in steps.
    """
    if not sampled:
        yield 0, clock
        if latest_first is not None:
            yield clock + latest_first + 1, None
        return
    closed = len(sampled) < 2 or sampled[-2] >= clock
    if sampled[-1] >= clock:
        yield (clock, None) if closed else (0, end)
    times = [token for token in sampled if token >= clock]
    if times:
        same_again = sampled[-1] >= clock and not closed
        yield clock, times[-1] + (0 if same_again else 1)


class _Asking(decoding.LogitFilter):
    """A rule that forbids nothing: the place where a job can be cancelled between two tokens."""

    def __init__(self, check: Check) -> None:
        self._check = check

    def apply(self, logits: mx.array, tokens: mx.array) -> mx.array:
        self._check()
        return logits


def decode(
    model: Any,
    features: mx.array,
    *,
    language: str,
    task: str,
    prompt: Sequence[int],
    temperatures: Sequence[float],
    check: Check,
    sure: bool = False,
) -> Any:
    """Decode a window, at the next temperature while the text repeats itself or is a guess; the encoder ran before.

    `sure` is told to `is_silent`.
    """
    half = features.dtype == mx.float16
    result = None
    for temperature in temperatures:
        options = decoding.DecodingOptions(
            task=task, language=language, temperature=temperature, prompt=list(prompt), fp16=half
        )
        result = Window(model, options, check).run(features)[0]
        if is_silent(result, sure=sure) or not is_doubtful(result):
            break
    return result


def is_silent(result: Any, *, sure: bool = False) -> bool:
    """Tell whether a result means that nobody speaks.

    Whisper's own word for it is only believed where its text is a guess, too; that of a model that is `sure` always is,
    and sooner.
    """
    if sure:
        return bool(result.no_speech_prob > SURELY_SILENT)
    return bool(result.no_speech_prob > SILENT and not result.avg_logprob > LEAST_LIKELY)


def is_doubtful(result: Any) -> bool:
    """Tell whether a result should be tried again; a likelihood that is no number counts as doubt."""
    return bool(result.compression_ratio > MOST_REPETITIVE or not result.avg_logprob >= LEAST_LIKELY)
