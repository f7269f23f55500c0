"""Score the exported starter through Senses' own engine: `python -m senses_training.recogniser.score --model DIR`.

Runs where Senses and espeak-ng are installed, and writes scores.json beside the model. No sentence scored here was ever
trained on, and none is drawn twice for one score. The tests' clips are also heard by the unchanged library, which must find the same words.
"""

import argparse
import hashlib
import json
import logging
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from model_runtime.engines.blas import load_fast_blas

load_fast_blas()

import mlx_whisper  # noqa: E402

from model_runtime.catalog.builtin_models import starter_options  # noqa: E402
from model_runtime.engines.transcription.engine import TranscriptionEngine  # noqa: E402
from model_runtime.events import Segment, TranscriptionResult  # noqa: E402
from model_runtime.loading import LoadSpec  # noqa: E402
from model_runtime.media.types import Audio  # noqa: E402
from model_runtime.requests import Transcribe  # noqa: E402
from senses_training.recogniser import flite  # noqa: E402
from senses_training.recogniser.clips import read  # noqa: E402
from senses_training.recogniser.corpus import speak, unheard  # noqa: E402
from senses_training.recogniser.sounds import KNOWN, UNSEEN, Maker  # noqa: E402
from senses_training.recogniser.speech import RATE, UNSEEN_VOICES, Espeak, Utterance, known_voice  # noqa: E402
from senses_training.recogniser.takes import Take, at_level, in_rows, one_each  # noqa: E402

logger = logging.getLogger(__name__)

SENTENCES, UNSEEN_SENTENCES, FLITE_SENTENCES, NOISY_SENTENCES = 300, 102, 30, 100
ROW_SENTENCES, LONG_SENTENCES, WORD_TIMES, SOUNDS_EACH = 120, 60, 20, 3
NEAR = 0.2
LOUD_NOISE = 10.0


@dataclass(frozen=True, slots=True)
class Heard:
    """What the engine made of a take, and how many seconds of one processor it took."""

    take: Take
    text: str
    found: tuple[Segment, ...]
    compute_seconds: float


class Listener:
    """The starter behind the engine that serves it."""

    def __init__(self, folder: Path) -> None:
        self._engine = TranscriptionEngine()
        begun = time.process_time()
        spec = LoadSpec(folder.name, "mlx-whisper", {"model": str(folder)}, starter_options("stt-starter"))
        self._engine.load(spec, lambda *_: None)
        self.load_seconds = time.process_time() - begun

    def transcript(self, samples: np.ndarray, *, words: bool = False) -> TranscriptionResult:
        """Write down 16 kHz samples."""
        pcm = (samples.clip(-1, 1) * 32767).round().astype("<i2").tobytes()
        *_, result = self._engine.run(Transcribe("", Audio(RATE, pcm), word_timestamps=words), lambda: None)
        assert isinstance(result, TranscriptionResult)
        return result

    def hear(self, take: Take) -> Heard:
        """Write down a take."""
        begun = time.process_time()
        result = self.transcript(take.samples)
        logger.info("%s -> %s", take.text, result.text if result.text != take.text else "the same")
        return Heard(take, result.text, result.segments, time.process_time() - begun)


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Count the words to replace, add or drop to get from one to the other."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != other))
    return row[-1]


def words_score(results: Sequence[Heard]) -> dict[str, float | int]:
    """Give the word error rate and how many takes are wholly right."""
    said = [one.take.text.split() for one in results]
    errors = [word_errors(words, one.text.split()) for words, one in zip(said, results, strict=True)]
    words = sum(map(len, said))
    return {
        "takes": len(results),
        "words": words,
        "word_error_rate": round(sum(errors) / words, 4),
        "takes_right": sum(error == 0 for error in errors),
    }


def times_score(results: Sequence[Heard]) -> dict[str, float | int]:
    """Compare the times of takes that have as many segments as sentences."""
    even = [one for one in results if len(one.found) == len(one.take.segments)]
    if not even:
        return {"one_segment_a_sentence": 0.0}
    pairs = [pair for one in even for pair in zip(one.take.segments, one.found, strict=True)]
    starts = np.array([abs(said.start - heard.start) for said, heard in pairs])
    ends = np.array([abs(said.end - heard.end) for said, heard in pairs])
    both = np.concatenate([starts, ends])
    return {
        "one_segment_a_sentence": round(len(even) / len(results), 4),
        "start_error_median_seconds": round(float(np.median(starts)), 3),
        "end_error_median_seconds": round(float(np.median(ends)), 3),
        "boundary_error_95_percent_seconds": round(float(np.quantile(both, 0.95)), 3),
        "boundaries_within_0.2_seconds": round(float((both <= NEAR).mean()), 4),
    }


def sounds_score(listener: Listener, makers: Mapping[str, Maker], numbers: np.random.Generator) -> dict[str, Any]:
    """Count the sounds without speech, of many lengths and levels, in which the model hears words."""
    wrong: list[str] = []
    for kind, make in makers.items():
        for number in range(SOUNDS_EACH):
            seconds = 33.0 if number == 0 else float(numbers.uniform(1, 12))
            heard = listener.transcript(at_level(make(numbers, seconds), float(numbers.uniform(-50, 0))))
            if heard.text:
                wrong.append(f"{kind}: {heard.text}")
    return {"kinds": list(makers), "sounds": SOUNDS_EACH * len(makers), "with_words": len(wrong), "heard": wrong}


def word_times_score(listener: Listener, takes: Sequence[Take]) -> dict[str, float | int]:
    """Compare the times of words with espeak's, in takes whose words are all right."""
    errors: list[float] = []
    for take in takes:
        segments = listener.transcript(take.samples, words=True).segments
        heard = [word for segment in segments for word in segment.words if word.word.strip()]
        if [word.word.strip() for word in heard] == take.text.split():
            starts = [start for segment in take.segments for start in segment.words]
            errors += [abs(word.start - start) for word, start in zip(heard, starts, strict=True)]
    return {
        "words": len(errors),
        "start_error_median_seconds": round(float(np.median(errors)), 3),
        "start_error_95_percent_seconds": round(float(np.quantile(errors, 0.95)), 3),
    }


def clips_score(listener: Listener, model: Path, folder: Path) -> dict[str, Any]:
    """Transcribe the clips that the tests use, by the engine and by the unchanged library with its own thresholds."""
    wrong: dict[str, list[str]] = {"engine": [], "library": []}
    index = json.loads((folder / "index.json").read_text())
    for clip in index:
        samples = read(folder / clip["file"])
        plain = mlx_whisper.transcribe(samples, path_or_hf_repo=str(model), fp16=False)["text"]
        for who, text in (("engine", listener.transcript(samples).text), ("library", plain.strip())):
            if text != clip["text"]:
                wrong[who].append(f"{clip['file']}: {text}")
    return {"clips": len(index), "wrong": wrong}


def mistakes(results: Sequence[Heard]) -> dict[str, str]:
    """Give what was misheard, and as what."""
    return {one.take.text: one.text for one in results if one.text != one.take.text}


def always(name: str) -> Callable[[random.Random], str]:
    """Draw one voice only."""
    return lambda _: name


class Course:
    """All that is scored, from one seed."""

    def __init__(self, listener: Listener, seed: int) -> None:
        self._listener, self._espeak = listener, Espeak()
        self._rng, self._numbers = random.Random(seed), np.random.default_rng(seed)

    def run(self) -> Iterator[tuple[str, Any]]:
        """Give one score after the other."""
        rng = self._rng
        known = one_each(rng, self._said(SENTENCES, known_voice))
        alone = self._heard(known)
        yield "known_voices", _full(alone)
        yield "processor_seconds_a_take", round(float(np.median([one.compute_seconds for one in alone])), 3)
        yield from self._unseen_voices()
        noisy = one_each(rng, self._said(NOISY_SENTENCES, known_voice), (LOUD_NOISE, LOUD_NOISE))
        yield "noise_10_db_below", _full(self._heard(noisy))
        yield "several_sentences", _full(self._heard(in_rows(rng, self._said(ROW_SENTENCES, known_voice), 5)))
        long = self._heard(in_rows(rng, self._said(LONG_SENTENCES, known_voice), 60))
        seconds = sum(one.take.seconds for one in long)
        yield "longer_than_a_window", _full(long) | {"seconds": round(seconds, 1)}
        yield "times_real_time", round(seconds / sum(one.compute_seconds for one in long), 1)
        yield "word_times", word_times_score(self._listener, known[:WORD_TIMES])
        yield "known_sounds", sounds_score(self._listener, KNOWN, self._numbers)
        yield "unseen_sounds", sounds_score(self._listener, UNSEEN, self._numbers)

    def _unseen_voices(self) -> Iterator[tuple[str, Any]]:
        each = UNSEEN_SENTENCES // len(UNSEEN_VOICES)
        results = {name: self._heard(one_each(self._rng, self._said(each, always(name)))) for name in UNSEEN_VOICES}
        yield "unseen_voices", _full([one for heard in results.values() for one in heard])
        yield "by_unseen_voice", {name: words_score(heard)["word_error_rate"] for name, heard in results.items()}
        if flite.is_installed():
            texts = unheard(self._rng, FLITE_SENTENCES)
            said = [flite.say(text, flite.UNSEEN_VOICE, self._rng) for text in texts]
            yield "unseen_voice_of_flite", _full(self._heard(one_each(self._rng, said)))

    def _said(self, count: int, voice: Callable[[random.Random], str]) -> list[Utterance]:
        return list(speak(self._espeak, self._rng, unheard(self._rng, count), voice))

    def _heard(self, takes: Sequence[Take]) -> list[Heard]:
        return [self._listener.hear(take) for take in takes]


def _full(results: Sequence[Heard]) -> dict[str, Any]:
    return words_score(results) | times_score(results) | {"misheard": mistakes(results)}


def main() -> None:
    """Score and write scores.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--clips", type=Path, help="a folder of clips to transcribe as well")
    parser.add_argument("--seed", type=int, default=5)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    listener = Listener(asked.model)
    weights = hashlib.sha256((asked.model / "weights.safetensors").read_bytes()).hexdigest()
    scores: dict[str, Any] = {"weights": weights, "seed": asked.seed, "load_seconds": round(listener.load_seconds, 3)}
    if asked.clips:
        scores["clips"] = clips_score(listener, asked.model, asked.clips)
    for name, score in Course(listener, asked.seed).run():
        logger.info("%s: %s", name, json.dumps(score))
        scores[name] = score
    (asked.model / "scores.json").write_text(json.dumps(scores, indent=2) + "\n")


if __name__ == "__main__":
    main()
