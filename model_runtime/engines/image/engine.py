"""The image engine: FLUX.1-schnell, FLUX.2-klein and Z-Image-Turbo on mflux."""

import contextlib
import gc
import sys
from collections.abc import Generator, Iterator, Sequence
from itertools import accumulate, groupby
from pathlib import Path

import mlx.core as mx
from mflux.models.common.config.config import Config
from mflux.utils.image_util import ImageUtil
from mlx.utils import tree_flatten
from PIL import Image

from model_runtime.engines.dtype import computes_on_gpu, upcast_on_cpu
from model_runtime.engines.fatal_errors import is_fatal
from model_runtime.engines.image.canvas import KeptPixels, OutputCanvas
from model_runtime.engines.image.checkpoint_layout import check_complete, detect_family, read_components
from model_runtime.engines.image.models import IMAGE_MODELS, ImageModel, VelocityFunction
from model_runtime.engines.image.prompt_cache import PromptEmbeddingCache
from model_runtime.engines.protocol import CancelCheck, LoadReporter
from model_runtime.errors import InvalidInput, JobFailed, LoadFailed, SensesError
from model_runtime.events import EngineEvent, GeneratedImage, Preview, Progress, Result
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.media.image_encoding import encode_pillow
from model_runtime.media.images import from_pillow, resize_to_fit, to_pillow
from model_runtime.media.provenance import Provenance, format_provenance
from model_runtime.requests import GenerateImage, Request
from model_runtime.validation.image import validate_parameters

PREVIEW_SIDE_PIXELS = 512
"""The longer side of a preview."""
LOAD_CHUNK_BYTES = 256_000_000
"""Weights are read in chunks of this size, each followed by a progress report."""


class ImageEngine:
    """Generate one picture at a time, one denoising step at a time."""

    takes_turns = False

    _image_model: ImageModel
    _prompt_embeddings: PromptEmbeddingCache
    _model_name: str
    _native_side_pixels: int
    _min_pixels: int

    def load(self, spec: LoadSpec, report_progress: LoadReporter) -> LoadedModel:
        """Load and evaluate all weights.

        Options: "family", the expected family; "native_side", the side in pixels of the only square that the model
        generates; "min_pixels", the fewest pixels that it generates.

        Raises:
            LoadFailed: the files are of another or an unsupported family, incomplete or unreadable.
        """
        self._model_name, self._native_side_pixels = spec.model, int(spec.options.get("native_side", 0))
        self._min_pixels = int(spec.options.get("min_pixels", 0))
        if not computes_on_gpu():
            mx.disable_compile()  # on a CPU it starts a C++ compiler and gains nothing
        report_progress("weights", 0.0)
        self._image_model = _load_image_model(Path(spec.folders["model"]), str(spec.options.get("family", "")))
        self._prompt_embeddings = PromptEmbeddingCache(self._image_model.encode_prompt)
        return _evaluate_in_chunks(self._image_model, report_progress)

    def run(self, request: Request, check_cancelled: CancelCheck) -> Iterator[EngineEvent | Result]:
        """Yield `Progress` in steps, a `Preview` every `preview_every` steps, then a `GeneratedImage`.

        Raises:
            InvalidInput: the request is not a `GenerateImage`, or a parameter is invalid.
            Cancelled: `check_cancelled` raised it between two steps.
            JobFailed: the pixels are not finite.
        """
        if not isinstance(request, GenerateImage):
            raise InvalidInput(f"{self._model_name} only supports image generation.", param="model")
        if request.references and not self._image_model.edits:
            raise InvalidInput(f"{self._model_name} cannot look at pictures. Start from one instead.", param="model")
        validate_parameters(request)
        canvas = OutputCanvas(request.width, request.height, self._native_side_pixels, self._min_pixels)
        steps = request.steps or self._image_model.default_steps
        source = canvas.fit_source(request.source_image) if request.source_image else None
        config = self._image_model.create_config(*canvas.generated_size, steps, source, request.strength)
        image = yield from self._denoise(request, config, canvas, check_cancelled)
        provenance = _provenance_text(request, self._model_name, steps)
        png = encode_pillow(image, "png", provenance=provenance)
        warnings = tuple(filter(None, (self._truncation_warning(request.prompt), canvas.size_warning)))
        yield GeneratedImage(png, request.width, request.height, request.seed, steps, warnings)

    def idle(self) -> None:
        """Release MLX's freed buffers."""
        mx.clear_cache()

    def _denoise(
        self, request: GenerateImage, config: Config, canvas: OutputCanvas, check_cancelled: CancelCheck
    ) -> Generator[EngineEvent, None, Image.Image]:
        first_step, step_count = config.init_time_step, config.num_inference_steps
        kept = KeptPixels.of(request)
        yield Progress("steps", 0, step_count - first_step)
        check_cancelled()
        embedding = self._prompt_embeddings.get_or_encode(request.prompt)
        references = [*map(to_pillow, request.references)]
        latents, velocity = self._image_model.start_denoising(config, request.seed, embedding, references)
        for step in range(first_step, step_count):
            check_cancelled()
            latents, clean_latents = _euler_step(config, latents, velocity, step)
            steps_done = step + 1 - first_step
            yield Progress("steps", steps_done, step_count - first_step)
            if request.preview_every and steps_done % request.preview_every == 0 and step + 1 < step_count:
                check_cancelled()
                preview = from_pillow(self._finish(clean_latents, config, canvas, kept))
                yield Preview(resize_to_fit(preview, PREVIEW_SIDE_PIXELS), steps_done, step_count - first_step)
        check_cancelled()
        return self._finish(latents, config, canvas, kept)

    def _finish(self, latents: mx.array, config: Config, canvas: OutputCanvas, kept: KeptPixels | None) -> Image.Image:
        """Decode latents to the requested size; what an edit keeps is put back after that."""
        drawing = canvas.fit_output(self._decode_image(latents, config))
        return kept.restore(drawing) if kept else drawing

    def _decode_image(self, latents: mx.array, config: Config) -> Image.Image:
        pixels = self._image_model.decode_latents(latents, config)
        if not mx.isfinite(pixels).all():
            raise JobFailed(f"{self._model_name} produced invalid pixels (NaN or infinity). Try another seed or size.")
        return ImageUtil.to_pil(pixels)

    def _truncation_warning(self, prompt: str) -> str:
        token_count, limit = self._image_model.count_tokens(prompt)
        if token_count <= limit:
            return ""
        return f"The prompt has {token_count} tokens; {self._model_name} read the first {limit}."


def _euler_step(config: Config, latents: mx.array, velocity: VelocityFunction, step: int) -> tuple[mx.array, mx.array]:
    """Return the latents after one Euler step, and an estimate of the clean latents, which is not evaluated.

    In rectified flow, latents = (1 - sigma) * clean + sigma * noise and velocity = noise - clean. Therefore clean =
    latents - sigma * velocity.
    """
    predicted_noise, sigmas = velocity(latents, step), config.scheduler.sigmas
    clean_latents = latents - sigmas[step].astype(latents.dtype) * predicted_noise.astype(latents.dtype)
    latents = config.scheduler.step(noise=predicted_noise, timestep=step, latents=latents, sigmas=sigmas)
    mx.eval(latents)
    return latents, clean_latents


def _load_image_model(folder: Path, expected_family: str) -> ImageModel:
    family = detect_family(folder)
    if expected_family and expected_family != family:
        raise LoadFailed(
            f"{folder} holds a model of the family {family}, not {expected_family}. Correct the model's options."
        )
    component_tensors = read_components(IMAGE_MODELS[family].weight_definition, folder)
    try:
        with contextlib.redirect_stdout(sys.stderr):
            image_model = IMAGE_MODELS[family](folder)
        check_complete(image_model.model, image_model.weight_definition, folder, component_tensors)
    except SensesError:
        raise
    except Exception as error:
        if is_fatal(error):
            raise
        raise LoadFailed(f"{folder} cannot be loaded as {family}: {error}. Download the model again.") from error
    return image_model


def _evaluate_in_chunks(image_model: ImageModel, report_progress: LoadReporter) -> LoadedModel:
    if image_model.model.bits is None:
        upcast_on_cpu(image_model.model)
    arrays = [array for _, array in tree_flatten(image_model.model.parameters())]
    total_bytes = sum(array.nbytes for array in arrays)
    evaluated_bytes = 0
    for chunk in _weight_chunks(arrays):
        mx.eval(chunk)
        evaluated_bytes += sum(array.nbytes for array in chunk)
        report_progress("weights", evaluated_bytes / total_bytes)
    gc.collect()
    return LoadedModel(total_bytes, mx.get_active_memory(), mx.get_peak_memory())


def _weight_chunks(arrays: Sequence[mx.array]) -> Iterator[list[mx.array]]:
    cumulative_bytes = accumulate(array.nbytes for array in arrays)
    for _, chunk in groupby(zip(arrays, cumulative_bytes, strict=True), key=lambda pair: pair[1] // LOAD_CHUNK_BYTES):
        yield [array for array, _ in chunk]


def _provenance_text(request: GenerateImage, model: str, steps: int) -> str:
    """Return what a picture is drawn from as text for its metadata, or "" if the request wants none."""
    if not request.provenance:
        return ""
    strength = request.strength if request.source_image else None
    return format_provenance(
        Provenance(request.prompt, model, request.seed, steps, request.width, request.height, strength)
    )
