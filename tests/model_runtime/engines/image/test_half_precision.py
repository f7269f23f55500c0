"""Pictures in half precision, as with Metal: mflux computes in bfloat16, whatever half precision the files have."""

import io
import shutil
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from PIL import Image

from model_runtime.engines.image.engine import ImageEngine
from model_runtime.events import GeneratedImage
from model_runtime.requests import GenerateImage
from tests.checkpoints import flux2_klein, z_image_turbo
from tests.checkpoints.weights import to_half_precision
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.job_engine_driver import load, run_to_end
from tests.model_runtime.engines.metal import MAY_COMPILE, compiled, report_metal

pytestmark = [pytest.mark.engines, pytest.mark.promise("engines:half-precision-with-gpu")]

MOST_ERROR = 4.0
"""Mean difference of the colours, 0..255. Measured: 1.3."""
REQUEST = GenerateImage("tiny", "a red circle above a blue square", 64, 64, seed=7, steps=1)


def drawn(folder: Path, *, metal: bool, compiles: bool = False) -> np.ndarray:
    """Colours of a picture, float32 (64, 64, 3) in 0..255; the engine refuses pixels that are not finite."""
    with report_metal(available=metal), compiled() if compiles else nullcontext():
        result = run_to_end(load(ImageEngine(), {"model": folder}), REQUEST)[-1]
    assert isinstance(result, GeneratedImage)
    with Image.open(io.BytesIO(result.png)) as image:
        return np.asarray(image.convert("RGB"), np.float32)


@pytest.mark.parametrize(
    ("build", "dtype", "compiles"),
    [
        (flux2_klein.build_original, mx.float16, False),
        pytest.param(flux2_klein.build, mx.bfloat16, True, marks=MAY_COMPILE),
        (z_image_turbo.build, mx.bfloat16, False),
    ],
    ids=["flux2-f16", "flux2-bf16-compiled", "z-image-bf16"],
)
def test_a_picture_in_half_precision_looks_as_in_full(
    build: CheckpointBuilder,
    dtype: mx.Dtype,
    checkpoint: Callable[[CheckpointBuilder], Path],
    tmp_path: Path,
    *,
    compiles: bool,
) -> None:
    folder = Path(shutil.copytree(checkpoint(build), tmp_path / "half"))
    for part in ("vae", "transformer", "text_encoder"):
        to_half_precision(folder / part, dtype)

    full, half = drawn(folder, metal=False), drawn(folder, metal=True, compiles=compiles)

    assert full.std() > 10
    assert 0 < np.abs(half - full).mean() < MOST_ERROR
