"""Whisper base hears in real recordings what faster-whisper hears with the same weights."""

import io
import re
import time
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest

from model_runtime.catalog.languages import language_name
from tests.end_to_end.conftest import RunningDaemon
from tests.end_to_end.test_mcp import call, connected
from tests.real_models.recordings import SAMPLE_RATE, Recording
from tests.real_models.references import read_reference
from tests.real_models.results import Results, p90
from tests.real_models.selection import LONG, QUICK_CLIPS, long_recording, select_clips
from tests.real_models.words import error_rate, same_words, words_of

pytestmark = [pytest.mark.real, pytest.mark.timeout(7200)]
MODEL = "whisper-base"
REFERENCE = "faster-whisper"
SAME_SHARE = 0.98
TIME_SECONDS = 0.25
START_SECONDS = 0.5
Answers = Mapping[str, Mapping[str, Any]]


@pytest.fixture(scope="module")
def reference() -> dict[str, Any]:
    """What faster-whisper hears."""
    return read_reference(MODEL)


@pytest.fixture(scope="module")
def clips(recordings: list[Recording], reference: dict[str, Any], is_complete: bool) -> list[Recording]:
    """Eight clips, or all that the reference has."""
    chosen = [clip for clip in select_clips(recordings) if clip.file in reference["clips"]]
    return chosen if is_complete else chosen[: len(QUICK_CLIPS)]


@pytest.fixture(scope="module")
def heard(
    http: httpx2.Client, recordings_folder: Path, clips: list[Recording], results: Results
) -> dict[str, dict[str, Any]]:
    """What Senses hears in each clip; nobody tells it the language."""
    transcribe(http, (recordings_folder / clips[0].file).read_bytes())  # loads the model
    started = time.monotonic()
    answers = {clip.file: transcribe(http, (recordings_folder / clip.file).read_bytes()) for clip in clips}
    pace = (time.monotonic() - started) / sum(clip.seconds for clip in clips)
    results.add(MODEL, f"{len(clips)} clips: seconds of work for a second of sound", "", f"{pace:.2f}", "–")
    return answers


def transcribe(http: httpx2.Client, file: bytes, **fields: Any) -> dict[str, Any]:
    """Return verbose_json with segments and words."""
    form = {
        "model": MODEL,
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["word", "segment"],
        **fields,
    }
    answer = http.post("/v1/audio/transcriptions", files={"file": ("clip.wav", file)}, data=form)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def wav(samples: np.ndarray) -> bytes:
    """Return s16 samples at 16 kHz as a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        written.writeframes(samples.tobytes())
    return file.getvalue()


@pytest.mark.promise("real:heard-as-reference")
def test_the_words_are_those_of_the_reference(
    clips: list[Recording], heard: Answers, reference: Mapping[str, Any], results: Results
) -> None:
    pairs = {clip.file: (reference["clips"][clip.file]["text"], heard[clip.file]["text"]) for clip in clips}
    others = {file: texts for file, texts in pairs.items() if words_of(texts[0]) != words_of(texts[1])}

    same = 1 - len(others) / len(clips)
    results.add(MODEL, f"{len(clips)} clips: same words", REFERENCE, f"{same:.1%}", f"≥ {SAME_SHARE:.0%}")
    assert same >= SAME_SHARE, others


@pytest.mark.promise("real:heard-as-reference")
def test_no_more_words_are_wrong_than_in_the_reference(
    clips: list[Recording], heard: Answers, reference: Mapping[str, Any], results: Results
) -> None:
    def rate(answers: Answers) -> float:
        return error_rate(
            (words_of(clip.text, clip.language), words_of(answers[clip.file]["text"], clip.language)) for clip in clips
        )

    ours, theirs = rate(heard), rate(reference["clips"])

    results.add(MODEL, f"{len(clips)} clips: word errors", REFERENCE, f"{ours:.2%}", f"≤ {theirs:.2%}")
    assert ours <= theirs


@pytest.mark.promise("real:heard-as-reference")
def test_the_language_is_that_of_the_reference(
    clips: list[Recording], heard: Answers, reference: Mapping[str, Any], results: Results
) -> None:
    found = {
        clip.file: (heard[clip.file]["language"], language_name(reference["clips"][clip.file]["language"]).lower())
        for clip in clips
    }

    others = {file: pair for file, pair in found.items() if pair[0] != pair[1]}
    right = sum(heard[clip.file]["language"] == language_name(clip.language).lower() for clip in clips)
    results.add(MODEL, f"{len(clips)} clips: right language", REFERENCE, f"{right}", "as the reference")
    assert not others


@pytest.mark.promise("real:heard-as-reference")
def test_words_and_segments_are_where_they_are_in_the_reference(
    clips: list[Recording], heard: Answers, reference: Mapping[str, Any], results: Results
) -> None:
    starts, segments = list[float](), list[float]()
    for clip in clips:
        theirs, ours = reference["clips"][clip.file], heard[clip.file]
        their_words = [("".join(words_of(word)), start) for word, start, _ in theirs.get("words", ())]
        our_words = [("".join(words_of(word["word"])), word["start"]) for word in ours["words"]]
        for one, other in same_words([word for word, _ in their_words], [word for word, _ in our_words]):
            starts.append(abs(their_words[one][1] - our_words[other][1]))
        if len(theirs["segments"]) == len(ours["segments"]):
            segments += [
                abs(start - segment["start"]) for (start, _), segment in zip(theirs["segments"], ours["segments"])
            ]

    results.add(MODEL, f"{len(starts)} words: start, p90", REFERENCE, f"{p90(starts):.2f} s", f"≤ {TIME_SECONDS} s")
    results.add(
        MODEL, f"{len(segments)} segments: start, p90", REFERENCE, f"{p90(segments):.2f} s", f"≤ {TIME_SECONDS} s"
    )
    assert p90(starts) <= TIME_SECONDS
    assert p90(segments) <= TIME_SECONDS


@pytest.mark.promise("real:nothing-said")
@pytest.mark.parametrize("sound", ["silence", pytest.param("hiss", marks=pytest.mark.complete), "hum"])
def test_nothing_is_said_where_nobody_speaks(http: httpx2.Client, sound: str) -> None:
    seconds = np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    samples = {
        "silence": np.zeros(len(seconds)),
        "hiss": np.random.default_rng(1).normal(0, 200, len(seconds)),
        "hum": 3000 * np.sin(2 * np.pi * 110 * seconds) + 2000 * np.sin(2 * np.pi * 220 * seconds),
    }[sound]

    answer = transcribe(http, wav(samples.astype(np.int16)), language="en")

    assert answer["text"].strip() == ""


@pytest.mark.promise("real:translated")
def test_spanish_is_translated_into_english(http: httpx2.Client, recordings_folder: Path) -> None:
    files = {"file": ("clip.wav", (recordings_folder / "es-demo-abouttotry.wav").read_bytes())}

    answer = http.post("/v1/audio/translations", files=files, data={"model": MODEL})

    assert {"connection", "server", "please", "internet"} <= set(words_of(answer.json()["text"]))


@pytest.mark.promise("real:subtitles")
@pytest.mark.parametrize(("form", "mark"), [("srt", ","), ("vtt", r"\.")])
def test_subtitles_have_the_words_in_the_order_of_their_times(
    http: httpx2.Client, recordings_folder: Path, heard: Answers, form: str, mark: str
) -> None:
    clip = "en-screen-callee-options.wav"
    files = {"file": (clip, (recordings_folder / clip).read_bytes())}

    answer = http.post("/v1/audio/transcriptions", files=files, data={"model": MODEL, "response_format": form})

    cues = re.findall(
        rf"(\d\d):(\d\d):(\d\d){mark}(\d{{3}}) --> (\d\d):(\d\d):(\d\d){mark}(\d{{3}})\n(.+)", answer.text
    )
    times = [seconds_of(cue[at : at + 4]) for cue in cues for at in (0, 4)]
    assert times == sorted(times)
    assert words_of(" ".join(cue[8] for cue in cues)) == words_of(heard[clip]["text"])


def seconds_of(clock: Sequence[str]) -> float:
    """Return hours, minutes, seconds and milliseconds as seconds."""
    hours, minutes, seconds, milliseconds = map(int, clock)
    return hours * 3600 + minutes * 60 + seconds + milliseconds / 1000


@pytest.mark.promise("real:heard-as-reference")
@pytest.mark.parametrize("face", ["stdio", "http"])
async def test_the_tool_writes_down_the_same_words(
    real_daemon: RunningDaemon, recordings_folder: Path, tmp_path: Path, reference: Mapping[str, Any], face: str
) -> None:
    file = tmp_path / "clip.wav"
    file.write_bytes((recordings_folder / QUICK_CLIPS[0]).read_bytes())

    async with connected(real_daemon, face) as client:
        transcript = await call(client, "transcribe", audio=str(file), model=MODEL)

    assert words_of(transcript["text"]) == words_of(reference["clips"][QUICK_CLIPS[0]]["text"])


@pytest.mark.complete
@pytest.mark.promise("real:long-recordings")
@pytest.mark.parametrize("name", LONG)
def test_a_long_recording_loses_no_sentence(
    http: httpx2.Client,
    recordings: list[Recording],
    recordings_folder: Path,
    reference: Mapping[str, Any],
    results: Results,
    name: str,
) -> None:
    samples, starts = long_recording(recordings, recordings_folder, name)

    answer = transcribe(http, wav(samples), language="en")

    said, heard = [words_of(clip.text) for _, clip in starts], words_of(answer["text"])
    whole = [word for words in said for word in words]
    rate = error_rate([(whole, heard)])
    theirs = error_rate([(whole, words_of(reference["long"][name]["text"]))])
    run = f"{len(samples) / SAMPLE_RATE:.0f} s {name}"
    results.add(MODEL, f"{run}: word errors", REFERENCE, f"{rate:.1%}", f"≤ {theirs:.1%}")
    assert lost_sentences(said, heard) == []
    assert rate <= theirs
    if LONG[name].longest_pause_seconds:
        late = p90([min(abs(start - segment["start"]) for segment in answer["segments"]) for start, _ in starts])
        results.add(
            MODEL, f"{run}: start of a sentence, p90", "where it was put", f"{late:.2f} s", f"≤ {START_SECONDS} s"
        )
        assert late <= START_SECONDS


def lost_sentences(said: Sequence[Sequence[str]], heard: Sequence[str]) -> list[str]:
    """Return the sentences of which less than half of the words were heard in their place."""
    found = {one for one, _ in same_words([word for words in said for word in words], heard)}
    lost, at = [], 0
    for words in said:
        if sum(at + index in found for index in range(len(words))) < len(words) / 2:
            lost.append(" ".join(words))
        at += len(words)
    return lost
