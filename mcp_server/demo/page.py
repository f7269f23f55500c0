"""The demo as a page: pictures, players and texts of the files beside it, nothing from anywhere else."""

import time
from collections.abc import Sequence
from difflib import SequenceMatcher
from html import escape
from pathlib import Path
from string import Template

from mcp_server.demo.trip import RoundTrip, Sense, StepResult
from mcp_server.launcher.paths import VERSION

TEMPLATE = Path(__file__).with_name("page.html")
YES, NO = '<span class="yes">✓</span>', '<span class="no">✗</span>'


def page(trips: Sequence[RoundTrip]) -> str:
    """Write the page of the trips so far."""
    models = dict.fromkeys(step.model for trip in trips for step in trip.steps if step.model)
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        same=sum(trip.is_meaning_kept for trip in trips),
        count=len(trips),
        seconds=f"{sum(trip.seconds for trip in trips):.1f}",
        models=escape(", ".join(models) or "no model"),
        version=VERSION,
        made=time.strftime("%Y-%m-%d %H:%M"),
        cards="\n".join(map(_card, trips)),
    )


def marked(sentence: str, text: str) -> str:
    """Return `text` as HTML: words that `sentence` has not are marked, those that are missing stand struck out."""
    words = text.split()
    plain = [word.lower().strip('.,;:!?"') for word in words]
    wanted = sentence.lower().split()
    pieces = []
    for kind, gone, stays, start, end in SequenceMatcher(None, wanted, plain, autojunk=False).get_opcodes():
        piece = escape(" ".join(words[start:end] if kind != "delete" else wanted[gone:stays]))
        tag = {"equal": "", "delete": "del"}.get(kind, "mark")
        pieces.append(f"<{tag}>{piece}</{tag}>" if tag else piece)
    return " ".join(pieces)


def _card(trip: RoundTrip) -> str:
    steps = "\n".join(_step(trip, step) for step in trip.steps)
    return f"<article>\n<h2>{escape(trip.sentence)}&nbsp;{YES if trip.is_meaning_kept else NO}</h2>\n<dl>\n{steps}\n</dl>\n</article>"


def _step(trip: RoundTrip, step: StepResult) -> str:
    verdict = (YES if trip.keeps_meaning(step.sense) else NO) if step.sense in (Sense.HEARD, Sense.SEEN) else ""
    loaded = f", {step.load_seconds:.1f} s of it loading" if step.load_seconds >= 0.05 else ""
    facts = f"<b>{step.sense}</b><span>{escape(step.model)}</span>{verdict}<span>{step.seconds:.1f} s{loaded}</span>"
    return f"<dt>{facts}</dt><dd>{_shown(trip, step)}</dd>"


def _shown(trip: RoundTrip, step: StepResult) -> str:
    if step.error:
        return f'<p class="error">{escape(step.error)}</p>'
    match step.sense:
        case Sense.SAID:
            return f'<audio controls preload="metadata" src="{escape(step.file)}"></audio>'
        case Sense.DRAWN:
            return f'<img src="{escape(step.file)}" alt="Drawn from: {escape(trip.text(Sense.HEARD))}">'
        case _:
            same = ' class="same"' if trip.keeps_meaning(step.sense) else ""
            return f"<p{same}>{marked(trip.sentence, step.text)}</p>"
