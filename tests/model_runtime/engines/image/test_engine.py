"""The image engine on tiny random checkpoints of all three families, through the code that loads the real ones."""

import copy
import gc
import io
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mlx.core as mx
import numpy as np
import pytest
from mflux.models.common.config import ModelConfig
from mflux.models.common.vae.tiling_config import TilingConfig
from mflux.models.flux2.variants import Flux2KleinEdit
from PIL import Image

from model_runtime.catalog.image_families import FLUX1, FLUX2, Z_IMAGE
from model_runtime.engines.image.checkpoint_layout import detect_family, flux2_overrides
from model_runtime.engines.image.engine import ImageEngine
from model_runtime.engines.image.models import IMAGE_MODELS
from model_runtime.errors import Cancelled, InvalidInput, LoadFailed
from model_runtime.events import EngineEvent, GeneratedImage, Preview, Progress, Result
from model_runtime.loading import LoadSpec
from model_runtime.media.image_encoding import provenance_text
from model_runtime.media.images import to_pillow
from model_runtime.media.provenance import Provenance, parse_provenance
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat, GenerateImage
from tests.checkpoints import flux1_schnell, flux2_klein, z_image_turbo
from tests.checkpoints.weights import load_tensors

pytestmark = pytest.mark.engines

BUILDERS: dict[str, Callable[[Path], Path]] = {
    FLUX1: flux1_schnell.build,
    FLUX2: flux2_klein.build,
    Z_IMAGE: z_image_turbo.build,
}
PLAIN = GenerateImage("tiny", "a red circle above a blue square", 64, 64, seed=7, steps=2)
SOURCE = ImageData(80, 64, bytes([200, 30, 60]) * (80 * 64))
OTHER = ImageData(48, 90, bytes([20, 130, 160]) * (48 * 90))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """One checkpoint of each family; FLUX.1 is quantised to 4 bits, as its repository is."""
    return {family: build(tmp_path_factory.mktemp("checkpoints") / family) for family, build in BUILDERS.items()}


@pytest.fixture(scope="module")
def engine(folders: dict[str, Path]) -> ImageEngine:
    """FLUX.2-klein, loaded."""
    return opened(folders[FLUX2])


def opened(folder: Path, **options: str | int) -> ImageEngine:
    """An engine with this checkpoint loaded."""
    engine = ImageEngine()
    engine.load(LoadSpec("tiny", "mflux", {"model": str(folder)}, options), lambda stage, fraction: None)
    return engine


def events(engine: ImageEngine, request: GenerateImage = PLAIN) -> list[EngineEvent | Result]:
    """Everything a request reports."""
    return list(engine.run(request, lambda: None))


def drawn(engine: ImageEngine, request: GenerateImage = PLAIN) -> GeneratedImage:
    """The drawing a request ends with."""
    *_, last = engine.run(request, lambda: None)
    assert isinstance(last, GeneratedImage)
    return last


def pixels(drawing: GeneratedImage) -> Image.Image:
    """The picture itself."""
    return Image.open(io.BytesIO(drawing.png)).convert("RGB")


def noise(width: int, height: int) -> ImageData:
    """A picture whose pixels no model guesses."""
    return ImageData(width, height, np.random.default_rng(0).integers(0, 256, width * height * 3, np.uint8).tobytes())


def left_half(width: int, height: int) -> ImageData:
    """A mask: the left half may change."""
    mask = np.zeros((height, width, 3), np.uint8)
    mask[:, : width // 2] = 255
    return ImageData(width, height, mask.tobytes())


def apart(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of the colours, 0..255."""
    return float(np.abs(np.asarray(one, np.float32) - np.asarray(other, np.float32)).mean())


@pytest.mark.parametrize("family", [FLUX1, FLUX2, Z_IMAGE])
def test_every_family_is_recognised_and_draws_exactly_what_mflux_draws(folders: dict[str, Path], family: str) -> None:
    folder = folders[family]
    own = IMAGE_MODELS[detect_family(folder)](folder)
    source = to_pillow(SOURCE).resize((64, 64))

    drawing = drawn(opened(folder, family=family))
    edited = drawn(opened(folder), replace(PLAIN, source_image=SOURCE, strength=0.5))

    call = {"seed": 7, "prompt": PLAIN.prompt, "num_inference_steps": 2, "width": 64, "height": 64}
    assert apart(pixels(drawing), own.model.generate_image(**call).image) == 0
    expected = own.model.generate_image(**call, image_path=source, image_strength=0.5).image
    assert apart(pixels(edited), expected) == 0
    assert apart(pixels(edited), pixels(drawing)) > 1


@pytest.mark.promise("image:edits")
@pytest.mark.parametrize("count", [1, 2])
def test_an_edit_draws_exactly_what_mflux_draws_of_the_same_references(
    engine: ImageEngine, folders: dict[str, Path], count: int
) -> None:
    references = (SOURCE, OTHER)[:count]
    config = copy.copy(ModelConfig.flux2_klein_4b())
    config.transformer_overrides, config.text_encoder_overrides = flux2_overrides(folders[FLUX2])
    editor = Flux2KleinEdit(model_path=str(folders[FLUX2]), model_config=config)

    edited = drawn(engine, replace(PLAIN, references=references))

    expected = editor.generate_image(
        7, PLAIN.prompt, 2, 64, 64, image_paths=[to_pillow(reference) for reference in references]
    ).image
    assert apart(pixels(edited), expected) == 0
    assert apart(pixels(edited), pixels(drawn(engine))) > 0
    assert apart(pixels(edited), pixels(drawn(engine, replace(PLAIN, references=(OTHER,))))) > 0


@pytest.mark.promise("image:mask")
@pytest.mark.parametrize("size", [(80, 64), (70, 61)])
def test_an_edit_leaves_pixels_outside_its_mask_equal(engine: ImageEngine, size: tuple[int, int]) -> None:
    picture = noise(*size)
    request = replace(PLAIN, width=size[0], height=size[1], references=(picture,), preview_every=1)
    masked = replace(request, mask=left_half(*size))

    whole, (*seen, edited) = drawn(engine, request), events(engine, masked)

    assert isinstance(edited, GeneratedImage)
    half = size[0] // 2
    before, after, free = (np.asarray(image) for image in (to_pillow(picture), pixels(edited), pixels(whole)))
    assert (after[:, half:] == before[:, half:]).all()
    assert (after[:, :half] == free[:, :half]).all()
    assert (free[:, half:] != before[:, half:]).mean() > 0.9
    (preview,) = [np.asarray(to_pillow(event.image)) for event in seen if isinstance(event, Preview)]
    assert (preview[:, half:] == before[:, half:]).all()


@pytest.mark.promise("image:mask")
def test_a_drawing_that_starts_from_a_picture_keeps_what_the_mask_protects(engine: ImageEngine) -> None:
    picture = noise(64, 64)
    request = replace(PLAIN, source_image=picture, strength=0.8, mask=left_half(64, 64))

    edited = np.asarray(pixels(drawn(engine, request)))

    assert (edited[:, 32:] == np.asarray(to_pillow(picture))[:, 32:]).all()
    assert (edited[:, :32] != np.asarray(to_pillow(picture))[:, :32]).mean() > 0.9


def test_a_mask_at_another_size_protects_the_scaled_picture(engine: ImageEngine) -> None:
    request = replace(PLAIN, width=128, height=128, references=(noise(64, 64),), mask=left_half(64, 64))

    edited = pixels(drawn(engine, request))

    scaled = to_pillow(noise(64, 64)).resize((128, 128), Image.Resampling.LANCZOS)
    assert (np.asarray(edited)[:, 70:] == np.asarray(scaled)[:, 70:]).all()


def test_references_to_a_family_that_cannot_look_at_them_are_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(InvalidInput, match="cannot look at pictures"):
        drawn(opened(folders[Z_IMAGE]), replace(PLAIN, references=(SOURCE,)))


def test_flux1_works_on_large_pictures_in_tiles(folders: dict[str, Path]) -> None:
    family = IMAGE_MODELS[FLUX1](folders[FLUX1])
    config = family.create_config(96, 80, 2, to_pillow(SOURCE).resize((96, 80)), 0.5)
    latents, _ = family.start_denoising(config, 7, family.encode_prompt("a star"))
    whole = family.decode_latents(latents, config)

    family.model.tiling_config = TilingConfig(vae_decode_tile_size=64, vae_decode_overlap=2, vae_encode_tile_size=64)
    tiled, _ = family.start_denoising(config, 7, family.encode_prompt("a star"))

    assert tiled.shape == latents.shape
    assert family.decode_latents(latents, config).size == whole.size == 3 * 96 * 80


@pytest.mark.promise("image:seed-repeats")
def test_one_seed_draws_the_same_bytes_and_another_does_not(engine: ImageEngine) -> None:
    first = drawn(engine)

    assert drawn(engine).png == first.png
    assert apart(pixels(drawn(engine, replace(PLAIN, seed=8))), pixels(first)) > 1
    assert apart(pixels(drawn(engine, replace(PLAIN, prompt="something else"))), pixels(first)) > 0


@pytest.mark.promise("image:progress")
def test_progress_counts_every_step_and_the_drawing_comes_last(engine: ImageEngine) -> None:
    *steps, last = events(engine, replace(PLAIN, steps=3))

    assert steps == [Progress("steps", done, 3) for done in range(4)]
    assert isinstance(last, GeneratedImage)
    assert (last.width, last.height, last.seed, last.steps, last.warnings) == (64, 64, 7, 3, ())


@pytest.mark.parametrize(("family", "steps"), [(FLUX1, 4), (FLUX2, 4)])
def test_steps_default_to_the_family_s_own_number(folders: dict[str, Path], family: str, steps: int) -> None:
    assert drawn(opened(folders[family]), replace(PLAIN, steps=0)).steps == steps


@pytest.mark.promise("image:any-shape")
def test_sides_are_those_asked_for(engine: ImageEngine) -> None:
    assert pixels(drawn(engine, replace(PLAIN, width=128, height=64))).size == (128, 64)


@pytest.mark.promise("image:cancel")
def test_a_cancelled_drawing_ends_between_steps_and_the_next_one_is_unharmed(engine: ImageEngine) -> None:
    before = drawn(engine)
    seen: list[EngineEvent | Result] = []

    def check() -> None:
        if Progress("steps", 2, 50) in seen:
            raise Cancelled("gone")

    pieces = engine.run(replace(PLAIN, steps=50), check)
    with pytest.raises(Cancelled):
        seen.extend(pieces)

    assert seen == [Progress("steps", done, 50) for done in range(3)]
    assert drawn(engine).png == before.png


def test_a_loaded_engine_that_was_cancelled_gives_all_its_memory_back(folders: dict[str, Path]) -> None:
    gc.collect()
    before = mx.get_active_memory()
    engine = opened(folders[FLUX2])

    def check() -> None:
        raise Cancelled("gone")

    with pytest.raises(Cancelled):
        list(engine.run(PLAIN, check))
    held = mx.get_active_memory() - before
    del engine
    gc.collect()

    assert held > 5_000_000
    assert mx.get_active_memory() - before < 1_000_000


@pytest.mark.promise("image:preview")
def test_a_preview_is_the_picture_that_lies_straight_ahead(engine: ImageEngine) -> None:
    seen = events(engine, replace(PLAIN, steps=4, preview_every=1))
    previews = [event for event in seen if isinstance(event, Preview)]

    # from pure noise, straight ahead is where a single step goes
    single = pixels(drawn(engine, replace(PLAIN, steps=1)))
    assert [preview.step for preview in previews] == [1, 2, 3]
    assert apart(to_pillow(previews[0].image), single) == 0
    assert apart(to_pillow(previews[2].image), single) > 0.5


def test_previews_come_as_often_as_asked(engine: ImageEngine) -> None:
    seen = events(engine, replace(PLAIN, steps=4, preview_every=2))

    assert [event.step for event in seen if isinstance(event, Preview)] == [2]


@pytest.mark.promise("image:from-a-picture")
def test_strength_is_how_far_the_drawing_moves_from_its_source(engine: ImageEngine) -> None:
    edit = replace(PLAIN, steps=4, source_image=SOURCE)

    kept, near, free = (drawn(engine, replace(edit, strength=strength)) for strength in (0.0, 0.5, 1.0))

    assert apart(pixels(free), pixels(drawn(engine, replace(PLAIN, steps=4)))) == 0
    assert apart(pixels(kept), pixels(near)) > 0
    assert apart(pixels(kept), pixels(near)) < apart(pixels(kept), pixels(free))


def test_fewer_steps_are_counted_where_a_source_saves_some(engine: ImageEngine) -> None:
    seen = events(engine, replace(PLAIN, steps=4, source_image=SOURCE, strength=0.5))

    assert [event for event in seen if isinstance(event, Progress)] == [Progress("steps", n, 2) for n in range(3)]


@pytest.mark.promise("image:parameters-inside")
def test_the_png_says_what_it_was_drawn_from(engine: ImageEngine) -> None:
    drawing = drawn(engine, replace(PLAIN, prompt="ein grüner Stern ★", source_image=SOURCE, strength=0.5))

    with Image.open(io.BytesIO(drawing.png)) as image:
        text = provenance_text(image)
    assert parse_provenance(text) == Provenance("ein grüner Stern ★", "tiny", 7, 2, 64, 64, strength=0.5)


def test_a_png_says_nothing_where_that_is_not_wanted(engine: ImageEngine) -> None:
    drawing = drawn(engine, replace(PLAIN, provenance=False))

    with Image.open(io.BytesIO(drawing.png)) as image:
        assert provenance_text(image) == ""
    assert pixels(drawing).tobytes() == pixels(drawn(engine)).tobytes()


def test_a_size_between_those_of_the_model_is_drawn_and_said(engine: ImageEngine) -> None:
    drawing = drawn(engine, replace(PLAIN, width=70, height=61))

    assert pixels(drawing).size == (drawing.width, drawing.height) == (70, 61)
    (warning,) = drawing.warnings
    assert "80x64" in warning
    assert "cropped to 70x61" in warning


@pytest.mark.promise("image:long-prompt-told")
def test_a_prompt_longer_than_the_model_reads_is_drawn_and_told(folders: dict[str, Path]) -> None:
    drawing = drawn(opened(folders[FLUX1]), replace(PLAIN, prompt="red " * 20))

    (warning,) = drawing.warnings
    assert "81 tokens" in warning
    assert "first 16" in warning


@pytest.mark.parametrize("change", [{"width": 15}, {"height": 4097}, {"steps": 51}, {"seed": -1}, {"prompt": " "}])
def test_bad_values_are_refused_before_any_work(engine: ImageEngine, change: dict[str, int | str]) -> None:
    with pytest.raises(InvalidInput):
        next(engine.run(replace(PLAIN, **change), lambda: None))  # type: ignore[arg-type]


def test_a_chat_is_refused(engine: ImageEngine) -> None:
    with pytest.raises(InvalidInput, match="only supports image generation"):
        next(engine.run(Chat("tiny", ()), lambda: None))


@pytest.mark.parametrize("four_bit", [False, True])
def test_sizes_are_read_from_the_files_quantised_or_not(tmp_path: Path, four_bit: bool) -> None:
    transformer, text = flux2_overrides(flux2_klein.build(tmp_path / "klein", four_bit=four_bit))

    assert transformer == {
        "num_layers": 1,
        "num_single_layers": 2,
        "attention_head_dim": 32,
        "num_attention_heads": 2,
        "in_channels": 128,
        "joint_attention_dim": 192,
        "axes_dims_rope": (8, 8, 8, 8),
    }
    assert (text["num_hidden_layers"], text["hidden_size"], text["vocab_size"]) == (27, 64, 320)


def test_the_original_repository_s_layout_draws_the_same(engine: ImageEngine, tmp_path: Path) -> None:
    original = opened(flux2_klein.build_original(tmp_path / "klein"))

    # mflux rounds the original layout to bfloat16
    assert apart(pixels(drawn(original)), pixels(drawn(engine))) < 3


def test_a_four_bit_save_draws(tmp_path: Path) -> None:
    engine = opened(flux2_klein.build(tmp_path / "klein", four_bit=True))

    assert pixels(drawn(engine)).getextrema() != ((0, 0), (0, 0), (0, 0))


@pytest.mark.promise("image:stdout-silent")
def test_nothing_is_ever_printed_to_stdout(folders: dict[str, Path], capfd: pytest.CaptureFixture[str]) -> None:
    drawn(opened(folders[FLUX1]))

    assert capfd.readouterr().out == ""


def broken(source: Path, target: Path, part: str, change: Callable[[dict[str, mx.array]], None]) -> Path:
    """A copy of a checkpoint with the tensors of one part changed."""
    shutil.copytree(source, target)
    (target / part / "model.safetensors.index.json").unlink()
    file = target / part / "0.safetensors"
    tensors = load_tensors(file)
    change(tensors)
    mx.save_safetensors(str(file), tensors, {"quantization_level": "None", "mflux_version": "0.24.0"})
    return target


@pytest.mark.promise("image:broken-refused")
@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder"])
def test_missing_tensors_are_named_instead_of_drawing_noise(
    folders: dict[str, Path], tmp_path: Path, part: str
) -> None:
    removed: list[str] = []

    def change(tensors: dict[str, mx.array]) -> None:
        removed.append(list(tensors)[-1])
        del tensors[removed[0]]

    folder = broken(folders[FLUX2], tmp_path / "broken", part, change)

    with pytest.raises(LoadFailed, match="1 tensors are missing") as failed:
        opened(folder)
    assert f"{part}/{removed[0]}" in str(failed.value)


def test_a_file_cut_short_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "cut"
    shutil.copytree(folders[FLUX2], folder)
    file = folder / "vae" / "0.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])

    with pytest.raises(LoadFailed, match="cut short"):
        opened(folder)


def test_a_missing_tokenizer_is_refused(folders: dict[str, Path], tmp_path: Path) -> None:
    folder = tmp_path / "silent"
    shutil.copytree(folders[FLUX2], folder, ignore=shutil.ignore_patterns("tokenizer"))

    with pytest.raises(LoadFailed, match="tokenizer"):
        opened(folder)


def test_another_family_than_the_catalogue_says_is_refused(folders: dict[str, Path]) -> None:
    with pytest.raises(LoadFailed, match="family flux2-klein, not z-image"):
        opened(folders[FLUX2], family=Z_IMAGE)


@pytest.mark.parametrize(
    ("tensor", "words"),
    [("time_text_embed.guidance_embedder.linear_1.weight", "FLUX.1-dev"), ("x.weight", "an unknown family")],
)
def test_unsupported_models_are_refused_by_name(tmp_path: Path, tensor: str, words: str) -> None:
    (tmp_path / "transformer").mkdir()
    mx.save_safetensors(str(tmp_path / "transformer" / "0.safetensors"), {tensor: mx.zeros((1,))})

    with pytest.raises(LoadFailed, match=words):
        opened(tmp_path)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoadFailed):
        opened(tmp_path)


def test_loading_reports_how_far_it_is(folders: dict[str, Path]) -> None:
    told: list[tuple[str, float | None]] = []

    loaded = ImageEngine().load(
        LoadSpec("tiny", "mflux", {"model": str(folders[FLUX2])}),
        lambda stage, fraction: told.append((stage, fraction)),
    )

    assert told[0] == ("weights", 0.0)
    assert told[-1] == ("weights", 1.0)
    assert 10_000_000 < loaded.weights_bytes < 13_000_000
    assert loaded.active_bytes >= loaded.weights_bytes


@pytest.mark.promise("image:native-size")
def test_a_model_of_one_size_is_scaled_to_the_size_asked_for_and_says_so(
    engine: ImageEngine, folders: dict[str, Path]
) -> None:
    small = opened(folders[FLUX2], native_side=64)

    drawing = drawn(small, replace(PLAIN, width=256, height=128))

    assert pixels(drawing).size == (256, 128)
    assert any("64x64" in warning and "256x128" in warning for warning in drawing.warnings)
    assert drawn(small) == drawn(engine)
