"""How the loop's score is made: which sentences, and who lost what."""

import random
from collections import Counter
from pathlib import Path

import pytest

from mcp_server.demo.trip import RoundTrip, Sense, StepResult
from senses_training import loop
from starter_world import grammar
from starter_world.scenes import picture

SAID = "a red circle above a blue square"


def trip(folder: Path, heard: str, drawn: str, seen: str) -> RoundTrip:
    """A trip on which each stage gave what is said here."""
    scene = grammar.parse(drawn)
    assert scene is not None
    picture(scene, random.Random(1)).save(folder / "drawn.png")
    steps = (
        StepResult(Sense.SAID, 1.0, text=SAID),
        StepResult(Sense.HEARD, 1.0, text=heard),
        StepResult(Sense.DRAWN, 1.0, file="drawn.png"),
        StepResult(Sense.SEEN, 1.0, text=seen),
    )
    return RoundTrip(1, SAID, steps)


def test_the_sentences_are_held_out_and_of_every_kind() -> None:
    drawn = loop.scenes(loop.SEED)

    assert all(grammar.is_held_out(str(scene)) for scene in drawn)
    assert Counter(map(loop.kind, drawn)) == loop.SHARES
    assert len(set(map(str, drawn))) == 60


@pytest.mark.parametrize(
    ("heard", "drawn", "seen", "lost_by"),
    [
        (SAID, SAID, "A red circle above a blue square.", ""),
        (SAID, SAID, "A blue square below a red circle.", ""),
        ("a red circle", "a red circle", "A red circle on a white background.", "speech"),
        (SAID, "a red circle above a green square", "A red circle above a green square.", "picture"),
        (SAID, SAID, "A red circle above a green square.", "caption"),
        (SAID, SAID, "The number 42.", "caption"),
    ],
)
def test_what_is_lost_is_put_down_to_the_first_stage_that_lost_it(
    tmp_path: Path, heard: str, drawn: str, seen: str, lost_by: str
) -> None:
    scene = grammar.parse(SAID)
    assert scene is not None

    assert loop.lost_by(tmp_path, scene, trip(tmp_path, heard, drawn, seen)) == lost_by
