"""How far a sound is from another one: spectra of several sizes, and mel bands."""

import numpy as np
import torch
from torch import Tensor

from senses_training.voice.config import RATE

SIZES = ((192, 60), (480, 120), (960, 240), (1536, 384))
"""Window and hop, in samples."""

MEL_SIZE, MEL_HOP, MEL_BANDS, MEL_HERTZ = 600, 240, 80, (30, 11_000)
MEL_WEIGHT = 2.0
WINDOWS = {size: torch.hann_window(size) for size in {*(size for size, _ in SIZES), MEL_SIZE}}


def distance(made: Tensor, real: Tensor) -> dict[str, Tensor]:
    """Compare magnitudes only: phase is free, so no adversary is needed for speech to become clear."""
    spectra = torch.stack([_spectral(made, real, size, hop) for size, hop in SIZES]).mean()
    bands = (_mel(made) - _mel(real)).abs().mean()
    return {"spectra": spectra, "bands": MEL_WEIGHT * bands}


def _spectral(made: Tensor, real: Tensor, size: int, hop: int) -> Tensor:
    one, other, floor = _magnitudes(made, size, hop), _magnitudes(real, size, hop), size * 2e-5
    logs = ((one + floor).log() - (other + floor).log()).abs().mean()
    shape: Tensor = (one - other).norm() / (other.norm() + 1e-3)
    return logs + 0.5 * shape


def _magnitudes(sound: Tensor, size: int, hop: int) -> Tensor:
    return torch.stft(sound, size, hop, size, WINDOWS[size], return_complex=True).abs()


def _mel(sound: Tensor) -> Tensor:
    return (FILTERS @ _magnitudes(sound, MEL_SIZE, MEL_HOP) ** 2 + 1e-6).log10()


def _filters() -> Tensor:
    """Triangles on the mel scale (2595 log10(1 + f/700)), as (bands, bins)."""
    low, high = (2595 * np.log10(1 + hertz / 700) for hertz in MEL_HERTZ)
    corners = 700 * (10 ** (np.linspace(low, high, MEL_BANDS + 2) / 2595) - 1)
    bins = np.arange(MEL_SIZE // 2 + 1) * RATE / MEL_SIZE
    rising = (bins - corners[:-2, None]) / np.diff(corners)[:-1, None]
    falling = (corners[2:, None] - bins) / np.diff(corners)[1:, None]
    return torch.tensor(np.maximum(0, np.minimum(rising, falling)) * 0.03, dtype=torch.float32)


FILTERS = _filters()
