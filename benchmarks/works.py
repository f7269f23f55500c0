"""What each engine is asked over HTTP: something short, and something that takes far longer than anybody waits here."""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from itertools import cycle, islice
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from benchmarks.call import HttpCall
from benchmarks.lab import ENDLESS, VISION
from model_runtime.media.speech_encoder import wav_header
from tests.meaning.recordings import clip
from tests.meaning.sounds import SAMPLE_RATE, decode_samples

CHAT_PATH, IMAGE_PATH, TRANSCRIPTION_PATH, SPEECH_PATH = (
    "/v1/chat/completions",
    "/v1/images/generations",
    "/v1/audio/transcriptions",
    "/v1/audio/speech",
)
SPOKEN_CLIPS = (
    "two-sentences",
    "red-circle-above-blue-square",
    "draw-a-small-green-star",
    "forty-two",
    "unseen-voice",
    "turn-down-the-volume",
    "three-blue-circles",
    "another-unseen-voice",
    "three-one-four",
)
"""Different ones: a text that repeats itself is decoded again and again, at higher temperatures."""
LONG_CLIPS = 300
SHORT_TOKENS, LONG_TOKENS = 4, 3500
MAX_STEPS = 50
SPOKEN_SENTENCE = "Draw a red circle above a star. "
RequestFields = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Workload:
    """Requests to one model. `streaming` are the fields that make an answer come in pieces."""

    engine: str
    model: str
    path: str
    short: RequestFields
    long: RequestFields
    streaming: RequestFields = field(default_factory=lambda: {"stream": True})

    def send(self, url: str, *, long: bool = False, stream: bool = False) -> HttpCall:
        """Ask a server that listens at `url`."""
        fields = {"model": self.model, **(self.long if long else self.short), **(self.streaming if stream else {})}
        recording = fields.pop("file", None)
        if recording is None:
            return HttpCall(httpx2.Request("POST", url + self.path, json=fields))
        texts = {name: str(value).lower() if value is True else value for name, value in fields.items()}
        return HttpCall(httpx2.Request("POST", url + self.path, data=texts, files={"file": ("a.wav", recording)}))


def chat_fields(content: Any, max_tokens: int) -> dict[str, Any]:
    """The fields of a chat of one message."""
    return {"messages": [{"role": "user", "content": content}], "max_tokens": max_tokens, "temperature": 0}


def transcription_workload(clips: int) -> Workload:
    """A recording of so many clips, and one that takes minutes."""
    return Workload(
        "mlx-whisper",
        "stt-starter",
        TRANSCRIPTION_PATH,
        {"file": _wav_recording(clips)},
        {"file": _wav_recording(LONG_CLIPS)},
    )


def image_workload(steps: int, side: int) -> Workload:
    """A picture in so many steps, and one in many."""
    streaming = {"stream": True, "partial_images": 3}
    return Workload(
        "mflux", "image-starter", IMAGE_PATH, _image_fields(steps, side), _image_fields(MAX_STEPS, 256), streaming
    )


def starter_workloads() -> tuple[Workload, ...]:
    """Short works of every engine with what is built in."""
    return (
        Workload("mlx-vlm", "vlm-starter", CHAT_PATH, chat_fields(_vision_content(), 32), {}),
        *(work for work in all_workloads() if work.model.endswith("-starter")),
    )


def all_workloads() -> tuple[Workload, ...]:
    """Work of every engine; the chat models are random, as they must not come to an end."""
    return (
        Workload("mlx-lm", ENDLESS, CHAT_PATH, chat_fields("Hello", SHORT_TOKENS), chat_fields("Hello", LONG_TOKENS)),
        Workload(
            "mlx-vlm",
            VISION,
            CHAT_PATH,
            chat_fields(_vision_content(), SHORT_TOKENS),
            chat_fields(_vision_content(), LONG_TOKENS),
        ),
        transcription_workload(clips=1),
        Workload(
            "mlx-audio",
            "tts-starter",
            SPEECH_PATH,
            {"input": "hello", "response_format": "wav"},
            {"input": SPOKEN_SENTENCE * 500, "response_format": "wav"},
            {"stream_format": "sse"},
        ),
        image_workload(steps=1, side=256),
    )


def _image_fields(steps: int, side: int) -> dict[str, Any]:
    return {"prompt": "a red circle", "size": f"{side}x{side}", "seed": 1, "steps": steps}


@cache
def _wav_recording(clips: int) -> bytes:
    sound = np.concatenate([decode_samples(clip(name).file) for name in islice(cycle(SPOKEN_CLIPS), clips)])
    pcm = (sound * 32767).astype("<i2").tobytes()
    return wav_header(SAMPLE_RATE, len(pcm)) + pcm


@cache
def _vision_content() -> list[dict[str, Any]]:
    file = io.BytesIO()
    Image.new("RGB", (56, 56), "gray").save(file, "PNG")
    picture = f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"
    return [{"type": "image_url", "image_url": {"url": picture}}, {"type": "text", "text": "Look."}]
