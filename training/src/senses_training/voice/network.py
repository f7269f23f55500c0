"""The whole voice: prosody and decoder, and its weights in the library's names."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from senses_training.voice.config import CONFIG, STYLE, VOICES
from senses_training.voice.prosody import Albert, Predictor
from senses_training.voice.vocoder import Decoder, TextEncoder

STYLE_SEED = 5
STYLE_SIZE = 0.1
"""Style vectors of this size keep the styled norms close to plain ones at the start, which trains stably."""

LSTM_NAMES = {
    "weight_ih_l0": "Wx_forward",
    "weight_hh_l0": "Wh_forward",
    "bias_ih_l0": "bias_ih_forward",
    "bias_hh_l0": "bias_hh_forward",
}
CHANNELS_LAST = ("F0_proj.weight", "N_proj.weight", "noise_convs.0.weight")


class Voice(nn.Module):
    """kitten_tts in PyTorch. `sound` parts and `prosody` parts are trained apart."""

    SOUND = ("text_encoder", "decoder")
    PROSODY = ("bert", "bert_encoder", "predictor")

    def __init__(self, config: Mapping[str, Any] = CONFIG) -> None:
        super().__init__()
        hidden = config["hidden_dim"]
        self.bert = Albert(config["n_token"], config["plbert"])
        self.bert_encoder = nn.Linear(config["plbert"]["hidden_size"], hidden)
        self.predictor = Predictor(hidden, config["n_layer"], config["max_dur"])
        self.text_encoder = TextEncoder(
            hidden, config["text_encoder_kernel_size"], config["n_layer"], config["n_token"]
        )
        self.decoder = Decoder(config)

    def prosody(self, tokens: Tensor, style: Tensor, durations: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Predict durations, and pitch and loudness for the given ones; one utterance at a time."""
        features = self.predictor.text_encoder(self.bert_encoder(self.bert(tokens)), style)
        held = features[0].repeat_interleave(durations, 0).T[None]
        return self.predictor.durations(features), *self.predictor.curves(held, style)

    def parts(self, names: tuple[str, ...]) -> dict[str, Tensor]:
        """The weights of some parts."""
        return {name: value for name, value in self.state_dict().items() if name.split(".")[0] in names}


def styles() -> Tensor:
    """One vector a voice: its first half colours the sound, its second half the prosody."""
    return torch.randn(len(VOICES), 2 * STYLE, generator=torch.Generator().manual_seed(STYLE_SEED)) * STYLE_SIZE


def exported(voice: Voice) -> dict[str, Tensor]:
    """Give all weights in the library's names and layouts."""
    return {_renamed(name): _laid_out(name, value) for name, value in voice.state_dict().items()}


def _renamed(name: str) -> str:
    place, dot, parameter = name.rpartition(".l.")
    if not dot:
        return name
    backward = parameter.endswith("_reverse")
    known = LSTM_NAMES[parameter.removesuffix("_reverse")]
    return f"{place}.{known.replace('forward', 'backward') if backward else known}"


def _laid_out(name: str, value: Tensor) -> Tensor:
    moved = value.transpose(1, 2) if name.endswith(CHANNELS_LAST) else value
    return moved.contiguous().float().clone()
