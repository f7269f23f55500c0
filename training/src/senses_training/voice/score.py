"""Score the exported voice through the engine that serves it: `python -m senses_training.voice.score PART...`.

The parts, each a section of scores.json beside the model; sections not asked for stay as they are:

- `stt-starter` writes down sentences that no starter was trained on. It knows the world but never heard these voices;
- `pocketsphinx` does, too; it learned from people, and needs PocketSphinx (see `senses_training.voice.judges`);
- `words` compares words that were never trained on with all of them as espeak-ng speaks them, which nobody can guess;
- `sound` measures speed, pitch, joins between chunks, and what the speech costs.

Both judges also hear espeak-ng itself, from which the voice learned: it shows what the judge can do.
"""

import argparse
import json
import logging
import random
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy.signal import resample_poly

from model_runtime.engines.blas import load_fast_blas

load_fast_blas()

from senses_training import paths  # noqa: E402
from senses_training.voice.config import RATE, VOICES  # noqa: E402
from senses_training.voice.corpus import held_out_words  # noqa: E402
from senses_training.voice.judges import HEARD_RATE, Judge, Sphinx, Starter  # noqa: E402
from senses_training.voice.speech import Speaker  # noqa: E402
from senses_training.voice.stage import Stage  # noqa: E402
from senses_training.voice.texts import HARD, LONG_TEXT, held_out_sentences, kind  # noqa: E402
from starter_world.signals import joins, longest_pause, median_pitch  # noqa: E402

logger = logging.getLogger(__name__)

SEED = 7
SENTENCES, FEWER_SENTENCES, SPEED_SENTENCES, COST_SENTENCES, WORDS = 104, 64, 20, 12, 60
SPEEDS = (0.75, 1.25, 1.5)


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Count the words to replace, add or drop to get from one to the other."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != other))
    return row[-1]


def understood(said: Iterable[str], hear: Callable[[str], str]) -> dict[str, Any]:
    """Give the word error rate, in all and by kind of sentence, how many are wholly right, and the wrong ones."""
    heard = {text: hear(text) for text in said}
    errors = {text: word_errors(text.split(), other.split()) for text, other in heard.items()}
    kinds = {name: [text for text in heard if kind(text) == name] for name in sorted(map(kind, heard))}
    return {
        "sentences": len(heard),
        "word_error_rate": _rate(errors, list(heard)),
        "right": sum(error == 0 for error in errors.values()),
        "by_kind": {name: _rate(errors, texts) for name, texts in kinds.items()},
        "wrong": {text: heard[text] for text, error in errors.items() if error},
    }


def _rate(errors: Mapping[str, int], texts: Sequence[str]) -> float:
    return round(sum(errors[text] for text in texts) / sum(len(text.split()) for text in texts), 4)


def judged(judge: Judge, stage: Stage, count: int) -> dict[str, Any]:
    """Let a judge write down the voices and the voices they learned from."""
    speaker, texts = Speaker(), held_out_sentences(random.Random(SEED), count)
    found: dict[str, Any] = {"judge": judge.name, "edition": judge.edition}
    for name, source in VOICES.items():
        found[name] = understood(texts, lambda text, name=name: judge.hear(stage.say(text, name)))  # type: ignore[misc]
        logger.info("%s: %.1f %% word errors", name, 100 * found[name]["word_error_rate"])
        espeak = understood(
            texts[:FEWER_SENTENCES],
            lambda text, source=source: judge.hear(speaker.say(text, source)[0]),  # type: ignore[misc]
        )
        found[name]["espeak"] = espeak
        logger.info("espeak-ng %s: %.1f %%", source, 100 * espeak["word_error_rate"])
    return found


def hard(judge: Judge, stage: Stage) -> dict[str, Any]:
    """Let a judge write down single letters, teens and tens."""
    return {
        name: understood(HARD, lambda text, name=name: judge.hear(stage.say(text, name)))  # type: ignore[misc]
        for name in VOICES
    }


def sound_score(stage: Stage) -> dict[str, Any]:
    """Measure speed, pitch, joins and cost of each voice."""
    texts = held_out_sentences(random.Random(SEED), SPEED_SENTENCES)
    found: dict[str, Any] = {}
    for name in VOICES:
        begun = time.process_time()
        anew = sum(len(chunk) for text in texts[:COST_SENTENCES] for chunk in stage.chunks(text, name)) / RATE
        cost = (time.process_time() - begun) / anew
        chunks = list(stage.chunks(LONG_TEXT, name))
        met = joins(chunks, RATE)
        spoken = [stage.say(text, name) for text in texts]
        found[name] = {
            "processor_seconds_a_second": round(cost, 3),
            "median_pitch_hertz": round(median_pitch(np.concatenate(spoken), RATE), 1),
            "duration_against_asked": {str(speed): _lengths(stage, name, texts, speed) for speed in SPEEDS},
            "joins": {
                "chunks": len(chunks),
                "largest_step": round(max(one.step for one in met), 4),
                "largest_step_in_speech": round(float(np.abs(np.diff(np.concatenate(chunks))).max()), 4),
                "pauses_seconds": [round(one.pause_seconds, 2) for one in met],
                "longest_pause_in_a_chunk_seconds": round(max(longest_pause(one, RATE) for one in chunks), 2),
            },
        }
    return found


def _lengths(stage: Stage, name: str, texts: Sequence[str], speed: float) -> dict[str, float]:
    """How long speech is against what was asked: 1 is exact. Mean and the one farthest off."""
    ratios = np.array([speed * len(stage.say(text, name, speed)) / len(stage.say(text, name)) for text in texts])
    worst = ratios[np.abs(ratios - 1).argmax()]
    return {"mean": round(float(ratios.mean()), 3), "worst": round(float(worst), 3)}


def words_score(stage: Stage) -> dict[str, Any]:
    """Count held-out words that sound more like espeak-ng's same word than like any of the others."""
    speaker, words = Speaker(), held_out_words()[:WORDS]
    found: dict[str, Any] = {"words": len(words)}
    for name, source in VOICES.items():
        real = [_features(speaker.say(word, source)[0]) for word in words]
        made = [_features(stage.say(word, name)) for word in words]
        nearest = [int(np.argmin([_distance(one, other) for other in real])) for one in made]
        found[name] = {"right": sum(number == place for number, place in enumerate(nearest))}
    return found


def _features(samples: np.ndarray) -> np.ndarray:
    """Log-mel frames of the audible part, 20 ms apart."""
    from mlx_whisper.audio import log_mel_spectrogram

    heard = resample_poly(samples, HEARD_RATE, RATE)
    loud = np.flatnonzero(np.abs(heard) > 0.02 * np.abs(heard).max())
    return np.array(log_mel_spectrogram(heard[loud[0] : loud[-1] + 1].astype(np.float32), 80))[::2]


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Mean cost of the cheapest way to walk through both together (dynamic time warping)."""
    costs = np.sqrt(((one[:, None] - other[None]) ** 2).sum(-1))
    total = np.full((len(one) + 1, len(other) + 1), np.inf)
    total[0, 0] = 0
    for row in range(1, len(one) + 1):
        for column in range(1, len(other) + 1):
            before = min(total[row - 1, column - 1], total[row - 1, column], total[row, column - 1])
            total[row, column] = costs[row - 1, column - 1] + before
    return float(total[-1, -1] / (len(one) + len(other)))


def main() -> None:
    """Score and write the sections of scores.json."""
    parts = ("stt-starter", "pocketsphinx", "words", "sound")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="+", choices=parts, metavar="PART")
    parser.add_argument("--model", type=Path, default=paths.TTS)
    parser.add_argument("--judge", type=Path, default=paths.STT)
    parser.add_argument("--spoken", type=Path, help="an .npz file that keeps what was spoken, for the next part")
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    stage, file = Stage(asked.model, asked.spoken), asked.model / "scores.json"
    for part in asked.parts:
        section = _section(part, stage, asked.judge)
        scores = json.loads(file.read_text()) if file.exists() else {}
        file.write_text(json.dumps({**scores, part: section}, indent=2) + "\n")
        stage.keep()
        logger.info("%s: %s", part, json.dumps(section))


def _section(part: str, stage: Stage, folder: Path) -> dict[str, Any]:
    if part == "stt-starter":
        judge = Starter(folder)
        return {**judged(judge, stage, SENTENCES), "letters_teens_and_tens": hard(judge, stage)}
    if part == "pocketsphinx":
        return judged(Sphinx(), stage, FEWER_SENTENCES)
    return words_score(stage) if part == "words" else sound_score(stage)


if __name__ == "__main__":
    main()
