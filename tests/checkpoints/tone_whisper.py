"""A tiny Whisper in mlx-whisper's own format that really decodes: it hears which tone is played and says a fixed text.

The vocabulary, the mel bins and the contexts are those of large-v3-turbo; only the widths are small. The weights are
wired by hand: the encoder fires on the mel bin of a tone, cross-attention pools that into a class, and the decoder's
feed-forward layer is a table (token, class) → next token. So every stage from samples to text can be asserted by what
is written down, and any fault on the way in (rate, channels, codec) moves the tone off its bin.

    low tone, ~440 Hz      Korean, one segment of 0-3 s; translated: English
    middle tone, ~880 Hz   English, two segments
    high tone, ~1750 Hz    English without end: retries, token limits, cancelling
    silence or noise       nobody speaks
"""

import json
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import mlx.core as mx
import numpy as np
from mlx import nn
from mlx.utils import tree_flatten

from model_runtime.engines.transcription.mel import N_FFT, SAMPLE_RATE
from model_runtime.engines.transcription.mlx_whisper_patches import tokenizer as tokenizers
from model_runtime.engines.transcription.mlx_whisper_patches import whisper
from tests.checkpoints.weights import load_tensors
from tests.checkpoints.words import write_json

LOW, MIDDLE, HIGH = "low", "middle", "high"
TONE_HERTZ = {LOW: 440.0, MIDDLE: 880.0, HIGH: 1760.0}
KOREAN, TRANSLATED = "안녕하세요, 오늘 날씨가 좋네요.", "The weather is nice today"
FIRST, SECOND = "Hello world.", "How are you today?"
ENDLESS_WORDS = (" la", " na")

STATE, HEADS = 96, 2
TOKEN_SPACE = 80
"""Of the 96 channels 80 hold the token and the next three the tone."""

MULTILINGUAL, ENGLISH = 51_866, 51_864
SILENT, HESITANT = "silent", "hesitant"
ScriptRow = tuple[int, str, int]


def frequency(tone: str, mels: int = 128) -> float:
    """The middle of the mel bin nearest to a tone: play this pitch."""
    return _mel_bin(tone, mels)[1]


def sound(tone: str, seconds: float, *, rate: int = SAMPLE_RATE, level: float = 0.3) -> np.ndarray:
    """Samples in -1..1 of one tone; "" is silence."""
    times = np.arange(int(seconds * rate)) / rate
    hertz = frequency(tone) if tone else 0.0
    return (level * np.sin(2 * np.pi * hertz * times)).astype(np.float32)


def build(folder: Path) -> Path:
    """Write the layout of large-v3-turbo: weights.safetensors, half precision."""
    return _write(folder, _dimensions(), _handmade_weights(MULTILINGUAL))


def build_short_context(folder: Path) -> Path:
    """Write one with a short memory, which says 32 tokens at most: for text without end."""
    return _write(folder, {**_dimensions(), "n_text_ctx": 64}, _handmade_weights(MULTILINGUAL))


def build_large(folder: Path) -> Path:
    """Write that of large-v3, which has as many decoder as encoder layers; here two of each."""
    return _write(folder, _dimensions(audio_layers=2, text_layers=2), _handmade_weights(MULTILINGUAL))


def build_english(folder: Path) -> Path:
    """Write that of the English-only models: 80 mel bins, another vocabulary, no language and task tokens."""
    return _write(folder, _dimensions(mels=80, vocabulary=ENGLISH), _handmade_weights(ENGLISH, mels=80))


def build_npz(folder: Path) -> Path:
    """Write that of mlx-whisper's first conversions."""
    build(folder)
    weights = load_tensors(folder / "weights.safetensors")
    mx.savez(str(folder / "weights.npz"), **weights)
    (folder / "weights.safetensors").unlink()
    return folder


def build_quantised(folder: Path) -> Path:
    """Write 8-bit weights."""
    build(folder)
    file, how = folder / "weights.safetensors", {"group_size": 32, "bits": 8}
    model = whisper.Whisper(whisper.ModelDimensions(**_dimensions()))
    model.load_weights(list(load_tensors(file).items()), strict=False)
    nn.quantize(model, **how)
    mx.save_safetensors(str(file), dict(tree_flatten(model.parameters())), metadata={"format": "mlx"})
    write_json(folder / "config.json", {**_dimensions(), "model_type": "whisper", "quantization": how})
    return folder


def build_transformers(folder: Path) -> Path:
    """Write the layout of OpenAI's own repositories: transformers' names, PyTorch's convolutions."""
    build(folder)
    source = load_tensors(folder / "weights.safetensors")
    heads = np.array(source.pop("alignment_heads")).tolist()
    renamed = {_transformers_name(name): _pytorch_layout(name, value) for name, value in source.items()}
    positions = whisper.sinusoids(1500, STATE).astype(mx.float16)
    renamed["model.encoder.embed_positions.weight"] = positions
    mx.save_safetensors(str(folder / "model.safetensors"), renamed, metadata={"format": "pt"})
    (folder / "weights.safetensors").unlink()
    write_json(folder / "config.json", _transformers_config())
    write_json(folder / "generation_config.json", {"alignment_heads": heads})
    return folder


def _dimensions(
    *, mels: int = 128, vocabulary: int = MULTILINGUAL, audio_layers: int = 1, text_layers: int = 1
) -> dict[str, int]:
    return {
        "n_mels": mels, "n_audio_ctx": 1500, "n_audio_state": STATE, "n_audio_head": HEADS,
        "n_audio_layer": audio_layers, "n_vocab": vocabulary, "n_text_ctx": 448, "n_text_state": STATE,
        "n_text_head": HEADS, "n_text_layer": text_layers,
    }  # fmt: skip


def _write(folder: Path, sizes: Mapping[str, int], wired: Mapping[str, np.ndarray]) -> Path:
    """Write weights, with zeros (and ones in norms) wherever nothing is wired; a layer of zeros passes everything on."""
    model = whisper.Whisper(whisper.ModelDimensions(**sizes))
    weights: dict[str, mx.array] = {}
    for name, value in tree_flatten(model.parameters()):
        plain = np.ones if name.endswith(("_ln.weight", "ln_post.weight")) else np.zeros
        weights[name] = mx.array(wired.get(name, plain(value.shape, np.float32))).astype(mx.float16)
    weights["alignment_heads"] = mx.array([[0, 1]], dtype=mx.int32)
    folder.mkdir(parents=True, exist_ok=True)
    mx.save_safetensors(str(folder / "weights.safetensors"), weights, metadata={"format": "mlx"})
    write_json(folder / "config.json", {**sizes, "model_type": "whisper"})
    return folder


def _handmade_weights(vocabulary: int, mels: int = 128) -> dict[str, np.ndarray]:
    many = vocabulary == MULTILINGUAL
    words = tokenizers.get_tokenizer(many, num_languages=100 if many else 99, language="en")
    script = _TokenScript(words)
    vectors = _embeddings(vocabulary, script)
    embedding = np.zeros((vocabulary, STATE), np.float32)
    embedding[:, :TOKEN_SPACE] = vectors
    return {
        "decoder.token_embedding.weight": embedding,
        "decoder.ln.weight": np.full(STATE, 6.0, np.float32),
        **_tone_detector(mels),
        **_attention(vectors, script),
        **_next_token_layer(vectors, script),
    }


class _TokenScript:
    """What is said after each tone, as rows (token, tone, next token)."""

    def __init__(self, words: Any) -> None:
        self.tokenizer = words
        self.korean, self.translated, self.first, self.second = (
            words.encode(" " + text) for text in (KOREAN, TRANSLATED, FIRST, SECOND)
        )
        la, na = (words.encode(word)[0] for word in ENDLESS_WORDS)
        self.hesitations = {
            self.time(0): (self.time(0.06), self.time(0.08)),
            words.eot: (words.encode(" um")[0], words.encode(" uh")[0]),
        }
        english = [self.time(0), *self.first, self.time(1.0), self.time(1.02), *self.second, self.time(2.5), words.eot]
        endless = [self.time(0), la, na, la]
        silence = [(words.sot, SILENT, words.no_speech), (self.time(0), HESITANT, words.eot)]
        if words.language is None:
            self.rows = _chain(MIDDLE, [words.sot, *english]) + _chain(HIGH, [words.sot, *endless]) + silence
            return
        korean = [self.time(0), *self.korean, self.time(3.0), words.eot]
        translated = [self.time(0.02), *self.translated, self.time(3.02), words.eot]
        names = words.special_tokens
        unstamped = [(words.no_timestamps, LOW, self.korean[0]), (words.no_timestamps, MIDDLE, self.first[0]),
                     (words.no_timestamps, HIGH, la)]  # fmt: skip
        self.rows = (
            _chain(LOW, [words.sot, names["<|ko|>"]])
            + _chain(MIDDLE, [words.sot, names["<|en|>"]])
            + _chain(HIGH, [words.sot, names["<|en|>"]])
            + _chain(LOW, [words.transcribe, *korean])
            + _chain(LOW, [words.translate, *translated])
            + _chain(MIDDLE, [words.transcribe, *english])
            + _chain(HIGH, [words.transcribe, *endless])
            + unstamped
            + [*silence, (words.transcribe, HESITANT, self.time(0))]
        )

    def time(self, seconds: float) -> int:
        """The token of a time."""
        return int(self.tokenizer.timestamp_begin) + round(seconds / 0.02)

    def tokens(self) -> list[int]:
        """Everything that has a part in the script."""
        said = {token for start, _, end in self.rows for token in (start, end)}
        return sorted(said | {token for pair in self.hesitations.values() for token in pair})


def _chain(tone: str, tokens: Sequence[int]) -> list[ScriptRow]:
    return [(start, tone, end) for start, end in pairwise(tokens)]


def _embeddings(vocabulary: int, script: _TokenScript) -> np.ndarray:
    """Scripted tokens get orthonormal vectors, all others random ones; each sums to zero, so that norms leave it be."""
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((vocabulary, TOKEN_SPACE)).astype(np.float32)
    vectors -= vectors.mean(1, keepdims=True)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    start = rng.standard_normal((TOKEN_SPACE, TOKEN_SPACE))
    start[:, 0] = 1
    orthonormal, _ = np.linalg.qr(start)
    scripted = script.tokens()
    assert len(scripted) < TOKEN_SPACE
    vectors[scripted] = orthonormal[:, 1 : len(scripted) + 1].T
    return vectors


CHANNELS = [STATE // 2 - 1 - number for number in range(len(TONE_HERTZ))]
"""One a tone, where the encoder's positions are nearly zero."""


def _mel_bin(tone: str, mels: int) -> tuple[int, float]:
    from model_runtime.engines.transcription.mel import _mel_filters

    filters = np.array(_mel_filters(mels))
    centres = (filters * np.arange(filters.shape[1]) * SAMPLE_RATE / N_FFT).sum(1) / filters.sum(1)
    nearest = int(np.abs(centres - TONE_HERTZ[tone]).argmin())
    return nearest, float(centres[nearest])


def _tone_detector(mels: int) -> dict[str, np.ndarray]:
    """Convolutions that fire on the bin of a tone while all others are quiet."""
    first, second = np.zeros((STATE, 3, mels), np.float32), np.zeros((STATE, 3, STATE), np.float32)
    bias = np.zeros(STATE, np.float32)
    for number, tone in enumerate(TONE_HERTZ):
        first[number, 1] = -20.0 / (mels - 1)
        first[number, 1, _mel_bin(tone, mels)[0]] = 40.0
        bias[number] = -40.0
        second[CHANNELS[number], 1, number] = 2.0
    return {"encoder.conv1.weight": first, "encoder.conv1.bias": bias, "encoder.conv2.weight": second}


def _attention(vectors: np.ndarray, script: _TokenScript) -> dict[str, np.ndarray]:
    """Head 0 pools the tone. Head 1 looks at the moment a word is spoken, for the alignment only: its value is zero."""
    names = ("query.weight", "query.bias", "key.weight", "value.weight", "out.weight")
    query, query_bias, key, value, out = (
        np.zeros(STATE if name.endswith("bias") else (STATE, STATE), np.float32) for name in names
    )
    query_bias[0] = 8.0
    key[0, CHANNELS] = 3.0
    for number, channel in enumerate(CHANNELS):
        value[number, channel] = 1 / np.sqrt(STATE)
        out[TOKEN_SPACE + number, number] = 1.0
    half = STATE // 2
    turns = np.exp(-np.log(10_000) / (half - 1) * np.arange(half))
    slow = int(np.abs(turns - 2 * np.pi / 300).argmin())
    key[half, slow] = key[half + 1, half + slow] = 1.0
    for seconds, token in _token_times(script):
        query[half, :TOKEN_SPACE] += 30 * np.sin(turns[slow] * seconds / 0.02) * vectors[token]
        query[half + 1, :TOKEN_SPACE] += 30 * np.cos(turns[slow] * seconds / 0.02) * vectors[token]
    place = "decoder.blocks.0.cross_attn."
    return {place + name: part for name, part in zip(names, (query, query_bias, key, value, out), strict=True)}


def _token_times(script: _TokenScript) -> list[tuple[float, int]]:
    """When the token after a given one is spoken."""
    found: list[tuple[float, int]] = []
    for said, start, end in ((script.first + script.second, 0.2, 2.4), (script.korean, 0.2, 2.8)):
        before = [script.tokenizer.no_timestamps, *said]
        found += [(start + (end - start) * (n + 0.5) / len(said), before[n]) for n in range(len(said))]
    return found


def _next_token_layer(vectors: np.ndarray, script: _TokenScript) -> dict[str, np.ndarray]:
    """A hidden unit for every row of the script: it fires where both the token and the tone are there."""
    inner, bias, outer = np.zeros((4 * STATE, STATE)), np.zeros(4 * STATE), np.zeros((STATE, 4 * STATE))
    tones, match, gain, scale = list(TONE_HERTZ), 10.0, 1.5, np.sqrt(STATE)
    for number, (token, tone, following) in enumerate(script.rows):
        inner[number, :TOKEN_SPACE] = match * vectors[token]
        if tone in tones:
            inner[number, TOKEN_SPACE + tones.index(tone)] = match
            bias[number] = -match * 1.2 * scale
        else:
            inner[number, TOKEN_SPACE : TOKEN_SPACE + len(tones)] = -match
            bias[number] = -match * 0.72 * scale
        said = vectors[following]
        if tone == HESITANT:  # three tokens equally likely: a log probability of about -1.05
            said = 1.002 * said + sum(vectors[other] for other in script.hesitations[following])
        outer[:TOKEN_SPACE, number] = gain * said
    place = "decoder.blocks.0.mlp"
    return {f"{place}1.weight": inner, f"{place}1.bias": bias, f"{place}2.weight": outer}


def _transformers_name(name: str) -> str:
    from model_runtime.engines.transcription.whisper_loading import TRANSFORMERS_NAMES

    for theirs, ours in reversed(TRANSFORMERS_NAMES):
        name = name.replace(ours, theirs)
    return "model." + name


def _pytorch_layout(name: str, value: mx.array) -> mx.array:
    return mx.contiguous(value.swapaxes(1, 2)) if name.endswith(("conv1.weight", "conv2.weight")) else value


def _transformers_config() -> dict[str, Any]:
    return json.loads(
        json.dumps(
            {
                "model_type": "whisper", "architectures": ["WhisperForConditionalGeneration"], "d_model": STATE,
                "encoder_layers": 1, "decoder_layers": 1, "encoder_attention_heads": HEADS,
                "decoder_attention_heads": HEADS, "num_mel_bins": 128, "vocab_size": MULTILINGUAL,
                "max_source_positions": 1500, "max_target_positions": 448, "torch_dtype": "float16",
            }
        )
    )  # fmt: skip
