"""Whisper base, Kokoro and SmolLM2 here, in the bare libraries, and in others with the same weights, in turn.

Other libraries run in an environment of PEERS that has them: tests/real_models/references/__init__.py says how to make it.
"""

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.instance import Instance, running_instance
from benchmarks.lab import BenchmarkContext
from benchmarks.real_libraries import KOKORO, SMOLLM2, WHISPER, Library, bare_library, other_library
from benchmarks.row import Row, median, missing
from benchmarks.works import CHAT_PATH, SPEECH_PATH, TRANSCRIPTION_PATH, Workload, chat_fields
from model_runtime.media.speech_encoder import wav_header
from tests.real_models.recordings import SAMPLE_RATE, read_recordings
from tests.real_models.selection import long_recording
from tests.real_models.sentences import LONG_TEXT

CHECKOUT = Path(__file__).parents[1]
MODELS, RECORDINGS = CHECKOUT / ".models", CHECKOUT / ".recordings"
SERVED = f'[files]\nmodel_folders = ["{MODELS}"]\n'
"""Part of config.toml."""
ROUNDS = 3
RECORDING_SECONDS = 60
TOKENS = 96
QUESTION = "Tell me a story that begins with: It was a dark night."
SPOKEN, PHONEMES, VOICE = (
    "The quick brown fox jumps over the lazy dog.",
    "ðə kwˈɪk bɹˈWn fˈɑks ʤˈʌmps ˈOvəɹ ðə lˈAzi dˈɔɡ.",
    "af_heart",
)
"""One sentence as people and as Kokoro's phonemes write it: the first case of its kept reference."""
KOKORO_PACE, FIRST_SHARE = 2.0, 0.15
PCM_BYTES_PER_SECOND = 24_000 * 2


@dataclass(frozen=True, slots=True)
class Trial:
    """The same work here and in a library, which reads `line`. `sound_seconds` of speech are heard or made, if any."""

    instance: Instance
    work: Workload
    line: str
    rounds: int
    sound_seconds: float | None = None

    def seconds(self) -> float:
        """Work once here."""
        started = time.perf_counter()
        self.work.send(self.instance.url).body()
        return time.perf_counter() - started

    def work_row(self, library: Library, name: str) -> Row:
        """Compare the work, in turn, once both are warm."""
        self.seconds()
        library.seconds(self.line)
        pairs = [(self.seconds(), library.seconds(self.line)) for _ in range(self.rounds)]
        here, there = (median([pair[side] for pair in pairs]) for side in (0, 1))
        how = f"{self._pace(here)} here, {self._pace(there)} there, median of {self.rounds} in turn"
        return Row(f"{self.work.model}: work over {name}", here / there, "×", None, how)

    def other_row(self, package: str) -> Row:
        """Compare the work with that of a library of another environment."""
        try:
            with other_library(package) as other:
                return self.work_row(other, package)
        except (OSError, RuntimeError) as error:
            return missing(f"{self.work.model}: work over {package}", str(error))

    def load_row(self, library: Library, name: str) -> Row:
        """Compare what loading took."""
        status = next(model for model in self.instance.status()["models"] if model["name"] == self.work.model)
        here, there = status["last_load_seconds"], library.load_seconds
        how = f"{here:.2f} s here, in a process that was there; {there:.2f} s there, without imports"
        return Row(f"{self.work.model}: load over {name}", here / there, "×", None, how)

    def _pace(self, seconds: float) -> str:
        if self.sound_seconds is None:
            return f"{TOKENS / seconds:.0f} tokens a second"
        return f"{seconds / self.sound_seconds:.2f} s for a second of sound"


def measure(context: BenchmarkContext) -> list[Row]:
    """Measure each model; where they are not made the row says so."""
    if not (MODELS.exists() and RECORDINGS.exists()):
        return [missing("real weights", "make models makes them")]
    rounds = context.rounds(ROUNDS)
    with running_instance(SERVED) as instance, tempfile.TemporaryDirectory(prefix="senses-bench-") as folder:
        return [
            *_whisper_rows(instance, Path(folder), rounds),
            *_kokoro_rows(instance, rounds),
            *_smollm2_rows(instance, rounds),
        ]


def _whisper_rows(instance: Instance, folder: Path, rounds: int) -> list[Row]:
    file = folder / "speech.wav"
    file.write_bytes(recording())
    fields = {"file": file.read_bytes(), "language": "en", "temperature": 0}
    work = Workload("mlx-whisper", "whisper-base", TRANSCRIPTION_PATH, fields, {})
    trial = Trial(instance, work, str(file), rounds, RECORDING_SECONDS)
    with bare_library(WHISPER, str(MODELS / work.model)) as bare:
        rows = [trial.work_row(bare, "mlx-whisper"), trial.load_row(bare, "mlx-whisper")]
    return [*rows, trial.other_row("faster-whisper")]


def _kokoro_rows(instance: Instance, rounds: int) -> list[Row]:
    fields = {"input": SPOKEN, "voice": VOICE, "response_format": "pcm"}
    work = Workload("mlx-audio", "kokoro-82m", SPEECH_PATH, fields, {})
    sound_seconds = len(work.send(instance.url).body()) / PCM_BYTES_PER_SECOND
    trial = Trial(instance, work, "", rounds, sound_seconds)
    with bare_library(KOKORO, str(MODELS / work.model), VOICE, PHONEMES) as bare:
        once = replace(trial, rounds=1)  # takes a minute
        rows = [once.work_row(bare, "mlx-audio"), trial.load_row(bare, "mlx-audio")]
    pace = median([trial.seconds() for _ in range(rounds)]) / sound_seconds
    return [
        *rows,
        Row("kokoro-82m: work for a second of sound", pace, "s", KOKORO_PACE, f"one sentence, median of {rounds}"),
        trial.other_row("onnxruntime"),
        _first_audio_row(instance, rounds),
    ]


def _first_audio_row(instance: Instance, rounds: int) -> Row:
    fields = {"input": LONG_TEXT, "voice": VOICE, "response_format": "pcm"}
    work = Workload("mlx-audio", "kokoro-82m", SPEECH_PATH, fields, {}, {"stream_format": "sse"})
    shares = []
    for _ in range(rounds):
        started, first = time.perf_counter(), 0.0
        for event in work.send(instance.url, stream=True).events():
            if event.get("type") == "speech.audio.delta":
                first = first or time.perf_counter() - started
        shares.append(first / (time.perf_counter() - started))
    how = f"eight sentences, streamed, median of {rounds}"
    return Row("kokoro-82m: first audio over the whole", median(shares), "×", FIRST_SHARE, how)


def _smollm2_rows(instance: Instance, rounds: int) -> list[Row]:
    work = Workload("mlx-lm", "smollm2-135m", CHAT_PATH, chat_fields(QUESTION, TOKENS), {})
    trial = Trial(instance, work, QUESTION, rounds)
    with bare_library(SMOLLM2, str(MODELS / work.model), str(TOKENS)) as bare:
        return [trial.work_row(bare, "mlx-lm"), trial.load_row(bare, "mlx-lm")]


def recording() -> bytes:
    """Return a minute of real English speech as WAV."""
    samples, _ = long_recording(read_recordings(RECORDINGS), RECORDINGS, "without pauses")
    pcm = samples[: RECORDING_SECONDS * SAMPLE_RATE].tobytes()
    return wav_header(SAMPLE_RATE, len(pcm)) + pcm
