"""Pictures are measured in a process that its caller can end."""

import errno
import io
import os
from pathlib import Path

import anyio
import psutil
import pytest
from anyio.lowlevel import checkpoint
from PIL import Image

from model_runtime.decoding import measurer as measurer_module
from model_runtime.decoding.decoder import MediaDecoder
from model_runtime.decoding.measurer import ImageMeasurer
from model_runtime.decoding.process import DecodingFailed
from model_runtime.errors import Busy, InsufficientStorage, InvalidMedia
from model_runtime.measuring.files import measure_file
from model_runtime.measuring.results import MEASURED_PIXELS, MEASURING_BYTES_PER_PIXEL
from tests.model_runtime.measuring.drawings import BUTTON_BOX, layout

LIMIT_BYTES = 512_000_000


@pytest.fixture
def measurer(tmp_path: Path) -> ImageMeasurer:
    """A measurer whose decoder keeps its files in the folder of the test."""
    return ImageMeasurer(MediaDecoder(LIMIT_BYTES, tmp_path))


def png(image: Image.Image) -> bytes:
    """The file of an image."""
    out = io.BytesIO()
    image.save(out, "PNG")
    return out.getvalue()


def files_in(folder: Path) -> list[str]:
    """The names of all files in a folder."""
    return [path.name for path in folder.iterdir()]


@pytest.mark.process
@pytest.mark.promise("measuring:bounded")
async def test_a_process_measures_as_this_one_does(measurer: ImageMeasurer, tmp_path: Path) -> None:
    source = png(layout())

    measured = await measurer.measure(source, param="image", text_boxes=[(10, 10, 150, 40)])

    assert measured == measure_file(io.BytesIO(source), param="image", text_boxes=[(10, 10, 150, 40)])
    assert not files_in(tmp_path)
    assert measurer.decoder.admission.free_bytes == LIMIT_BYTES


@pytest.mark.process
@pytest.mark.promise("measuring:bounded")
async def test_a_comparison_brings_its_heat_map_and_refuses_damaged_files(measurer: ImageMeasurer) -> None:
    design, screen = png(layout()), png(layout(button=None))

    compared, heat = await measurer.compare(design, screen, params=("a", "b"))
    with pytest.raises(InvalidMedia) as refused:
        await measurer.compare(design, screen[:-200], params=("a", "b"))

    assert [(change.kind, change.before) for change in compared.changes] == [("missing", BUTTON_BOX)]
    assert Image.open(io.BytesIO(heat)).size == layout().size
    assert refused.value.param == "b"


@pytest.mark.process
@pytest.mark.promise("measuring:bounded")
async def test_a_caller_who_leaves_ends_the_process(measurer: ImageMeasurer) -> None:
    source, before = png(layout().resize((3000, 2000))), set(psutil.Process().children())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: measurer.measure(source, param="image"))
        while not (started := set(psutil.Process().children()) - before):
            await checkpoint()
        tasks.cancel_scope.cancel()

    assert not any(process.is_running() for process in started)
    assert measurer.decoder.admission.free_bytes == LIMIT_BYTES


@pytest.mark.process
@pytest.mark.promise("measuring:bounded")
async def test_a_process_that_takes_too_long_is_ended(measurer: ImageMeasurer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(measurer_module, "TIMEOUT_SECONDS", 0.0)

    with pytest.raises(DecodingFailed, match="The image cannot be measured: it took longer than 0 s"):
        await measurer.measure(png(layout()), param="image")


@pytest.mark.promise("measuring:bounded")
async def test_what_is_no_picture_is_refused_before_a_process_starts(measurer: ImageMeasurer) -> None:
    with pytest.raises(InvalidMedia) as refused:
        await measurer.compare(png(layout()), b"%PDF-1.7", params=("a", "b"))

    assert refused.value.param == "b"


@pytest.mark.promise("measuring:bounded")
async def test_a_picture_waits_until_its_memory_is_free(measurer: ImageMeasurer) -> None:
    async with measurer.decoder.admission.admit(LIMIT_BYTES):
        with anyio.move_on_after(0.05) as scope:
            await measurer.measure(png(layout()), param="image")

    assert scope.cancelled_caught
    assert MEASURING_BYTES_PER_PIXEL * MEASURED_PIXELS < 1_000_000_000


@pytest.mark.promise("measuring:bounded")
async def test_without_room_or_a_process_the_error_says_so(
    measurer: ImageMeasurer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*arguments: object, **options: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("model_runtime.decoding.process.spawn_module", refuse)
    with pytest.raises(Busy, match="The image cannot be measured: no process starts"):
        await measurer.measure(png(layout()), param="image")
    monkeypatch.setattr("model_runtime.decoding.storage.tempfile.TemporaryFile", refuse)
    with pytest.raises(InsufficientStorage, match="The image cannot be measured: No space left"):
        await measurer.measure(png(layout()), param="image")
