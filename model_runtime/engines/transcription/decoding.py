"""Decode one window of features into tokens: mlx-whisper's decoding with corrections of two defects in 0.4.3.

* Its sampling is compiled without the random state, so every token at a temperature gets the same noise, and the text
  rarely leaves a repetition.
* It compares the probability of timestamps and text before it masks suppressed tokens. All tokens can then be
  suppressed, which gives text of "!" and a log probability of NaN.

https://github.com/openai/whisper/blob/main/whisper/decoding.py is the reference.
"""

from collections.abc import Iterator, Sequence
from typing import Any, cast

import mlx.core as mx

from model_runtime.engines.protocol import CancelCheck
from model_runtime.engines.transcription.mlx_whisper_patches import decoding

TEMPERATURE_FALLBACK = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Temperatures to try in turn while a result needs fallback (Whisper's transcribe.py, as are the thresholds)."""

REPEATED_TOKENS, MAX_PERIOD_TOKENS = 60, 8
"""A text of so many tokens that repeats a sequence of so few compresses far below the threshold."""
COMPRESSION_RATIO_THRESHOLD = 2.4
"""A text with a higher gzip compression ratio is repetitive."""
LOGPROB_THRESHOLD = -1.0
"""A text with a lower mean log probability is a guess."""
NO_SPEECH_THRESHOLD = 0.6
"""A guess with a higher probability of no speech is silence."""
CERTAIN_NO_SPEECH_THRESHOLD = 0.9
"""Any text with a higher probability of no speech is silence: Whisper base hears "you" in silence, at 0.93."""
TRUSTED_NO_SPEECH_THRESHOLD = 0.2
"""Any text with a higher probability of no speech is silence, for a model with `trust_no_speech`."""


class WindowDecodingTask(decoding.DecodingTask):
    """One decoding of a window at one temperature; it calls `check_cancelled` before every token."""

    def __init__(self, model: Any, options: Any, random_keys: "RandomKeys", check_cancelled: CancelCheck) -> None:
        super().__init__(model, options)
        self.decoder = SamplingDecoder(options.temperature, self.tokenizer.eot, random_keys)
        library_rules = next(rule for rule in self.logit_filters if isinstance(rule, decoding.ApplyTimestampRules))
        index = self.logit_filters.index(library_rules)
        self.logit_filters[index] = TimestampRules(
            self.tokenizer, self.sample_begin, library_rules.max_initial_timestamp_index
        )
        self.logit_filters.append(RepetitionEnd(self.tokenizer.eot, self.sample_begin))
        self.logit_filters.append(_CancellationFilter(check_cancelled))


class RandomKeys:
    """The random numbers of one transcription. MLX's own state is shared by all that take turns in this process."""

    def __init__(self, seed: int) -> None:
        self._key = mx.random.key(seed)

    def next(self) -> mx.array:
        """Return a key, uint32 (2,), that was not returned before: the one that MLX takes next after `mx.random.seed`."""
        self._key, key = mx.random.split(self._key)
        return key


class SamplingDecoder(decoding.GreedyDecoder):
    """Sample the likeliest token, or a random one at a temperature above 0."""

    def __init__(self, temperature: float, eot: int, random_keys: RandomKeys) -> None:
        super().__init__(temperature, eot)
        self._random_keys = random_keys

    def update(self, tokens: mx.array, logits: mx.array, sum_logprobs: mx.array) -> tuple[mx.array, mx.array, mx.array]:
        """Append a token to each sequence; return tokens, whether all have ended, and summed log probabilities.

        `tokens` are (sequences, tokens), `logits` (sequences, vocabulary), `sum_logprobs` (sequences,). A sequence that
        has ended gets further end tokens.
        """
        next_tokens = logits.argmax(-1) if self.temperature == 0 else self._sample(logits)
        logprobs = logits - mx.logsumexp(logits, axis=-1, keepdims=True)
        is_active = tokens[:, -1] != self.eot
        updated_logprobs = sum_logprobs + logprobs[mx.arange(logits.shape[0]), next_tokens] * is_active
        tokens = mx.concatenate([tokens, mx.where(is_active, next_tokens, self.eot)[:, None]], axis=-1)
        return tokens, mx.all(tokens[:, -1] == self.eot), updated_logprobs

    def _sample(self, logits: mx.array) -> mx.array:
        return mx.random.categorical(logits / self.temperature, key=self._random_keys.next())


class TimestampRules(decoding.ApplyTimestampRules):
    """Timestamps come in pairs, never decrease, and must follow if together they are likelier than any text token."""

    def apply(self, logits: mx.array, tokens: mx.array) -> mx.array:
        """Return logits (1, vocabulary) with -inf for suppressed tokens."""
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
    """Yield the ranges (start, end) of tokens that may not follow `sampled`; end None is the end of the vocabulary.

    Tokens from `timestamp_begin` on are timestamps in steps of 20 ms; `eot` ends the text.
    `max_initial_timestamp_index` is the latest step at which a text may start.
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


class RepetitionEnd(decoding.LogitFilter):
    """Ends a text that only repeats itself, which a hum or a tone brings about. It needs fallback either way."""

    def __init__(self, eot: int, sample_begin: int) -> None:
        self._eot, self._sample_begin = eot, sample_begin

    def apply(self, logits: mx.array, tokens: mx.array) -> mx.array:
        """Return logits (1, vocabulary) that leave only the end after a repetition."""
        if not repeats_itself(cast(list[int], tokens[0, self._sample_begin :].tolist())):
            return logits
        return mx.where(mx.arange(logits.shape[-1]) == self._eot, logits, -mx.inf)


def repeats_itself(sampled: Sequence[int]) -> bool:
    """Return whether the last `REPEATED_TOKENS` tokens are one short sequence again and again."""
    last = list(sampled[-REPEATED_TOKENS:])
    return len(last) == REPEATED_TOKENS and any(
        last[period:] == last[:-period] for period in range(1, MAX_PERIOD_TOKENS + 1)
    )


class _CancellationFilter(decoding.LogitFilter):
    """A filter that changes nothing: it is called before every token, so it can check for cancellation."""

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
    random_keys: RandomKeys,
    check_cancelled: CancelCheck,
    trust_no_speech: bool = False,
) -> Any:
    """Return mlx-whisper's DecodingResult of features (1, positions, width), at the first temperature that works.

    The next temperature is tried while `needs_fallback`. `trust_no_speech` is passed to `is_silent`.

    Raises:
        Cancelled: `check_cancelled` raised it between two tokens.
    """
    use_fp16 = features.dtype == mx.float16
    result = None
    for temperature in temperatures:
        options = decoding.DecodingOptions(
            task=task, language=language, temperature=temperature, prompt=list(prompt), fp16=use_fp16
        )
        result = WindowDecodingTask(model, options, random_keys, check_cancelled).run(features)[0]
        if is_silent(result, trust_no_speech=trust_no_speech) or not needs_fallback(result):
            break
    return result


def is_silent(result: Any, *, trust_no_speech: bool = False) -> bool:
    """Return whether a window has no speech.

    Whisper's probability of no speech counts alone if it is very high, else only if its text is a guess, too; with
    `trust_no_speech` a low one counts alone.
    """
    threshold = TRUSTED_NO_SPEECH_THRESHOLD if trust_no_speech else CERTAIN_NO_SPEECH_THRESHOLD
    is_guess = not result.avg_logprob > LOGPROB_THRESHOLD
    return bool(result.no_speech_prob > (min(threshold, NO_SPEECH_THRESHOLD) if is_guess else threshold))


def needs_fallback(result: Any) -> bool:
    """Return whether a window should be decoded again at the next temperature."""
    # `not >=` instead of `<`: a log probability of NaN needs fallback, too
    return bool(result.compression_ratio > COMPRESSION_RATIO_THRESHOLD or not result.avg_logprob >= LOGPROB_THRESHOLD)
