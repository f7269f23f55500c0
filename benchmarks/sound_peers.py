"""Speech and transcripts against mlx-audio's own server, with the real checkpoints of `make models`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx2

from benchmarks.instance import running_instance
from benchmarks.lab import BenchmarkContext
from benchmarks.peers import AUDIO_PEER, Server, running_peer
from benchmarks.row import Row, median, missing
from benchmarks.sound import seconds_to_first_and_last
from benchmarks.works import SPEECH_PATH, TRANSCRIPTION_PATH
from model_runtime.media.speech_encoder import encode_speech
from tests.meaning.recordings import clip
from tests.meaning.sounds import SAMPLE_RATE, decode_samples

MODELS = Path(__file__).parents[1] / ".models"
VOICE_MODEL, HEARING_MODEL = "kokoro-82m", "whisper-base"
ROUNDS = 5
TEXT = "The build has finished. Two of the tests failed. I will run them again now."
Ask = Callable[[Server, str], float]


def measure(context: BenchmarkContext) -> list[Row]:
    """Ask both in turn for the same text, then for the same recording."""
    asked: dict[str, tuple[str, Ask]] = {
        f"first byte of speech here over {AUDIO_PEER.name}": (VOICE_MODEL, first_sound),
        f"first transcript delta here over {AUDIO_PEER.name}": (HEARING_MODEL, first_words),
    }
    return [_row(context, name, model, ask) for name, (model, ask) in asked.items()]


def first_sound(server: Server, model: str) -> float:
    """Return the seconds to the first byte of streamed speech."""
    fields = {"model": model, "input": TEXT, "voice": "af_heart", "response_format": "wav", "stream": True}
    return seconds_to_first_and_last(server.url + SPEECH_PATH, json=fields)[0]


def first_words(server: Server, model: str) -> float:
    """Return the seconds to the first byte of a streamed transcript."""
    post = partial(seconds_to_first_and_last, server.url + TRANSCRIPTION_PATH)
    return post(data={"model": model, "stream": "true"}, files={"file": ("a.wav", _recording())})[0]


def _row(context: BenchmarkContext, name: str, model: str, ask: Ask) -> Row:
    if not (MODELS / model).exists():
        return missing(name, f"there is no .models/{model}; `make models` makes it")
    try:
        with running_peer(AUDIO_PEER, context.folder) as theirs, _ours() as ours:
            here, there = partial(ask, ours, model), partial(ask, theirs, str(MODELS / model))
            return _compare(name, context.rounds(ROUNDS), here, there)
    except (httpx2.HTTPError, OSError, RuntimeError) as error:
        return missing(name, f"{AUDIO_PEER.name} did not answer: {error!r}"[:200])


@contextmanager
def _ours() -> Iterator[Server]:
    with running_instance(f'[files]\nmodel_folders = ["{MODELS}"]\n') as instance:
        yield Server(instance.url, "")


def _compare(name: str, rounds: int, here: Callable[[], float], there: Callable[[], float]) -> Row:
    """Both in turn, so that both meet the same disturbances. The first of each loads the model."""
    there(), here()
    pairs = [(here(), there()) for _ in range(rounds)]
    ours, theirs = (median([pair[side] for pair in pairs]) for side in (0, 1))
    return Row(name, ours / theirs, "×", 1.0, f"{ours:.2f} s here, {theirs:.2f} s there, median of {rounds} in turn")


def _recording() -> bytes:
    pcm = (decode_samples(clip("two-sentences").file) * 32767).astype("<i2").tobytes()
    return encode_speech(pcm, SAMPLE_RATE, "wav")
