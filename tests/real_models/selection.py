"""What is asked of the real models: a quick set for `make test`, everything for `make real`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.real_models.recordings import SAMPLE_RATE, Recording, read_samples

QUICK_CLIPS = (
    "en-agent-pass.wav",
    "en-novel-0870.wav",
    "en-screen-callee-options.wav",
    "en-vm-options.wav",
    "es-demo-abouttotry.wav",
    "fr-conf-usermenu.wav",
    "it-demo-echotest.wav",
    "ru-conf-usermenu.wav",
)
CLIPS_OF_A_LANGUAGE = {"en": 60, "es": 20, "fr": 20, "it": 20, "ru": 20}


@dataclass(frozen=True, slots=True)
class LongRecording:
    """How long a recording of many prompts is, and how long its pauses are at most: 0 for none.

    `all_prompts` takes every English clip, else those of `select_clips`.
    """

    seconds: float
    longest_pause_seconds: float
    all_prompts: bool = False


LONG = {
    "with pauses": LongRecording(150.0, 12.0),
    "without pauses": LongRecording(150.0, 0.0),
    "of twenty minutes": LongRecording(1200.0, 5.0, all_prompts=True),
}

QUICK_PROMPTS = (
    "What is the capital of France?",
    "Name three primary colours.",
    "Write one sentence about the sea.",
    "Say hello in Spanish.",
    "Explain in two sentences what a hash table is.",
)
PROMPTS = (
    *QUICK_PROMPTS,
    "What is 2 + 3?",
    "Who wrote Romeo and Juliet?",
    "Give me a synonym of happy.",
    "What do bees make?",
    "List the days of the week.",
    "Why is the sky blue?",
    "Write a function in Python that adds two numbers.",
    "Translate to French: Good morning, my friend.",
    "Give me a recipe for pancakes.",
    "What is the largest planet of the solar system?",
    "Summarise in one sentence: The cat sat on the mat because it was warm and dry there.",
    "Write a short poem about autumn.",
    "Which is heavier, a kilogram of iron or a kilogram of feathers?",
    "How do I undo the last commit in git?",
    "Tell me a story that begins with: It was a dark night.",
)
ANSWER_TOKENS = 64


def select_clips(recordings: Sequence[Recording]) -> list[Recording]:
    """Return the clips of `make real`: those of the quick set first, the novel, and prompts spread over the list.

    Languages take turns, in proportion to their number of clips.
    """
    quick = [clip for name in QUICK_CLIPS for clip in recordings if clip.file == name]
    others = [clip for clip in recordings if clip.file not in QUICK_CLIPS]
    first = [*quick, *(clip for clip in others if clip.source == "librivox")]
    turns = list[tuple[float, Recording]]()
    for language, wanted in CLIPS_OF_A_LANGUAGE.items():
        prompts = [clip for clip in others if clip.language == language and clip.source == "asterisk"]
        missing = wanted - sum(clip.language == language for clip in first)
        turns += [(index / missing, prompts[index * len(prompts) // missing]) for index in range(missing)]
    return [*first, *(clip for _, clip in sorted(turns, key=lambda turn: turn[0]))]


def long_recording(
    recordings: Sequence[Recording], folder: Path, name: str
) -> tuple[np.ndarray, list[tuple[float, Recording]]]:
    """Return English prompts one after the other as s16 samples, with where each starts, in seconds.

    A pause between two of them is a quiet room.
    """
    wanted = LONG[name]
    clips = [clip for clip in (recordings if wanted.all_prompts else select_clips(recordings)) if clip.language == "en"]
    chance, parts, starts, at = np.random.default_rng(5), list[np.ndarray](), list[tuple[float, Recording]](), 0
    for clip in (clips[index] for index in np.random.default_rng(3).permutation(len(clips))):
        if at > wanted.seconds * SAMPLE_RATE:
            break
        samples = read_samples(folder, clip)
        starts.append((at / SAMPLE_RATE, clip))
        pause = wanted.longest_pause_seconds
        silent = int(chance.uniform(0.5, pause) * SAMPLE_RATE) if pause else 0
        parts += [samples, chance.normal(0, 8, silent).astype(np.int16)]
        at += len(samples) + silent
    return np.concatenate(parts), starts
