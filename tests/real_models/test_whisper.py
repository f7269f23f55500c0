"""Whisper base hears in real recordings what faster-whisper hears with the same weights."""

import io
import re
import shutil
import time
import wave
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
import pytest
from mcp import Client

from model_runtime.catalog.languages import language_name
from tests.end_to_end.conftest import RunningDaemon
from tests.end_to_end.test_mcp import call, connected
from tests.real_models.conftest import ANSWER_SECONDS
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
PAUSES_WRONG_SHARE = 0.045
LONG_ANSWER_SECONDS = 7000.0
"""Of twenty minutes of speech, on a machine that does much else."""
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
    http.post(f"/api/models/{MODEL}/start", headers={"origin": str(http.base_url)}).raise_for_status()
    started = time.monotonic()
    answers = {clip.file: transcribe(http, (recordings_folder / clip.file).read_bytes()) for clip in clips}
    pace = (time.monotonic() - started) / sum(clip.seconds for clip in clips)
    results.add(MODEL, f"{len(clips)} clips: seconds of work for a second of sound", "", f"{pace:.2f}", "–")
    return answers


def transcribe(http: httpx2.Client, file: bytes, seconds: float = ANSWER_SECONDS, **fields: Any) -> dict[str, Any]:
    """Return verbose_json with segments and words, within so many seconds."""
    form = {
        "model": MODEL,
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["word", "segment"],
        **fields,
    }
    answer = http.post("/v1/audio/transcriptions", files={"file": ("clip.wav", file)}, data=form, timeout=seconds)
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
@pytest.mark.parametrize(
    "sound",
    [
        "silence",
        "hum",
        pytest.param("hiss", marks=pytest.mark.complete),
        pytest.param("music", marks=pytest.mark.complete),
    ],
)
def test_nothing_is_said_where_nobody_speaks(http: httpx2.Client, sound: str) -> None:
    seconds = np.arange(20 * SAMPLE_RATE) / SAMPLE_RATE
    samples = {
        "silence": np.zeros(len(seconds)),
        "hum": 3000 * np.sin(2 * np.pi * 110 * seconds) + 2000 * np.sin(2 * np.pi * 220 * seconds),
        "hiss": np.random.default_rng(1).normal(0, 200, len(seconds)),
        "music": music(seconds),
    }[sound]

    answer = transcribe(http, wav(samples.astype(np.int16)), language="en")

    assert answer["text"].strip() == ""


def music(seconds: np.ndarray) -> np.ndarray:
    """Return four chords of plucked strings, over and over: a note has six harmonics and fades within its second."""
    chords = np.array([[262, 330, 392], [220, 262, 330], [175, 220, 262], [196, 247, 294]])
    since, notes = seconds % 1, chords[seconds.astype(int) % len(chords)].T
    harmonics = (np.sin(2 * np.pi * notes * each * seconds).sum(axis=0) / each for each in range(1, 7))
    sound: np.ndarray = 2500 * np.exp(-3 * since) * sum(harmonics)
    return sound


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
    clip = "en-novel-0870.wav"
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
    real_daemon: RunningDaemon,
    recordings_folder: Path,
    tmp_path: Path,
    reference: Mapping[str, Any],
    is_complete: bool,
    face: str,
) -> None:
    names = QUICK_CLIPS if is_complete else QUICK_CLIPS[:1]
    files = [Path(shutil.copy(recordings_folder / name, tmp_path)) for name in names]

    async with connected(real_daemon, face) as client:
        heard = {file.name: (await written_down(client, file))["text"] for file in files}

    others = {
        name: text for name, text in heard.items() if words_of(text) != words_of(reference["clips"][name]["text"])
    }
    assert not others


async def written_down(client: Client, file: Path) -> dict[str, Any]:
    """Return the tool's transcript; a busy machine answers with a job first."""
    answer = await call(client, "transcribe", audio=str(file), model=MODEL)
    while "job_id" in answer and "text" not in answer:
        answer = await call(client, "get_job", job_id=answer["job_id"])
    return answer


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

    answer = transcribe(http, wav(samples), LONG_ANSWER_SECONDS, language="en")

    said, heard = [words_of(clip.text) for _, clip in starts], words_of(answer["text"])
    whole = [word for words in said for word in words]
    rate = error_rate([(whole, heard)])
    theirs = error_rate([(whole, words_of(reference["long"][name]["text"]))])
    late = p90([min(abs(start - segment["start"]) for segment in answer["segments"]) for start, _ in starts])
    wanted, wanted_late = (PAUSES_WRONG_SHARE, START_SECONDS) if LONG[name].longest_pause_seconds else (theirs, None)
    run = f"{len(samples) / SAMPLE_RATE:.0f} s {name}"
    results.add(MODEL, f"{run}: word errors", f"{REFERENCE}: {theirs:.1%}", f"{rate:.1%}", f"≤ {wanted:.1%}")
    results.add(
        MODEL,
        f"{run}: start of a sentence, p90",
        "where it was put",
        f"{late:.2f} s",
        f"≤ {wanted_late} s" if wanted_late else "–",
    )
    assert lost_sentences(said, heard) == []
    assert rate <= wanted
    assert wanted_late is None or late <= wanted_late


def lost_sentences(said: Sequence[Sequence[str]], heard: Sequence[str]) -> list[str]:
    """Return the sentences of which less than half of the words were heard in their place."""
    found = {one for one, _ in same_words([word for words in said for word in words], heard)}
    lost, at = [], 0
    for words in said:
        if sum(at + index in found for index in range(len(words))) < len(words) / 2:
            lost.append(" ".join(words))
        at += len(words)
    return lost
