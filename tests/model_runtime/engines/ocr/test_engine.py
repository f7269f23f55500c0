"""The engine on pictures that are drawn here. Pillow brings its font, so every machine draws the same."""

import threading
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from model_runtime.engines.ocr import engine as ocr_engine
from model_runtime.engines.ocr import recognizer
from model_runtime.engines.ocr.detector import windows
from model_runtime.engines.ocr.engine import OcrEngine, to_bgr
from model_runtime.errors import Cancelled, InvalidInput, LoadFailed
from model_runtime.events import ChatResult, Progress, TextDelta, TextLine
from model_runtime.media.images import from_pillow
from model_runtime.media.types import ImageData
from model_runtime.requests import Chat, Message
from model_runtime.worker.serial_engine import SerialEngine
from tests.model_runtime.engines.job_engine_driver import CancelAfter, events_of_type, load, run_to_end
from tests.screenshots.reading import open_engine, read
from tests.screenshots.score import edges

pytestmark = [pytest.mark.engines, pytest.mark.timeout(180)]

RECEIPT = ("Corner Bakery", "2 croissants 5.80", "1 espresso 2.40", "Total 8.20")


@pytest.fixture(scope="module")
def engine() -> OcrEngine:
    return open_engine()


def drawn(
    *lines: str, size: tuple[int, int] = (640, 240), letters: int = 24, top: int = 20, step: int = 50
) -> Image.Image:
    """Dark lines on white, from the top."""
    picture = Image.new("RGB", size, "white")
    pen, font = ImageDraw.Draw(picture), ImageFont.load_default(letters)
    for row, line in enumerate(lines):
        pen.text((30, top + step * row), line, fill=(25, 25, 30), font=font)
    return picture


def chat(*content: str | ImageData) -> Chat:
    return Chat("ocr-fast", (Message("user", content),))


def words_of(result: ChatResult) -> list[str]:
    return [line.text for line in result.lines]


@pytest.mark.promise("ocr:lines")
def test_each_line_comes_with_its_text_and_its_place(engine: OcrEngine) -> None:
    result = read(engine, from_pillow(drawn("Hello, world!", "Second line 42")))

    assert result.text == "Hello, world!\nSecond line 42"
    assert words_of(result) == ["Hello, world!", "Second line 42"]
    left, top, right, bottom = ImageFont.load_default(24).getbbox("Hello, world!")
    assert edges(result.lines[0]) == pytest.approx((30 + left, 20 + top, 30 + right, 20 + bottom), abs=6)
    assert all(line.confidence > 0.9 for line in result.lines)
    assert result.warnings == ()


@pytest.mark.promise("ocr:lines")
def test_places_are_told_in_pixels_of_the_file_however_it_was_shrunk(engine: OcrEngine) -> None:
    picture = from_pillow(drawn("Hello, world!"))
    shrunk = ImageData(picture.width, picture.height, picture.content, file_width=1920, file_height=720)

    (small,), (large,) = read(engine, picture).lines, read(engine, shrunk).lines

    assert large == TextLine(small.text, large.box, small.confidence)
    assert all(abs(edge - 3 * other) <= 3 for edge, other in zip(large.box, small.box, strict=True))


def test_the_stream_and_the_result_have_the_same_text(engine: OcrEngine) -> None:
    *events, result = run_to_end(engine, chat(from_pillow(drawn(*RECEIPT))))

    assert isinstance(result, ChatResult)
    assert "".join(delta.text for delta in events_of_type(TextDelta, events)) == result.text == "\n".join(RECEIPT)
    *_, last = events_of_type(Progress, events)
    assert (last.stage, last.done, last.total) == ("lines", 4, 4)


@pytest.mark.promise("ocr:nothing")
@pytest.mark.parametrize("kind", ["white", "black", "gradient", "noise", "shapes"])
def test_a_picture_without_text_gives_nothing(engine: OcrEngine, kind: str) -> None:
    picture = Image.new("RGB", (400, 300), "black" if kind == "black" else "white")
    if kind == "gradient":
        picture = Image.linear_gradient("L").resize((400, 300)).convert("RGB")
    if kind == "noise":
        picture = Image.fromarray(np.random.default_rng(1).integers(0, 255, (300, 400, 3), np.uint8))
    if kind == "shapes":
        pen = ImageDraw.Draw(picture)
        pen.ellipse((40, 60, 180, 200), fill="red")
        pen.rectangle((240, 100, 360, 220), fill="blue")

    result = read(engine, from_pillow(picture))

    assert (result.text, result.lines, result.warnings) == ("", (), ())


@pytest.mark.promise("ocr:photo")
def test_a_photo_of_a_receipt_is_read(engine: OcrEngine) -> None:
    """Turned by five degrees, in uneven light, a little out of focus and grainy."""
    paper = drawn(*RECEIPT, letters=30).rotate(
        5, expand=True, fillcolor=(150, 140, 120), resample=Image.Resampling.BICUBIC
    )
    pixels = np.asarray(paper.filter(ImageFilter.GaussianBlur(1.2)), np.float32)
    light = np.linspace(0.55, 1.0, pixels.shape[1], dtype=np.float32)[None, :, None]
    grain = np.random.default_rng(7).normal(0, 6, pixels.shape)
    photo = Image.fromarray(np.clip(pixels * light + grain, 0, 255).astype(np.uint8))

    assert words_of(read(engine, from_pillow(photo))) == list(RECEIPT)


@pytest.mark.promise("ocr:tall")
def test_every_line_of_a_tall_page_is_read_once(engine: OcrEngine) -> None:
    lines = [f"Line number {number} of the page" for number in range(90)]
    picture = drawn(*lines, size=(800, 4_000), letters=20, step=44)

    assert words_of(read(engine, from_pillow(picture))) == lines


def test_a_tall_picture_is_cut_in_the_gaps_between_its_lines() -> None:
    picture = to_bgr(
        from_pillow(drawn(*(f"Line {row}" for row in range(90)), size=(2_000, 4_000), letters=20, step=44))
    )

    tops = [top for top, _ in windows(picture, 1.0)]

    assert len(tops) > 2
    assert all((top - 20) % 44 > 26 for top in tops[1:])  # letters take the first 26 rows of each step


@pytest.mark.promise("runtime:cancel")
@pytest.mark.parametrize("calls", [1, 2])
def test_a_cancelled_job_ends_after_a_window_or_a_batch_of_lines(engine: OcrEngine, calls: int) -> None:
    with pytest.raises(Cancelled):
        run_to_end(engine, chat(from_pillow(drawn(*RECEIPT))), CancelAfter(calls))


@pytest.mark.promise("reliability:turns-change-nothing")
def test_pictures_that_take_turns_are_read_as_if_each_were_alone(engine: OcrEngine) -> None:
    pictures = [
        from_pillow(drawn(*(f"Page {page}, line {row} of a page of long lines" for row in range(9)), size=(640, 480)))
        for page in (1, 2)
    ]
    serial = SerialEngine(engine, lambda job: None)
    for job, picture in enumerate(pictures):
        serial.submit(job, chat(picture))

    results: dict[int, ChatResult] = {}
    jobs = []
    while len(results) < len(pictures):
        ((job, output),) = serial.step()
        jobs += [job]
        results |= {job: output} if isinstance(output, ChatResult) else {}

    assert results == {job: read(engine, picture) for job, picture in enumerate(pictures)}
    assert jobs != sorted(jobs)


class MeetingSession:
    """A network that reads nothing, and answers only when two batches are in it at once."""

    def __init__(self) -> None:
        self._both = threading.Barrier(2, timeout=30)

    def get_modelmeta(self) -> SimpleNamespace:
        """Return an alphabet of one letter."""
        return SimpleNamespace(custom_metadata_map={"character": "a"})

    def run(self, _names: None, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        """Return probabilities of no letter: float32 of shape (lines, 1, 3)."""
        self._both.wait()
        return [np.zeros((len(inputs["x"]), 1, 3), np.float32)]


def test_two_batches_of_lines_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recognizer, "open_session", lambda path, threads: MeetingSession())
    line = np.array([[0, 0], [1300, 0], [1300, 40], [0, 40]], np.float32)

    first, second = recognizer.TextRecognizer(Path()).read(np.zeros((40, 1300, 3), np.uint8), [line] * 4)

    assert [set(first), set(second)] == [{0, 1}, {2, 3}]


def test_the_threads_that_read_share_one_heap(monkeypatch: pytest.MonkeyPatch) -> None:
    shared: list[bool] = []
    monkeypatch.setattr(ocr_engine, "share_one_heap", lambda: shared.append(True))

    open_engine()

    assert shared == [True]


def test_an_instruction_is_answered_with_what_the_model_does_instead(engine: OcrEngine) -> None:
    *_, result = run_to_end(engine, chat(from_pillow(drawn("Hello")), "Translate it."))

    assert isinstance(result, ChatResult)
    assert result.text == "Hello"
    assert result.warnings == ("ocr-fast writes down text and follows no instruction; a vision model does.",)


def test_a_chat_with_two_pictures_is_refused(engine: OcrEngine) -> None:
    picture = from_pillow(drawn("Hello"))

    with pytest.raises(InvalidInput, match="ocr-fast reads exactly one image; 2 were sent"):
        run_to_end(engine, chat(picture, picture))


def test_missing_networks_are_told_with_their_folder(tmp_path: Path) -> None:
    with pytest.raises(LoadFailed, match=rf"{tmp_path}.*Install Senses again"):
        load(OcrEngine(), {"model": tmp_path})
