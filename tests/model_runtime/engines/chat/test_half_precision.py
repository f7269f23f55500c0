"""Chat models in half precision, as with Metal: their logits are near those in float32, token by token."""

import shutil
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest

from model_runtime.catalog.builtin_models import STARTER_FOLDER
from model_runtime.engines.chat.engine import ChatModel
from model_runtime.engines.chat.sampling import TokenSampler
from model_runtime.engines.protocol import LoadReporter
from model_runtime.engines.text.model import load_text_model
from model_runtime.engines.vision.model import load_vision_model
from model_runtime.loading import LoadSpec
from model_runtime.requests import Chat
from tests.checkpoints import gemma, llama, moondream2, qwen25_vl
from tests.checkpoints.weights import to_half_precision
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.metal import MAY_COMPILE, compiled, report_metal
from tests.model_runtime.engines.step_engine_driver import chat, solid_picture

pytestmark = pytest.mark.engines

ModelLoader = Callable[[LoadSpec, LoadReporter], ChatModel]

QUESTION = chat("Say it.")
SEEN = chat(solid_picture(60, 90, (220, 30, 30)), "Describe this image.")
TOKENS = 8
MOST_ERROR = {mx.float16: 0.04, mx.bfloat16: 0.3}
"""Root mean square of the error of the logits over their standard deviation. Measured: 0.024 and 0.18 at most, for
random weights of Gemma 3, which amplify rounding; 0.0008 and 0.006 for the starter. bfloat16 rounds eight times
coarser."""


def copy_starter(folder: Path) -> None:
    """Copy the built-in vision model."""
    shutil.copytree(STARTER_FOLDER / "vlm-starter", folder)


FAMILIES: dict[str, tuple[ModelLoader, CheckpointBuilder, Chat]] = {
    "llama": (load_text_model, llama.build, QUESTION),
    "gemma3-text": (load_text_model, gemma.build_gemma3_text, QUESTION),
    "qwen2.5-vl": (load_vision_model, qwen25_vl.build, SEEN),
    "gemma3": (load_vision_model, gemma.build_gemma3, SEEN),
    "gemma4": (load_vision_model, gemma.build_gemma4, SEEN),
    "moondream2": (load_vision_model, moondream2.build, SEEN),
    "starter": (load_vision_model, copy_starter, SEEN),
}


class RecordingSampler:
    """Samples the given tokens, then the likeliest, and keeps all logits."""

    def __init__(self, tokens: Sequence[int] = ()) -> None:
        self.tokens = list(tokens)
        self._logits: list[np.ndarray] = []

    @property
    def logits(self) -> np.ndarray:
        """Float32 (tokens, vocabulary)."""
        return np.stack(self._logits)

    def __call__(self, logits: mx.array) -> mx.array:
        """Return scores (1, vocabulary) whose argmax is the next token."""
        row = np.array(logits.astype(mx.float32))[0]
        if len(self._logits) == len(self.tokens):
            self.tokens.append(int(row.argmax()))
        token = self.tokens[len(self._logits)]
        self._logits.append(row)
        return mx.arange(len(row))[None] == token


def write(model: ChatModel, request: Chat, sampler: RecordingSampler) -> RecordingSampler:
    """Answer a chat to its end or length limit."""
    batch = model.open_batch()
    batch.insert(model.build_prompt(request), TOKENS, TokenSampler(sampler))
    while not any(token.finish_reason for token in batch.next()):
        pass
    batch.close()
    return sampler


@pytest.mark.promise("engines:half-precision-with-gpu")
@pytest.mark.parametrize("dtype", MOST_ERROR, ids=["f16", "bf16"])
@pytest.mark.parametrize(
    ("family", "compiles"),
    [
        *((family, False) for family in FAMILIES),
        *(pytest.param(family, True, marks=MAY_COMPILE) for family in ("llama", "starter")),
    ],
)
def test_logits_in_half_precision_are_near_those_in_full(
    family: str,
    dtype: mx.Dtype,
    checkpoint: Callable[[CheckpointBuilder], Path],
    tmp_path: Path,
    *,
    compiles: bool,
) -> None:
    load, build, request = FAMILIES[family]
    folder = to_half_precision(Path(shutil.copytree(checkpoint(build), tmp_path / "half")), dtype)
    folders = {"model": str(folder), "tokenizer": str(checkpoint(moondream2.build_tokenizer))}
    spec = LoadSpec("half", "an-engine", folders)

    with report_metal(available=False):
        full = write(load(spec, lambda _stage, _fraction: None), request, RecordingSampler())
    with report_metal(available=True), compiled() if compiles else nullcontext():
        half = write(load(spec, lambda _stage, _fraction: None), request, RecordingSampler(full.tokens))

    error = np.sqrt(np.square(half.logits - full.logits).mean()) / full.logits.std()
    assert 0 < error < MOST_ERROR[dtype]
