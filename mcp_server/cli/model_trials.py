"""Try one model after another over HTTP and measure it: its memory at each step, and the time to its first output."""

import base64
import io
import json
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import httpx2

from model_runtime.requests import Task

TRIAL_TIMEOUT_SECONDS = 600.0
"""Enough for the largest models to load or to draw."""
PROMPT = "a red circle on a white background"
IMAGE_SIDE_PX = 512
RECORDING_MODEL = "tts-starter"
"""Speaks what the transcription models hear."""

IsOutput = Callable[[str], bool]


class TrialFailed(Exception):
    """The daemon refused or failed a request; the message is the daemon's."""


@dataclass(frozen=True, slots=True)
class MemoryReading:
    """Memory in bytes at one moment: of the model, of all workers, of the daemon, and what the machine has left."""

    model_bytes: int
    workers_bytes: int
    daemon_bytes: int
    available_bytes: int


@dataclass(slots=True)
class ModelTrial:
    """What a model did, as far as it came. Times are in seconds; None means that it did not come so far."""

    name: str
    task: str
    engine: str
    weights_bytes: int
    needed_bytes: int
    """The estimate, by which the scheduler decides."""
    memory: dict[str, MemoryReading] = field(default_factory=dict)
    """Moment ("before", "loaded", "used", "unloaded") → reading."""
    load_seconds: float | None = None
    first_output_seconds: float | None = None
    total_seconds: float | None = None
    error: str = ""


class TrialClient:
    """Calls the daemon as the status page and OpenAI's SDK do; no proxy is asked for an address of this machine."""

    def __init__(
        self,
        url: str,
        api_key: str,
        *,
        verify: ssl.SSLContext | bool = True,
        transport: httpx2.BaseTransport | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        headers = {"origin": url} | ({"authorization": f"Bearer {api_key}"} if api_key else {})
        self._http = httpx2.Client(
            base_url=url,
            headers=headers,
            timeout=TRIAL_TIMEOUT_SECONDS,
            trust_env=False,
            verify=verify,
            transport=transport,
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def status(self) -> dict[str, Any]:
        """Return the status."""
        response = self._http.get("/api/status")
        _raise_for_error(response)
        status: dict[str, Any] = response.json()
        return status

    def command(self, model: str, action: str) -> None:
        """Start or stop a model, and wait until it has."""
        _raise_for_error(self._http.post(f"/api/models/{model}/{action}"))

    def record(self) -> bytes:
        """Return a recording of the prompt, spoken by a built-in model."""
        response = self._http.post("/v1/audio/speech", json=_speech_body(RECORDING_MODEL, "wav"))
        _raise_for_error(response)
        return response.content

    def run(self, model: str, task: Task, recording: bytes) -> tuple[float, float]:
        """Send a request and return the seconds to its first output and to its end."""
        path, body, is_output = _request_of(model, task, recording)
        started_at, first_seconds = self.clock(), None
        with self._http.stream("POST", path, **body) as response:
            if response.is_error:
                response.read()
                _raise_for_error(response)
            for part in _parts(response, task):
                if first_seconds is None and is_output(part):
                    first_seconds = self.clock() - started_at
        total_seconds = self.clock() - started_at
        return total_seconds if first_seconds is None else first_seconds, total_seconds


def try_model(client: TrialClient, model: dict[str, Any], recording: bytes) -> ModelTrial:
    """Load a model of the status, use it once and unload it; a failure ends the trial and is its `error`."""
    trial = ModelTrial(model["name"], model["task"], model["engine"], model["weights_bytes"], model["needed_bytes"])
    try:
        client.command(trial.name, "stop")
        _run_trial(client, trial, recording)
    except (TrialFailed, httpx2.HTTPError) as error:
        trial.error = str(error) or type(error).__name__
    return trial


def _run_trial(client: TrialClient, trial: ModelTrial, recording: bytes) -> None:
    trial.memory["before"] = _reading(client, trial.name)
    started_at = client.clock()
    client.command(trial.name, "start")
    trial.load_seconds = round(client.clock() - started_at, 3)
    trial.memory["loaded"] = _reading(client, trial.name)
    first_seconds, total_seconds = client.run(trial.name, Task(trial.task), recording)
    trial.first_output_seconds, trial.total_seconds = round(first_seconds, 3), round(total_seconds, 3)
    trial.memory["used"] = _reading(client, trial.name)
    client.command(trial.name, "stop")
    trial.memory["unloaded"] = _reading(client, trial.name)


def _reading(client: TrialClient, name: str) -> MemoryReading:
    status = client.status()
    memory = status["memory"]
    model_bytes = next(model["footprint_bytes"] for model in status["models"] if model["name"] == name)
    return MemoryReading(model_bytes, memory["footprint_bytes"], memory["daemon_bytes"], memory["available_bytes"])


def _request_of(model: str, task: Task, recording: bytes) -> tuple[str, dict[str, Any], IsOutput]:
    """Return path, arguments of the request, and what tells its first output from what comes before."""
    match task:
        case Task.VISION | Task.TEXT:
            content = [{"type": "text", "text": "What is this?" if task is Task.VISION else "Count from one to ten."}]
            content += [_picture()] if task is Task.VISION else []
            messages = [{"role": "user", "content": content}]
            body = {"model": model, "messages": messages, "max_tokens": 64, "temperature": 0, "stream": True}
            return "/v1/chat/completions", {"json": body}, _is_chat_text
        case Task.IMAGE:
            size = f"{IMAGE_SIDE_PX}x{IMAGE_SIDE_PX}"
            return "/v1/images/generations", {"json": {"model": model, "prompt": PROMPT, "size": size}}, bool
        case Task.TRANSCRIPTION:
            form = {"data": {"model": model, "stream": "true"}, "files": {"file": ("recording.wav", recording)}}
            return "/v1/audio/transcriptions", form, lambda line: "transcript.text.delta" in line
        case Task.SPEECH:
            return "/v1/audio/speech", {"json": _speech_body(model, "pcm")}, bool
        case Task.EMBEDDING:
            return "/v1/embeddings", {"json": {"model": model, "input": PROMPT}}, bool


def _speech_body(model: str, audio_format: str) -> dict[str, str]:
    return {"model": model, "input": PROMPT, "voice": "alloy", "response_format": audio_format}


def _picture() -> dict[str, Any]:
    from PIL import Image, ImageDraw

    picture, file = Image.new("RGB", (224, 224), "white"), io.BytesIO()
    ImageDraw.Draw(picture).ellipse((52, 52, 172, 172), fill="red")
    picture.save(file, "PNG")
    data = base64.b64encode(file.getvalue()).decode()
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def _parts(response: httpx2.Response, task: Task) -> Iterator[str]:
    """Yield what arrives: lines of events and JSON, or a word for each piece of sound."""
    if task is not Task.SPEECH:
        yield from response.iter_lines()
        return
    for piece in response.iter_bytes():
        yield "sound" if piece else ""


def _is_chat_text(line: str) -> bool:
    if not line.startswith("data: {"):
        return False
    choices: Iterable[dict[str, Any]] = json.loads(line.removeprefix("data: ")).get("choices", ())
    return any(choice.get("delta", {}).get("content") for choice in choices)


def _raise_for_error(response: httpx2.Response) -> None:
    """Raise `TrialFailed` with the daemon's sentence for an answer that is an error."""
    if not response.is_error:
        return
    try:
        message = str(response.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        message = f"HTTP {response.status_code}"
    raise TrialFailed(message)
