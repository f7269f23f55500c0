"""Real speech with its words, as WAV files of 16 kHz: telephone prompts in five languages, and a novel read aloud."""

import gzip
import io
import json
import re
import wave
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import av
import numpy as np

from tests.real_models.manifest import Archive, read_archives
from tests.real_models.members import read_members

LANGUAGES = ("en", "es", "fr", "it", "ru")
SAMPLE_RATE = 16_000
LIST_FILE = "recordings.json"
WORDS_OF_A_PROMPT = range(6, 61)
"""Shorter prompts are single words, which no two listeners write alike."""
NOT_SPOKEN = re.compile(r"[\[(<]")
"""Marks of a prompt whose text describes a sound."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One clip in a folder of recordings. `language` is a two-letter code."""

    file: str
    text: str
    language: str
    source: str
    seconds: float


def recording_archives() -> list[Archive]:
    """Return the packages that hold recordings."""
    sources = ("asterisk-core-sounds-", "pocketsphinx-testdata", "pytest-audioeval")
    return [archive for name, archive in read_archives().items() if name.startswith(sources)]


def read_recordings(folder: Path) -> list[Recording]:
    """Return the clips that `write_recordings` wrote into `folder`."""
    return [Recording(**each) for each in json.loads((folder / LIST_FILE).read_text(encoding="utf-8"))]


def read_samples(folder: Path, clip: Recording) -> np.ndarray:
    """Return the s16 samples of a clip."""
    with wave.open(str(folder / clip.file)) as opened:
        return np.frombuffer(opened.readframes(opened.getnframes()), np.int16)


def write_recordings(archives: Mapping[str, Path], folder: Path) -> list[Recording]:
    """Write every clip with known words into `folder`, and their list last."""
    folder.mkdir(parents=True, exist_ok=True)
    found = [
        *(recording for language in LANGUAGES for recording in _prompts(archives, language, folder)),
        *_novel(archives["pocketsphinx-testdata"], folder),
        *_samples(archives["pytest-audioeval"], folder),
    ]
    content = json.dumps([asdict(each) for each in found], ensure_ascii=False, indent=1)
    (folder / LIST_FILE).write_text(content, encoding="utf-8")
    return found


def _prompts(archives: Mapping[str, Path], language: str, folder: Path) -> Iterator[Recording]:
    """Yield the prompts of Asterisk, whose list has a line `name: text` for each."""
    listing = read_members(
        archives[f"asterisk-core-sounds-{language}"], lambda name: name.endswith(f"{language}.txt.gz")
    )
    texts = dict(_named_texts(gzip.decompress(next(listing)[1]).decode("utf-8", "replace")))
    for path, sound in read_members(
        archives[f"asterisk-core-sounds-{language}-g722"], lambda name: name.endswith(".g722")
    ):
        name = path.rpartition("sounds/")[2].partition("/")[2].removesuffix(".g722")  # after the speaker's folder
        if name in texts:
            yield _write(
                folder, f"{language}-{name.replace('/', '_')}", sound, "g722", texts[name], language, "asterisk"
            )


def _named_texts(listing: str) -> Iterator[tuple[str, str]]:
    for line in listing.splitlines():
        name, _, text = map(str.strip, line.partition(":"))
        if not line.startswith(";") and not NOT_SPOKEN.search(text) and len(text.split()) in WORDS_OF_A_PROMPT:
            yield name, text


def _novel(archive: Path, folder: Path) -> Iterator[Recording]:
    """Yield five sentences of "Sense and Sensibility"; the list has a line `<s> text </s> (name)` for each."""
    members = dict(read_members(archive, lambda name: "/librivox/" in name))
    by_name = {Path(name).name: content for name, content in members.items()}
    for line in by_name["transcription"].decode().splitlines():
        match = re.fullmatch(r"<s> (.*) </s> \((.*)\)", line)
        if match:
            yield _write(
                folder, f"en-novel-{match[2][-4:]}", by_name[f"{match[2]}.wav"], "wav", match[1], "en", "librivox"
            )


def _samples(archive: Path, folder: Path) -> Iterator[Recording]:
    """Yield clips in nine languages; each lies beside a text of the same name."""
    members = dict(read_members(archive, lambda name: "/samples/audio/" in name))
    for path, content in members.items():
        language, name = Path(path).parts[-2:]
        if name.endswith(".wav"):
            text = members[path.removesuffix(".wav") + ".txt"].decode().strip()
            yield _write(folder, f"{language}-sample-{Path(name).stem}", content, "wav", text, language, "audioeval")


def _write(folder: Path, name: str, sound: bytes, kind: str, text: str, language: str, source: str) -> Recording:
    """Write a clip as 16-bit mono WAV."""
    with av.open(io.BytesIO(sound), "r", format=kind) as opened:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        frames = [out for frame in opened.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    samples = b"".join(frame.to_ndarray().tobytes() for frame in frames)
    with wave.open(str(folder / f"{name}.wav"), "wb") as written:
        written.setparams((1, 2, SAMPLE_RATE, 0, "NONE", ""))
        written.writeframes(samples)
    return Recording(f"{name}.wav", text, language, source, round(len(samples) / 2 / SAMPLE_RATE, 2))
