"""A tiny Kokoro with the names and layouts of the published files; load it under `narrow_speech.narrow_widths`."""

from pathlib import Path
from typing import Any

import mlx.core as mx
from mlx.utils import tree_flatten
from mlx_audio.tts.models.kokoro import Model, ModelConfig

from tests.checkpoints.narrow_speech import patched_widths
from tests.checkpoints.words import write_json

ALPHABET = ';:,.!?—…"()“” ʣʥʦʨᵝAIOQSTWYᵊabcdefhijklmnopqrstuvwxyzɑɐɒæβɔɕçɖðʤəɚɛɜɟɡɥɨɪʝɯɰŋɳɲɴøɸθœɹɾɻʁɽʂʃʈʧʊʋʌɣɤχʎʒʔˈˌːʰʲ↓→↗↘ᵻ\u0303'
VOCABULARY = {symbol: number for number, symbol in enumerate(ALPHABET, 1)}
VOICES = ("af_heart", "am_onyx", "bf_emma", "ef_dora", "jf_alpha")

LSTM = {
    "Wx_forward": "weight_ih_l0",
    "Wh_forward": "weight_hh_l0",
    "bias_ih_forward": "bias_ih_l0",
    "bias_hh_forward": "bias_hh_l0",
    "Wx_backward": "weight_ih_l0_reverse",
    "Wh_backward": "weight_hh_l0_reverse",
    "bias_ih_backward": "bias_ih_l0_reverse",
    "bias_hh_backward": "bias_hh_l0_reverse",
}

CONFIG: dict[str, Any] = {
    "model_type": "kokoro",
    "istftnet": {
        "upsample_kernel_sizes": [20, 12], "upsample_rates": [10, 6], "gen_istft_hop_size": 5, "gen_istft_n_fft": 20,
        "resblock_dilation_sizes": [[1, 1, 1]], "resblock_kernel_sizes": [3], "upsample_initial_channel": 32,
    },
    "dim_in": 64, "dropout": 0.2, "hidden_dim": 32, "max_conv_dim": 32, "max_dur": 50, "multispeaker": True,
    "n_layer": 1, "n_mels": 80, "n_token": 178, "style_dim": 128, "text_encoder_kernel_size": 3,
    "plbert": {
        "hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 64, "max_position_embeddings": 512,
        "num_hidden_layers": 1, "dropout": 0.1,
    },
    "vocab": VOCABULARY,
}  # fmt: skip


def build(folder: Path) -> Path:
    """Write random weights that hum: every phoneme lasts about 75 ms at 180 Hz."""
    mx.random.seed(0)
    with patched_widths():
        model = Model(ModelConfig.from_dict(CONFIG))
    weights = {name: _value(name, value) for name, value in tree_flatten(model.parameters())}
    stored = dict(_as_published(name, value) for name, value in weights.items())
    read = model.sanitize(stored)
    assert {name: value.shape for name, value in read.items()} == {name: value.shape for name, value in weights.items()}
    (folder / "voices").mkdir(parents=True, exist_ok=True)
    published = {name: mx.contiguous(value.astype(mx.bfloat16)) for name, value in stored.items()}
    mx.save_safetensors(str(folder / "kokoro-v1_0.safetensors"), published, metadata={"format": "mlx"})
    for voice in VOICES:
        style = {"voice": mx.random.normal((510, 1, 256)) * 0.1}
        mx.save_safetensors(str(folder / "voices" / f"{voice}.safetensors"), style)
    write_json(folder / "config.json", CONFIG)
    return folder


def _value(name: str, value: mx.array) -> mx.array:
    if name == "decoder.generator.conv_post.weight_g":
        return mx.full(value.shape, 0.15)
    if name == "decoder.generator.conv_post.bias":
        return mx.full(value.shape, -3.0)
    if name == "predictor.duration_proj.linear_layer.bias":
        return mx.full(value.shape, -2.7)
    if name == "predictor.F0_proj.bias":
        return mx.array([180.0])
    if name.endswith("weight_g"):
        return mx.ones(value.shape)
    return mx.random.normal(value.shape) * 0.05 if value.ndim == 3 else value


def _as_published(name: str, value: mx.array) -> tuple[str, mx.array]:
    """Undo what the library does to the published names and layouts."""
    place, _, kind = name.rpartition(".")
    if kind in LSTM:
        return f"{place}.{LSTM[kind]}", value
    if (
        kind == "weight_v"
        or name.endswith(("F0_proj.weight", "N_proj.weight"))
        or "noise_convs" in name
        and value.ndim == 3
    ):
        return name, value.swapaxes(1, 2)
    if name.startswith("text_encoder.cnn") and place.endswith(".1"):
        return f"{place}.{'gamma' if kind == 'weight' else 'beta'}", value
    return name, value
