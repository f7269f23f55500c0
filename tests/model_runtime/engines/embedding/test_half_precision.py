"""Vectors in half precision, as with Metal: they point where transformers' point in full."""

import shutil
from collections.abc import Callable
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from model_runtime.engines.embedding.encoder import load_text_encoder
from tests.checkpoints.transformers_vectors import BUILDERS, TEXTS
from tests.checkpoints.weights import to_half_precision
from tests.model_runtime.engines.embedding.test_engine import REFERENCE, spec_of
from tests.model_runtime.engines.metal import report_metal

pytestmark = [pytest.mark.engines, pytest.mark.promise("engines:half-precision-with-gpu")]


@pytest.mark.parametrize("family", BUILDERS)
@pytest.mark.parametrize("dtype", [mx.float16, mx.bfloat16], ids=["f16", "bf16"])
def test_a_vector_in_half_precision_is_that_of_full(
    checkpoint: Callable[[Callable[[Path], object]], Path], tmp_path: Path, family: str, dtype: mx.Dtype
) -> None:
    folder = to_half_precision(Path(shutil.copytree(checkpoint(BUILDERS[family]), tmp_path / "half")), dtype)

    with report_metal(available=True):
        encoder = load_text_encoder(spec_of(folder))
        vectors = encoder.embed(encoder.tokenize(TEXTS))

    assert (vectors * np.array(REFERENCE[family]["vectors"])).sum(axis=1).min() > 0.999
    assert np.abs(np.linalg.norm(vectors, axis=1) - 1).max() < 1e-6
