"""The image engine: FLUX.1-schnell, FLUX.2-klein and Z-Image-Turbo on mflux."""

import contextlib
import gc
import json
import sys
from collections.abc import Generator, Iterator, Sequence
from itertools import accumulate, groupby
from pathlib import Path

import mlx.core as mx
from mflux.models.common.config.config import Config
from mflux.utils.image_util import ImageUtil
from mlx.utils import tree_flatten
from PIL import Image

from model_runtime.engines.dtype import widen
from model_runtime.engines.image.canvas import Canvas
from model_runtime.engines.image.checkpoint_layout import check_complete, find_family, read_parts
from model_runtime.engines.image.families import FAMILIES, Family, Velocity
from model_runtime.engines.image.prompts import Prompts
from model_runtime.engines.protocol import Check, Report
from model_runtime.errors import InvalidInput, JobFailed, LoadFailed, SensesError
from model_runtime.events import Drawing, EngineEvent, Preview, Progress, Result
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.media.pictures import encode_drawing, from_pillow, resize_to_fit
from model_runtime.requests import GenerateImage, Request
from model_runtime.validation.image import check_drawing

CACHE_BYTES = 1_000_000_000
"""Freed buffers that MLX may keep: without a limit a second picture is tens of times slower on a full machine."""
PREVIEW_SIDE = 512
LOAD_BYTES = 256_000_000
"""Weights are read in pieces of this size, so that a load can tell how far it is."""


class DrawingEngine:
    """Draws one picture at a time, a step at a time."""

    _family: Family
    _prompts: Prompts
    _model: str
    _native_side: int

    def load(self, spec: LoadSpec, report: Report) -> LoadedModel:
        """Load and evaluate all weights.

        `options` are "family", which must then be that of the files, and "native_side", for a model that draws squares
        of one size only.

        Raises:
            LoadFailed: the files are of another or no supported family, incomplete or unreadable.
        """
        self._model, self._native_side = spec.model, int(spec.options.get("native_side", 0))
        mx.set_cache_limit(CACHE_BYTES)
        if mx.default_device() == mx.Device(mx.cpu):
            mx.disable_compile()  # there it starts a C++ compiler and wins nothing
        report("weights", 0.0)
        self._family = _open_family(Path(spec.folders["model"]), str(spec.options.get("family", "")))
        self._prompts = Prompts(self._family.encode)
        return _evaluate(self._family, report)

    def run(self, request: Request, check: Check) -> Iterator[EngineEvent | Result]:
        """Draw: `Progress` in steps, `Preview` where wanted, then the `Drawing`.

        Raises:
            InvalidInput: the request cannot be drawn.
            Cancelled: between two steps, once `check` says so.
        """
        if not isinstance(request, GenerateImage):
            raise InvalidInput(f"{self._model} draws pictures and can do nothing else.", param="model")
        check_drawing(request)
        canvas = Canvas(request.width, request.height, self._native_side)
        steps = request.steps or self._family.default_steps
        source = canvas.take(request.source) if request.source else None
        config = self._family.config(*canvas.drawn_size, steps, source, request.strength)
        image = yield from self._draw(request, config, canvas, check)
        yield Drawing(
            encode_drawing(canvas.finish(image), _parameters(request, self._model, steps)),
            request.width,
            request.height,
            request.seed,
            steps,
            tuple(filter(None, (self._cut_off(request.prompt), canvas.warning))),
        )

    def idle(self) -> None:
        """Give back freed buffers."""
        mx.clear_cache()

    def _draw(
        self, request: GenerateImage, config: Config, canvas: Canvas, check: Check
    ) -> Generator[EngineEvent, None, Image.Image]:
        first, last = config.init_time_step, config.num_inference_steps
        yield Progress("steps", 0, last - first)
        check()
        latents, velocity = self._family.begin(config, request.seed, self._prompts.read(request.prompt))
        for step in range(first, last):
            check()
            latents, clean = _step(config, latents, velocity, step)
            done = step + 1 - first
            yield Progress("steps", done, last - first)
            if request.preview_every and done % request.preview_every == 0 and step + 1 < last:
                check()
                shown = from_pillow(canvas.finish(self._decode(clean, config)))
                yield Preview(resize_to_fit(shown, PREVIEW_SIDE), done, last - first)
        check()
        return self._decode(latents, config)

    def _decode(self, latents: mx.array, config: Config) -> Image.Image:
        pixels = self._family.decode(latents, config)
        if not mx.isfinite(pixels).all():
            raise JobFailed(f"{self._model} drew numbers that are no colours. Try another seed or size.")
        return ImageUtil.to_pil(pixels)

    def _cut_off(self, prompt: str) -> str:
        count, limit = self._family.count_tokens(prompt)
        return f"The prompt has {count} tokens; {self._model} read the first {limit}." if count > limit else ""


def _step(config: Config, latents: mx.array, velocity: Velocity, step: int) -> tuple[mx.array, mx.array]:
    """Take one Euler step; also return, not computed yet, the clean picture that lies straight ahead."""
    moving, sigmas = velocity(latents, step), config.scheduler.sigmas
    clean = latents - sigmas[step].astype(latents.dtype) * moving.astype(latents.dtype)
    latents = config.scheduler.step(noise=moving, timestep=step, latents=latents, sigmas=sigmas)
    mx.eval(latents)
    return latents, clean


def _open_family(folder: Path, wanted: str) -> Family:
    found = find_family(folder)
    if wanted and wanted != found:
        raise LoadFailed(f"{folder} holds a model of the family {found}, not {wanted}. Correct the model's options.")
    parts = read_parts(FAMILIES[found].definition, folder)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            family = FAMILIES[found](folder)
        check_complete(family.model, family.definition, folder, parts)
    except SensesError:
        raise
    except Exception as error:
        raise LoadFailed(f"{folder} cannot be loaded as {found}: {error}. Download the model again.") from error
    return family


def _evaluate(family: Family, report: Report) -> LoadedModel:
    if family.model.bits is None:
        widen(family.model)
    arrays = [array for _, array in tree_flatten(family.model.parameters())]
    total = sum(array.nbytes for array in arrays)
    done = 0
    for piece in _pieces(arrays):
        mx.eval(piece)
        done += sum(array.nbytes for array in piece)
        report("weights", done / total)
    gc.collect()
    return LoadedModel(total, mx.get_active_memory(), mx.get_peak_memory())


def _pieces(arrays: Sequence[mx.array]) -> Iterator[list[mx.array]]:
    ends = accumulate(array.nbytes for array in arrays)
    for _, piece in groupby(zip(arrays, ends, strict=True), key=lambda pair: pair[1] // LOAD_BYTES):
        yield [array for array, _ in piece]


def _parameters(request: GenerateImage, model: str, steps: int) -> str:
    """What the picture was drawn from, as JSON."""
    facts = {"prompt": request.prompt, "model": model, "seed": request.seed, "steps": steps}
    size = {"width": request.width, "height": request.height}
    start = {"strength": request.strength} if request.source else {}
    return json.dumps(facts | size | start | {"software": "Senses"}, ensure_ascii=False)
