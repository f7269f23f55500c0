"""The contact sheet: every trip of a demo on one picture, as cards from what was said to what was seen."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from mcp_server.demo.trip import RoundTrip, Sense
from mcp_server.demo.waveform import peaks

GROUND, CARD, WELL = "#f6f5f2", "#ffffff", "#f1efe9"
INK, MUTED, VIOLET, GREEN, RED = "#1f1d26", "#6e6a78", "#7c4ddb", "#17803d", "#c42b3a"
VERBS = {Sense.SAID: "said", Sense.HEARD: "heard", Sense.DRAWN: "drawn from what was heard", Sense.SEEN: "seen"}
TEXTS = 3
"""Said, heard and seen."""


@dataclass(frozen=True, slots=True)
class Style:
    """How many cards stand in a row, the side of their pictures in pixels, and how many lines each text gets."""

    columns: int = 3
    side_px: int = 512
    lines: int = 2

    @property
    def text_px(self) -> int:
        """Height of the letters."""
        return max(12, self.side_px // 20)

    @property
    def gap_px(self) -> int:
        """Between cards, and from a card's edge to what is in it."""
        return max(6, self.side_px // 20)

    @property
    def line_px(self) -> int:
        """From one line of text to the next."""
        return self.text_px * 4 // 3

    @property
    def wave_px(self) -> int:
        """Height of the strip that shows the sound."""
        return self.side_px // 7

    @property
    def card_px(self) -> tuple[int, int]:
        """Width and height of a card."""
        lines = TEXTS * (1 + self.lines)
        return (
            self.side_px + 2 * self.gap_px,
            self.side_px + self.wave_px + self.line_px * lines + 6 * self.gap_px,
        )


def contact_sheet(folder: Path, trips: Sequence[RoundTrip], style: Style = Style()) -> bytes:
    """Draw the sheet of the trips whose files are in `folder`, as a PNG."""
    wide, high = style.card_px
    columns = min(style.columns, max(1, len(trips)))
    rows = math.ceil(len(trips) / columns)
    gap = style.gap_px
    sheet = Image.new("RGB", (columns * (wide + gap) + gap, rows * (high + gap) + gap), GROUND)
    for place, trip in enumerate(trips):
        row, column = divmod(place, columns)
        _Card(sheet, (gap + column * (wide + gap), gap + row * (high + gap)), style).draw(folder, trip)
    out = BytesIO()
    sheet.save(out, "PNG")
    return out.getvalue()


class _Card:
    """One trip, drawn from the top down."""

    def __init__(self, sheet: Image.Image, corner: tuple[int, int], style: Style) -> None:
        self.sheet = sheet
        self.style = style
        self.pen = ImageDraw.Draw(sheet)
        self.font = ImageFont.load_default(style.text_px)
        self.small = ImageFont.load_default(max(10, style.text_px * 3 // 4))
        self.left, top = corner[0] + style.gap_px, corner[1]
        wide, high = style.card_px
        self.pen.rounded_rectangle((corner[0], top, corner[0] + wide, top + high), style.gap_px, fill=CARD)
        self.top = top + style.gap_px

    def draw(self, folder: Path, trip: RoundTrip) -> None:
        """Say, hear, draw, see."""
        self._words(trip, Sense.SAID)
        self._wave(folder, trip)
        self._words(trip, Sense.HEARD)
        self._picture(folder, trip)
        self._words(trip, Sense.SEEN)

    def _words(self, trip: RoundTrip, sense: Sense) -> None:
        step, style = trip.step(sense), self.style
        seconds = f"  {step.seconds:.1f} s" if step else ""
        self.pen.text((self.left, self.top), VERBS[sense] + seconds, MUTED, self.small)
        if step and sense is not Sense.SAID:
            self._mark(trip.keeps_meaning(sense))
        text, ink = (step.error, RED) if step and step.error else (step.text if step else "", INK)
        for number, line in enumerate(self._wrapped(text, style.lines), 1):
            self.pen.text((self.left, self.top + number * style.line_px), line, ink, self.font)
        self.top += style.line_px * (style.lines + 1) + style.gap_px

    def _mark(self, well: bool) -> None:
        """A tick or a cross at the right end of the line."""
        size = self.style.text_px
        x, y, width = self.left + self.style.side_px - size, self.top, max(2, size // 7)
        if well:
            self.pen.line(
                [(x, y + size * 0.55), (x + size * 0.35, y + size * 0.9), (x + size, y + size * 0.1)],
                GREEN, width, "curve",
            )  # fmt: skip
            return
        self.pen.line([(x + size * 0.1, y), (x + size, y + size * 0.9)], RED, width)
        self.pen.line([(x + size, y), (x + size * 0.1, y + size * 0.9)], RED, width)

    def _wave(self, folder: Path, trip: RoundTrip) -> None:
        side, high = self.style.side_px, self.style.wave_px
        said = trip.step(Sense.SAID)
        self.pen.rounded_rectangle((self.left, self.top, self.left + side, self.top + high), high // 6, fill=WELL)
        if said and said.file:
            pitch, bar = max(3, side // 96), max(2, side // 150)
            loud, _ = peaks(folder / said.file, side // pitch - 2)
            for number, level in enumerate(loud, 1):
                half = max(1.0, level * high * 0.42)
                x, middle = self.left + number * pitch, self.top + high / 2
                self.pen.rectangle((x, middle - half, x + bar - 1, middle + half), VIOLET)
        self.top += high + self.style.gap_px

    def _picture(self, folder: Path, trip: RoundTrip) -> None:
        side, drawn = self.style.side_px, trip.step(Sense.DRAWN)
        corner = (self.left, self.top)
        if drawn and drawn.file:
            with Image.open(folder / drawn.file) as picture:
                self.sheet.paste(picture.convert("RGB").resize((side, side), Image.Resampling.LANCZOS), corner)
        else:
            self.pen.rectangle((*corner, self.left + side, self.top + side), WELL)
            for number, line in enumerate(self._wrapped(drawn.error if drawn else "not drawn", 8)):
                self.pen.text((self.left + 8, self.top + 8 + number * self.style.line_px), line, RED, self.font)
        self.pen.rectangle((*corner, self.left + side - 1, self.top + side - 1), outline="#cfcabf")
        self.top += side + self.style.gap_px

    def _wrapped(self, text: str, limit: int) -> list[str]:
        """Break a text into lines that fit; what is over the limit is cut."""
        lines = [""]
        for word in text.split():
            longer = f"{lines[-1]} {word}".strip()
            if self.font.getlength(longer) <= self.style.side_px:
                lines[-1] = longer
            else:
                lines.append(word)
        return lines if len(lines) <= limit else [*lines[: limit - 1], lines[limit - 1] + " …"]
