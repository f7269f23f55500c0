"""Make the short recordings that the project's tests transcribe.

`python -m senses_training.recogniser.clips --out DIR`.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from senses_training.recogniser.sounds import band_music, melody, pink, white
from senses_training.recogniser.speech import RATE, UNSEEN_VOICES, Espeak, Manner, Utterance
from senses_training.recogniser.takes import Take, arrange, at_level, record
from starter_world import grammar


@dataclass(frozen=True, slots=True)
class Clip:
    """A recording under a name, and the voice that speaks in it, if any."""

    name: str
    take: Take
    voice: str = ""


def write(path: Path, samples: np.ndarray) -> None:
    """Write 16 kHz mono FLAC."""
    with av.open(path, "w") as file:
        stream = file.add_stream("flac", rate=RATE, layout="mono")
        frame = av.AudioFrame.from_ndarray((samples * 32767).astype(np.int16)[None], format="s16", layout="mono")
        frame.sample_rate = RATE
        for packet in (*stream.encode(frame), *stream.encode(None)):
            file.mux(packet)


def read(path: Path) -> np.ndarray:
    """Read what `write` wrote, as float32."""
    with av.open(path) as file:
        return np.concatenate([frame.to_ndarray()[0] for frame in file.decode(audio=0)]).astype(np.float32) / 32768


def clips() -> list[Clip]:
    """Make all clips, the same ones every time."""
    espeak, numbers = Espeak(), np.random.default_rng(3)

    def say(text: str, voice: str) -> Utterance:
        return espeak.say(text, Manner(voice, rate=165))

    def spoken(name: str, voice: str, *texts: str, pauses: Sequence[float] = (0.4, 0.4)) -> Clip:
        take = arrange([say(text, voice) for text in texts], pauses)
        return Clip(name, record(take, level=-6), voice)

    def in_noise(name: str, text: str, level: float, ratio: float) -> Clip:
        take = arrange([say(text, "en-us")], (0.5, 0.3))
        return Clip(name, record(take, level=level, noise=pink(numbers, take.seconds + 0.1), ratio=ratio), "en-us")

    return [
        spoken("red-circle-above-blue-square", "en-us", "a red circle above a blue square"),
        spoken("three-one-four", "en", "three one four"),
        spoken("draw-a-small-green-star", "en-us+f3", "draw a small green star"),
        spoken("two-sentences", "en-gb-x-rp", "a yellow heart", "five two", pauses=(0.3, 1.2, 0.4)),
        spoken("late-start", "en-us+m3", "nine zero", pauses=(2.5, 0.3)),
        spoken("unseen-voice", "en-us+f5", "a purple star on a white background"),
        spoken("forty-two", "en-us", "forty two"),
        spoken("letters", "en-us+f2", "letter h o"),
        spoken("turn-down-the-volume", "en-gb-x-rp+m2", "turn down the volume"),
        spoken("three-blue-circles", "en", "three blue circles"),
        spoken("another-unseen-voice", "en+Michael", "a gray ring left of a blue heart"),
        in_noise("in-noise", "show me a large orange triangle", level=-18, ratio=14),
        Clip("music", Take(at_level(band_music(numbers, 2.5), -10), ())),
        Clip("melody", Take(at_level(melody(numbers, 3), -14), ())),
        Clip("noise", Take(at_level(white(numbers, 2), -30), ())),
        Clip("silence", Take(np.zeros(2 * RATE, np.float32), ())),
        in_noise("in-loud-noise", "two gray squares", level=-12, ratio=10),
    ]


def entry(clip: Clip) -> dict[str, object]:
    """Describe a clip for the index."""
    segments = [
        {"text": one.text, "start": round(one.start, 2), "end": round(one.end, 2)} for one in clip.take.segments
    ]
    return {
        "file": f"{clip.name}.flac",
        "text": clip.take.text,
        "seconds": round(clip.take.seconds, 2),
        "segments": segments,
        "voice": clip.voice or None,
        "voice_trained_on": clip.voice not in UNSEEN_VOICES if clip.voice else None,
        "sentences_trained_on": [not grammar.is_held_out(one.text) for one in clip.take.segments],
    }


def main() -> None:
    """Write the clips and their index."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    made = clips()
    for clip in made:
        write(asked.out / f"{clip.name}.flac", clip.take.samples)
    (asked.out / "index.json").write_text(json.dumps([entry(clip) for clip in made], indent=2) + "\n")


if __name__ == "__main__":
    main()
