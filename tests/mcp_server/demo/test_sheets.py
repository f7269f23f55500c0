"""What a person looks at: the marks in the texts, the shape of the sound, the cards."""

import io
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mcp_server.demo.page import marked, page
from mcp_server.demo.sheet import Style, contact_sheet
from mcp_server.demo.trip import RoundTrip, Sense, StepResult
from mcp_server.demo.waveform import peaks
from model_runtime.media.speech import encode_speech


@pytest.mark.parametrize(
    ("seen", "shown"),
    [
        ("A red circle.", "A red circle."),
        ("A blue circle.", "A <mark>blue</mark> circle."),
        ("A red circle on a white background.", "A red circle <mark>on a white background.</mark>"),
        ("A circle.", "A <del>red</del> circle."),
        ("A red <b>", "A red <mark>&lt;b&gt;</mark>"),
    ],
)
def test_words_that_differ_are_marked_and_missing_ones_struck_out(seen: str, shown: str) -> None:
    assert marked("a red circle", seen) == shown


def test_the_page_quotes_what_models_say_as_text() -> None:
    evil = "<script>alert(1)</script>"
    trip = RoundTrip(
        1, evil, (StepResult(Sense.SAID, 1.0, file="01-said.wav"), StepResult(Sense.HEARD, 1.0, text=evil, error=evil))
    )

    assert "<script" not in page([trip])


def test_the_shape_of_a_sound_is_how_loud_its_stretches_get(tmp_path: Path) -> None:
    path = tmp_path / "sound.wav"
    levels = np.repeat([0, 1000, 4000, 2000], 800).astype("<i2")
    path.write_bytes(encode_speech(levels.tobytes(), 16_000, "wav"))

    loud, seconds = peaks(path, 4)

    assert loud == pytest.approx([0, 0.25, 1, 0.5])
    assert seconds == pytest.approx(0.2)


@pytest.mark.parametrize("style", [Style(), Style(columns=2, side_px=120)])
def test_a_card_shows_the_picture_and_whether_the_meaning_came_back(tmp_path: Path, style: Style) -> None:
    Image.new("RGB", (64, 64), "#123456").save(tmp_path / "01-drawn.png")
    drawn = StepResult(Sense.DRAWN, 1.0, file="01-drawn.png")
    trips = [
        RoundTrip(1, "a red circle", (drawn, StepResult(Sense.SEEN, 1.0, text=seen)))
        for seen in ("A red circle.", "A ring.")
    ]

    with Image.open(io.BytesIO(contact_sheet(tmp_path, trips, style))) as sheet:
        colors = [colors_of(sheet, half) for half in (0, 1)]

    assert all(color[18, 52, 86] > style.side_px**2 * 0.9 for color in colors)
    assert [color[23, 128, 61] > 0 for color in colors] == [True, False]
    assert [color[196, 43, 58] > 0 for color in colors] == [False, True]


def colors_of(sheet: Image.Image, half: int) -> Counter[tuple[int, int, int]]:
    """How many pixels of each colour the left or the right half has."""
    middle = sheet.width // 2
    part = np.asarray(sheet)[:, half * middle : (half + 1) * middle].reshape(-1, 3)
    return Counter(map(tuple, part.tolist()))
