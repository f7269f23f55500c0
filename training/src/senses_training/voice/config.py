"""What the voice starter is: a narrow KittenTTS, as its config.json says it."""

from collections.abc import Mapping
from typing import Any

RATE = 24_000
FRAME = 240
"""Samples of one duration frame: 10 ms."""

CURVES_PER_FRAME = 2
"""Values of pitch and loudness in a frame."""

NORMAL_RATE = 150
"""Words a minute; what speed 1.0 means."""

STYLE = 128
"""Half of a voice's vector; the library splits it at 128 whatever the configuration says."""

VOICES: Mapping[str, str] = {"otto": "en-us", "alma": "en-us+f2"}
"""Our voice → the espeak-ng voice it learned from."""

ALIASES: Mapping[str, str] = {
    "expr-voice-5-m": "otto",
    "onyx": "otto",
    "echo": "otto",
    "alloy": "alma",
    "nova": "alma",
}

CONFIG: Mapping[str, Any] = {
    "model_type": "kitten_tts",
    "hidden_dim": 64,
    "max_conv_dim": 128,
    "max_dur": 40,
    "n_layer": 2,
    "n_mels": 80,
    "n_token": 178,
    "style_dim": STYLE,
    "text_encoder_kernel_size": 5,
    "asr_res_dim": 16,
    "decoder_out_dim": 96,
    "sample_rate": RATE,
    "voices_path": "voices.npz",
    "voice_aliases": dict(ALIASES),
    "plbert": {
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "max_position_embeddings": 512,
        "embedding_size": 32,
    },
    "istftnet": {
        "resblock_kernel_sizes": [5],
        "upsample_rates": [4],
        "upsample_initial_channel": 96,
        "resblock_dilation_sizes": [[1, 3, 5]],
        "upsample_kernel_sizes": [8],
        "gen_istft_n_fft": 120,
        "gen_istft_hop_size": 30,
    },
}
"""The vocoder turns a frame of 10 ms into eight spectra of 120 samples each: few enough to train on one core."""
