"""Score the exported starter through the unchanged library, with its default thresholds.

`python -m training.recogniser.score --model DIR` runs where MLX is installed and writes scores.json beside the model.
No sentence scored here was ever trained on.
"""

import argparse
import json
import logging
import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlx_whisper
import numpy as np

from training.recogniser.channel import colour
from training.recogniser.clips import read
from training.recogniser.corpus import speak
from training.recogniser.sounds import KNOWN, NOISES, UNSEEN, Maker
from training.recogniser.speech import UNSEEN_VOICES, Espeak, Utterance, known_voice
from training.recogniser.takes import Take, arrange, at_level, record

logger = logging.getLogger(__name__)

SENTENCES, ROW_SENTENCES, LONG_SENTENCES, WORD_TIMES, SOUNDS_EACH = 300, 180, 240, 40, 12
NEAR = 0.2

Transcribe = Callable[..., dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Heard:
    """What the model made of a take. `found` are its segments that hold words."""

    take: Take
    text: str
    found: tuple[dict[str, Any], ...]
    compute_seconds: float


def word_errors(said: Sequence[str], heard: Sequence[str]) -> int:
    """Count the words to replace, add or drop to get from one to the other."""
    row = list(range(len(heard) + 1))
    for i, word in enumerate(said, 1):
        last, row[0] = row[0], i
        for j, other in enumerate(heard, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (word != other))
    return row[-1]


def listen(transcribe: Transcribe, take: Take) -> Heard:
    """Transcribe a take."""
    begun = time.process_time()
    result = transcribe(take.samples)
    found = tuple(segment for segment in result["segments"] if segment["text"].strip())
    return Heard(take, result["text"].strip(), found, time.process_time() - begun)


def noisy_takes(rng: random.Random, utterances: Sequence[Utterance], pauses: Callable[[int], list[float]],
                group: Callable[[], int]) -> list[Take]:  # fmt: skip
    """Record the utterances, some to a take, each take with its own microphone, level (-40..0 dB) and noise (8..40 dB)."""
    numbers, takes, left = np.random.default_rng(rng.randrange(2**32)), [], list(utterances)
    while left:
        count = group()
        together, left = left[:count], left[count:]
        take = arrange(together, pauses(len(together)))
        if rng.random() < 0.5:
            take = Take(colour(numbers, take.samples), take.segments)
        noise = rng.choice(list(NOISES.values()))(numbers, take.seconds + 0.1)
        takes.append(record(take, level=rng.uniform(-40, 0), noise=noise, ratio=rng.uniform(8, 40)))
    return takes


def one_each(rng: random.Random, utterances: Sequence[Utterance]) -> list[Take]:
    """Record every utterance by itself, with up to two seconds of quiet before it."""
    return noisy_takes(rng, utterances, lambda _: [rng.uniform(0, 2), rng.uniform(0.1, 1.5)], lambda: 1)


def in_rows(rng: random.Random, utterances: Sequence[Utterance], most: int) -> list[Take]:
    """Record two to `most` sentences to a take, half a second to two seconds apart."""

    def pauses(count: int) -> list[float]:
        return [rng.uniform(0, 2), *(rng.uniform(0.5, 2) for _ in range(count))]

    return noisy_takes(rng, utterances, pauses, lambda: rng.randint(2, most))


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
    pairs = [pair for one in even for pair in zip(one.take.segments, one.found, strict=True)]
    starts = np.array([abs(said.start - heard["start"]) for said, heard in pairs])
    ends = np.array([abs(said.end - heard["end"]) for said, heard in pairs])
    both = np.concatenate([starts, ends])
    return {
        "one_segment_a_sentence": round(len(even) / len(results), 4),
        "start_error_median_seconds": round(float(np.median(starts)), 3),
        "end_error_median_seconds": round(float(np.median(ends)), 3),
        "boundary_error_95_percent_seconds": round(float(np.quantile(both, 0.95)), 3),
        "boundaries_within_0.2_seconds": round(float((both <= NEAR).mean()), 4),
    }


def sounds_score(transcribe: Transcribe, makers: Mapping[str, Maker], numbers: np.random.Generator) -> dict[str, Any]:
    """Count the sounds without speech, of many lengths and levels, in which the model hears words."""
    wrong: list[str] = []
    skipped = 0
    for kind, make in makers.items():
        for number in range(SOUNDS_EACH):
            seconds = 33.0 if number == 0 else float(numbers.uniform(1, 12))
            heard = transcribe(at_level(make(numbers, seconds), float(numbers.uniform(-50, 0))))
            skipped += not heard["segments"]
            if heard["text"].strip():
                wrong.append(f"{kind}: {heard['text'].strip()}")
    return {
        "kinds": list(makers),
        "sounds": SOUNDS_EACH * len(makers),
        "skipped_by_thresholds": skipped,
        "with_words": len(wrong),
        "heard": wrong,
    }


def word_times_score(transcribe: Transcribe, takes: Sequence[Take]) -> dict[str, float | int]:
    """Compare the library's word times with espeak's, in takes whose words are all right."""
    errors: list[float] = []
    for take in takes:
        result = transcribe(take.samples, word_timestamps=True)
        heard = [word for segment in result["segments"] for word in segment["words"] if word["word"].strip()]
        if [word["word"].strip() for word in heard] == take.text.split():
            starts = [start for segment in take.segments for start in segment.words]
            errors += [abs(word["start"] - start) for word, start in zip(heard, starts, strict=True)]
    return {
        "words": len(errors),
        "start_error_median_seconds": round(float(np.median(errors)), 3),
        "start_error_95_percent_seconds": round(float(np.quantile(errors, 0.95)), 3),
    }


def clips_score(transcribe: Transcribe, folder: Path) -> dict[str, Any]:
    """Transcribe the clips that the tests use."""
    index = json.loads((folder / "index.json").read_text())
    heard = {clip["file"]: transcribe(read(folder / clip["file"])) for clip in index}
    wrong = [clip["file"] for clip in index if heard[clip["file"]]["text"].strip() != clip["text"]]
    return {"clips": len(index), "wrong": wrong}


def log_results(name: str, results: Sequence[Heard]) -> None:
    """Show the scores of a kind of takes, and every one that is not wholly right."""
    logger.info("%s: %s %s", name, words_score(results), times_score(results))
    for one in results:
        if one.text != one.take.text:
            logger.info("%s: %r heard as %r", name, one.take.text, one.text)


def always(name: str) -> Callable[[random.Random], str]:
    """Draw one voice only."""
    return lambda _: name


def score(transcribe: Transcribe, seed: int) -> dict[str, Any]:
    """Run all scores."""
    espeak, rng = Espeak(), random.Random(seed)

    def said(count: int, voice: Callable[[random.Random], str]) -> list[Utterance]:
        return list(speak(espeak, rng, count, held_out=True, voice=voice))

    known = [listen(transcribe, take) for take in one_each(rng, said(SENTENCES, known_voice))]
    log_results("known", known)
    each = SENTENCES // len(UNSEEN_VOICES)
    unseen = {
        name: [listen(transcribe, take) for take in one_each(rng, said(each, always(name)))] for name in UNSEEN_VOICES
    }
    rows = [listen(transcribe, take) for take in in_rows(rng, said(ROW_SENTENCES, known_voice), 5)]
    long = [listen(transcribe, take) for take in in_rows(rng, said(LONG_SENTENCES, known_voice), 60)]
    all_unseen = [one for results in unseen.values() for one in results]
    for name, results in (("unseen", all_unseen), ("rows", rows), ("long", long)):
        log_results(name, results)
    numbers = np.random.default_rng(seed)
    return {
        "known_voices": words_score(known) | times_score(known),
        "unseen_voices": words_score(all_unseen) | times_score(all_unseen),
        "by_unseen_voice": {name: words_score(results)["word_error_rate"] for name, results in unseen.items()},
        "several_sentences": words_score(rows) | times_score(rows),
        "longer_than_a_window": words_score(long) | times_score(long)
        | {"longest_seconds": round(max(one.take.seconds for one in long), 1)},
        "word_times": word_times_score(transcribe, [one.take for one in known[:WORD_TIMES]]),
        "known_sounds": sounds_score(transcribe, KNOWN, numbers),
        "unseen_sounds": sounds_score(transcribe, UNSEEN, numbers),
        "processor_seconds_a_take": round(float(np.median([one.compute_seconds for one in known])), 3),
        "real_time_factor": round(
            sum(one.compute_seconds for one in long) / sum(one.take.seconds for one in long), 4
        ),
    }  # fmt: skip


def main() -> None:
    """Score and write scores.json."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--clips", type=Path, help="a folder of clips to transcribe as well")
    parser.add_argument("--seed", type=int, default=5)
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    def transcribe(samples: np.ndarray, **options: bool) -> dict[str, Any]:
        result: dict[str, Any] = mlx_whisper.transcribe(
            samples, path_or_hf_repo=str(asked.model), fp16=False, **options
        )
        return result

    transcribe(np.zeros(16000, np.float32))
    scores = score(transcribe, asked.seed)
    if asked.clips:
        scores["clips"] = clips_score(transcribe, asked.clips)
    (asked.model / "scores.json").write_text(json.dumps(scores, indent=2) + "\n")
    logger.info("%s", json.dumps(scores, indent=2))


if __name__ == "__main__":
    main()
