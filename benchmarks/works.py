"""What each engine is asked over HTTP: something short, and something that takes far longer than anybody waits here."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from benchmarks.call import Call
from benchmarks.lab import ENDLESS, EYES
from model_runtime.media.speech import wav_header
from tests.meaning.recordings import clip
from tests.meaning.sounds import RATE, samples

CHAT, DRAW, HEAR, SPEAK = (
    "/v1/chat/completions",
    "/v1/images/generations",
    "/v1/audio/transcriptions",
    "/v1/audio/speech",
)
SHORT_TOKENS, LONG_TOKENS = 4, 3500
LONG_STEPS = 50
SENTENCE = "Draw a red circle above a star. "
Fields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Work:
    """Requests to one model. `streaming` are the fields that make an answer come in pieces."""

    engine: str
    model: str
    path: str
    short: Fields
    long: Fields
    streaming: Fields = field(default_factory=lambda: {"stream": True})

    def send(self, url: str, *, long: bool = False, stream: bool = False) -> Call:
        """Ask a server that listens at `url`."""
        fields = {"model": self.model, **(self.long if long else self.short), **(self.streaming if stream else {})}
        recording = fields.pop("file", None)
        if recording is None:
            return Call(httpx2.Request("POST", url + self.path, json=fields))
        texts = {name: str(value).lower() if value is True else value for name, value in fields.items()}
        return Call(httpx2.Request("POST", url + self.path, data=texts, files={"file": ("a.wav", recording)}))


def chat(content: Any, max_tokens: int) -> dict[str, Any]:
    """The fields of a chat of one message."""
    return {"messages": [{"role": "user", "content": content}], "max_tokens": max_tokens, "temperature": 0}


def hearing(clips: int) -> Work:
    """A recording of so many times two sentences, and one that takes minutes."""
    return Work("mlx-whisper", "stt-starter", HEAR, {"file": _recording(clips)}, {"file": _recording(150)})


def drawing(steps: int, side: int) -> Work:
    """A picture in so many steps, and one in many."""
    streaming = {"stream": True, "partial_images": 3}
    return Work("mflux", "image-starter", DRAW, _drawing(steps, side), _drawing(LONG_STEPS, 256), streaming)


def starters() -> tuple[Work, ...]:
    """Short works of every engine with what is built in."""
    return (
        Work("mlx-vlm", "vlm-starter", CHAT, chat(_look(), 32), {}),
        *(work for work in works() if work.model.endswith("-starter")),
    )


def works() -> tuple[Work, ...]:
    """Work of every engine; the chat models are random, as they must not come to an end."""
    return (
        Work("mlx-lm", ENDLESS, CHAT, chat("Hello", SHORT_TOKENS), chat("Hello", LONG_TOKENS)),
        Work("mlx-vlm", EYES, CHAT, chat(_look(), SHORT_TOKENS), chat(_look(), LONG_TOKENS)),
        hearing(clips=1),
        Work(
            "mlx-audio",
            "tts-starter",
            SPEAK,
            {"input": "hello", "response_format": "wav"},
            {"input": SENTENCE * 500, "response_format": "wav"},
            {"stream_format": "sse"},
        ),
        drawing(steps=1, side=256),
    )


def _drawing(steps: int, side: int) -> dict[str, Any]:
    return {"prompt": "a red circle", "size": f"{side}x{side}", "seed": 1, "steps": steps}


@cache
def _recording(clips: int) -> bytes:
    sound = np.tile(samples(clip("two-sentences").file), clips)
    pcm = (sound * 32767).astype("<i2").tobytes()
    return wav_header(RATE, len(pcm)) + pcm


@cache
def _look() -> list[dict[str, Any]]:
    file = io.BytesIO()
    Image.new("RGB", (56, 56), "gray").save(file, "PNG")
    picture = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": "Look."}]
