"""Write the voice starter.

`python -m senses_training.voice.export --folder run --out model_runtime/starter/tts-starter`.
"""

import argparse
import json
import logging
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from senses_training.voice.config import CONFIG, VOICES
from senses_training.voice.network import Voice, exported, styles

logger = logging.getLogger(__name__)


def main() -> None:
    """Export the newest states of both trainings in half precision; an untrained part keeps its first weights."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.manual_seed(0)
    voice = Voice()
    for file in sorted(asked.folder.glob("*.pt")):
        state = torch.load(file, map_location="cpu")
        voice.load_state_dict(state["weights"], strict=False)
        logger.info("%s: step %d, %.0f s trained", file.stem, state["step"], state["seconds"])
    asked.out.mkdir(parents=True, exist_ok=True)
    weights = asked.out / "model.safetensors"
    save_file({name: value.half() for name, value in exported(voice).items()}, weights, metadata={"format": "mlx"})
    weights.chmod(0o644)
    (asked.out / "config.json").write_text(json.dumps(CONFIG, indent=2, ensure_ascii=False) + "\n")
    np.savez(asked.out / "voices.npz", **{name: row[None].numpy() for name, row in zip(VOICES, styles(), strict=True)})
    size = sum(file.stat().st_size for file in asked.out.iterdir())
    logger.info("%.2f M parameters, %.1f MB", sum(value.numel() for value in voice.parameters()) / 1e6, size / 1e6)


if __name__ == "__main__":
    main()
