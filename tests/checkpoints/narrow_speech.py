"""Widths that mlx-audio writes into its code, made small while a tiny checkpoint is built or loaded.

Kokoro's decoder is always 1024 channels wide and the Mimi codec always has 512: too slow for a test on a processor.
Nothing else of either changes: not the frame rate, not the number of codebooks, not the names of the tensors. And
Qwen3-TTS tells by the sizes of a convolution whether it is laid out PyTorch's way, which fails below 64 channels.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import mlx.core as mx
from mlx import nn
from mlx_audio.codec.models.mimi import mimi
from mlx_audio.tts.models.kokoro import istftnet, kokoro
from mlx_audio.tts.models.qwen3_tts import qwen3_tts

MIMI_CHANNELS, MIMI_FILTERS, MIMI_CODES = 32, 4, 16


class NarrowDecoder(istftnet.Decoder):
    """Kokoro's decoder with widths that follow from the size of its input: twice, and an eighth of it."""

    def __init__(self, dim_in: int, style_dim: int, dim_out: int, **generator: Any) -> None:
        nn.Module.__init__(self)
        wide, narrow = 2 * dim_in, dim_in // 8
        inner = wide + 2 + narrow
        last = generator["upsample_initial_channel"]
        self.encode = _block(dim_in + 2, wide, style_dim)
        self.decode = [_block(inner, wide, style_dim) for _ in range(3)]
        self.decode.append(_block(inner, last, style_dim, upsample=True))
        self.F0_conv = istftnet.ConvWeighted(1, 1, kernel_size=3, stride=2, padding=1, groups=1)
        self.N_conv = istftnet.ConvWeighted(1, 1, kernel_size=3, stride=2, padding=1, groups=1)
        self.asr_res = [istftnet.ConvWeighted(dim_in, narrow, kernel_size=1, padding=0)]
        self.generator = istftnet.Generator(style_dim, **generator)


def _block(channels: int, out: int, style: int, **options: Any) -> Any:
    return istftnet.AdainResBlk1d(channels, out, style, conv_type=mx.conv1d, **options)


_wide_codec = mimi.mimi_202407


def narrow_codec(codebooks: int) -> Any:
    """Mimi's configuration with few channels."""
    wide = _wide_codec(codebooks)
    transformer = replace(
        wide.transformer, d_model=MIMI_CHANNELS, num_heads=2, num_layers=1, dim_feedforward=MIMI_CHANNELS
    )
    seanet = replace(wide.seanet, dimension=MIMI_CHANNELS, nfilters=MIMI_FILTERS)
    return replace(wide, seanet=seanet, transformer=transformer, quantizer_dim=MIMI_CODES)


@contextmanager
def patched_widths() -> Iterator[None]:
    """Make all narrow, for as long as the context lasts."""
    decoder, is_ours = kokoro.Decoder, qwen3_tts.check_array_shape_qwen3
    kokoro.Decoder, mimi.mimi_202407 = NarrowDecoder, narrow_codec
    qwen3_tts.check_array_shape_qwen3 = lambda _: False
    try:
        yield
    finally:
        kokoro.Decoder, mimi.mimi_202407, qwen3_tts.check_array_shape_qwen3 = decoder, _wide_codec, is_ours
