"""Check that the library computes what was trained: `python -m training.voice.parity --torch FILE`, then `--mlx FILE`.

The first runs where PyTorch is and writes what it computes for one sentence; the second runs where MLX is and compares.
The hum is taken from PyTorch: its phase, thousands of turns, is summed in another order in the library.
"""

import argparse
import logging
from pathlib import Path

import numpy as np

from training.voice.config import STYLE

logger = logging.getLogger(__name__)

TOKENS = [0, 50, 83, 156, 54, 156, 57, 135, 16, 65, 157, 87, 158, 54, 46, 16, 69, 0]


def by_torch(run: Path, file: Path) -> None:
    """Compute with PyTorch from the newest states."""
    import torch

    from training.voice.network import Voice, styles

    torch.manual_seed(0)
    voice, style = Voice(), styles()[:1]
    for state in run.glob("*.pt"):
        voice.load_state_dict(torch.load(state, map_location="cpu")["weights"], strict=False)
    voice.eval()
    voice.decoder.generator.m_source.noise = False
    tokens = torch.tensor([TOKENS])
    with torch.no_grad():
        features = voice.predictor.text_encoder(voice.bert_encoder(voice.bert(tokens)), style[:, STYLE:])
        durations = voice.predictor.durations(features).round().clamp(min=1).long()[0]
        _, pitch, loudness = voice.prosody(tokens, style[:, STYLE:], durations)
        held = voice.text_encoder(tokens, torch.tensor([len(TOKENS)])).repeat_interleave(durations, -1)
        sound = voice.decoder(held, pitch, loudness, style[:, :STYLE])
        source = voice.decoder.generator.m_source(pitch, voice.decoder.generator.rate)
    np.savez(file, durations=durations, pitch=pitch, loudness=loudness, held=held, sound=sound, source=source)


def by_mlx(model: Path, file: Path) -> None:
    """Compute with the library and compare."""
    import mlx.core as mx
    from mlx_audio.tts.utils import load_model

    theirs = dict(np.load(file))
    loaded = load_model(model)
    loaded.decoder.generator.m_source = lambda _: (mx.array(theirs["source"])[..., None], None, None)
    with np.load(model / "voices.npz") as stored:
        style = mx.array(stored["otto"])
    seen: dict[str, mx.array] = {}
    decoder = loaded.decoder

    def spy(held: mx.array, pitch: mx.array, loudness: mx.array, half: mx.array) -> mx.array:
        seen.update(held=held, pitch=pitch, loudness=loudness)
        return decoder(held, pitch, loudness, half)

    loaded.decoder = spy
    output = loaded(mx.array([TOKENS]), style, return_output=True)
    logger.info("durations equal: %s", np.array_equal(np.array(output.pred_dur), theirs["durations"]))
    for name, value in seen.items():
        logger.info("%s: largest difference %.2g", name, np.abs(np.array(value) - theirs[name]).max())
    sound, expected = np.array(output.audio).reshape(-1), theirs["sound"].reshape(-1)
    length = min(len(sound), len(expected))
    wrong = np.linalg.norm(sound[:length] - expected[:length]) / np.linalg.norm(expected)
    logger.info("sound: %d and %d samples, %.2f %% different", len(sound), len(expected), 100 * wrong)


def main() -> None:
    """Write or compare."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--torch", type=Path)
    parser.add_argument("--mlx", type=Path)
    parser.add_argument("--folder", type=Path, default=Path("run"))
    parser.add_argument("--model", type=Path, default=Path("model_runtime/starter/tts-starter"))
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    if asked.torch:
        by_torch(asked.folder, asked.torch)
    if asked.mlx:
        by_mlx(asked.model, asked.mlx)


if __name__ == "__main__":
    main()
