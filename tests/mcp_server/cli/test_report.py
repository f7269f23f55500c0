"""The report of the doctor: what it says, and that nothing of the user's is in it."""

import base64
import errno
import io
import json
import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
import pytest
from PIL import Image

from mcp_server.cli import folder_readings, report
from mcp_server.cli.model_trials import PROMPT, MemoryReading, ModelTrial, TrialClient, try_model
from mcp_server.cli.report import Steps, redacted, write_report
from mcp_server.cli.stop import stop_daemon
from mcp_server.demo import agent
from mcp_server.launcher.paths import InstancePaths
from model_runtime.errors import Cancelled, InvalidInput
from model_runtime.requests import Task
from model_runtime.settings import Settings

REPOSITORY = Path(__file__).parents[3]
SECRETS = ("tax return 2025.pdf", "love letter.txt")
URL = "http://127.0.0.1:7367"


def pass_checks(settings: Settings, print_line: Any) -> bool:
    """Stand in for the doctor's own checks. What the log tells follows in lines of its own."""
    print_line(f"ok   everything\nThe log: {SECRETS[0]}")
    return True


def refuse_checks(settings: Settings, print_line: Any) -> bool:
    """Fail: no check may begin."""
    raise AssertionError("the checks begin")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of Ada, who has files."""
    home = tmp_path / "ada"
    for folder, name in zip(("Documents", "Desktop"), SECRETS, strict=False):
        (home / folder).mkdir(parents=True)
        (home / folder / name).touch()
    monkeypatch.setenv("HOME", str(home))
    return home


@pytest.fixture
def environ(settings: Settings, home: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The environment of an instance of its own."""
    monkeypatch.setenv("SENSES_HOME", str(settings.folders.data))
    monkeypatch.setenv("SENSES_PORT", "0")
    return dict(os.environ)


@pytest.mark.process
@pytest.mark.promise("cli:report")
async def test_every_model_is_measured_and_nothing_of_the_users_is_told(
    settings: Settings, environ: dict[str, str], home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shim, file, lines = tmp_path / "shim", tmp_path / "report.json", list[str]()
    shim.write_text(
        f'#!/bin/sh\nexport PYTHONPATH={REPOSITORY}\nexec {sys.executable} -m tests.mcp_server.fake_shim "$@"'
    )
    shim.chmod(0o755)
    monkeypatch.setattr(agent, "shim_command", lambda: str(shim))

    passed = await anyio.to_thread.run_sync(write_report, settings, environ, file, lines.append)
    await anyio.to_thread.run_sync(stop_daemon, InstancePaths(environ))

    text = file.read_text(encoding="utf-8")
    told = json.loads(text)
    assert passed
    assert [model["name"] for model in told["models"]] == ["vlm-starter", "image-starter", "stt-starter", "tts-starter"]
    for model in told["models"]:
        assert model["error"] == ""
        assert list(model["memory"]) == ["before", "loaded", "used", "unloaded"]
        assert 0 <= model["first_output_seconds"] <= model["total_seconds"]
        assert f"     tries {model['name']}" in "\n".join(lines)
    assert {"senses", "python", "mlx"} <= set(told["versions"])
    assert told["runtime"]["memory"]["budget_bytes"] > 0
    assert told["paths"]["socket_exists"]
    assert told["folders"]["~/Documents"] == "allowed"
    assert told["folders"]["~/Music"] == "absent"
    assert any("heard" in line for line in told["checks"])
    assert not [secret for secret in (*SECRETS, str(home), "ada") if secret in text]


def test_an_interrupted_report_has_what_was_seen(settings: Settings, environ: dict[str, str], tmp_path: Path) -> None:
    def interrupt(settings: Settings, print_line: Any) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(Cancelled, match=r"What was seen so far is in .*report\.json"):
        write_report(settings, environ, tmp_path / "report.json", print, Steps(interrupt))

    assert "versions" in json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))


def test_without_a_daemon_the_rest_is_told(settings: Settings, environ: dict[str, str], tmp_path: Path) -> None:
    lines = list[str]()

    write_report(settings, environ, tmp_path / "report.json", lines.append, Steps(pass_checks))

    told = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert (told["checks"], told["models"]) == (["ok   everything"], [])
    assert "is not running" in told["models_error"]
    assert any(line.startswith("FAIL no model was tried") for line in lines)


@pytest.mark.parametrize(("name", "reason"), [("there.json", "exists"), ("no/such/folder.json", "cannot be written")])
def test_a_file_that_cannot_be_made_is_told_before_anything_is_tried(
    settings: Settings, environ: dict[str, str], tmp_path: Path, name: str, reason: str
) -> None:
    (tmp_path / "there.json").write_text("mine")

    with pytest.raises(InvalidInput, match=reason):
        write_report(settings, environ, tmp_path / name, print, Steps(refuse_checks))

    assert (tmp_path / "there.json").read_text() == "mine"


def test_a_path_is_told_without_home_user_and_temporary_folder(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/var/folders/xx/T")
    texts = [f"{home}/senses", f"{home}", f"{home}-mlx", "/Volumes/ada/hub", "/var/folders/xx/T/a", "/Users/adam/a"]

    told = redacted({"paths": texts, "number": 1})

    elsewhere = f"{home.parent}/ada-mlx"
    assert told == {
        "paths": ["~/senses", "~", elsewhere, "/Volumes/USER/hub", "$TMPDIR/a", "/Users/adam/a"],
        "number": 1,
    }


# -- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.darwin
@pytest.mark.parametrize("number", [errno.EPERM, errno.EACCES])
def test_a_folder_that_macos_keeps_closed_is_denied(home: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    def deny(folder: Path) -> Iterator[object]:
        raise PermissionError(number, os.strerror(number))

    monkeypatch.setattr(folder_readings, "scandir", deny)

    readings = folder_readings.folder_readings(home)

    assert set(readings.values()) == {f"denied ({errno.errorcode[number]})"}


@pytest.mark.darwin
def test_a_dialog_that_nobody_answers_does_not_hold_the_report_up(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()

    def ask(folder: Path) -> Iterator[object]:
        answered.wait(30)
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(folder_readings, "scandir", ask)

    readings = folder_readings.folder_readings(home, timeout_seconds=0.01)
    answered.set()

    assert set(readings.values()) == {"no answer within 0.01 s"}


# -- models -----------------------------------------------------------------------------------------------------------


class ScriptedDaemon(httpx2.BaseTransport):
    """Answers as a daemon with one model; `replies` by path replace its answers."""

    def __init__(self, **replies: httpx2.Response) -> None:
        self.replies = replies
        self.paths: list[str] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Answer."""
        path = request.url.path
        self.paths.append(path)
        if path == "/api/status":
            memory = {"footprint_bytes": 1, "daemon_bytes": 2, "available_bytes": 3}
            models = [model_row(), model_row() | {"name": "my-secret-model", "present": True}]
            status = {"version": "1", "uptime_seconds": 1, "problems": [], "memory": memory, "models": models}
            return httpx2.Response(200, json=status)
        return self.replies.get(path.rpartition("/")[2], httpx2.Response(200, json={}))


class Clock:
    """Seconds that pass only when `now` is changed."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class TimedStream(httpx2.SyncByteStream):
    """Parts of a body, each of which takes a second."""

    def __init__(self, clock: Clock, *parts: str) -> None:
        self.clock, self.parts = clock, parts

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            self.clock.now += 1
            yield part.encode()


def model_row() -> dict[str, Any]:
    """One model of a status."""
    return {
        "name": "vlm-starter", "task": "vision", "engine": "mlx-vlm", "weights_bytes": 1, "needed_bytes": 2, "present": True,
        "footprint_bytes": 3,
    }  # fmt: skip


def test_a_model_that_does_not_load_is_told_with_the_daemons_sentence() -> None:
    error = {"error": {"message": "[METAL] Command buffer execution failed: Insufficient Memory"}}
    daemon = ScriptedDaemon(start=httpx2.Response(500, json=error))

    trial = try_model(TrialClient(URL, "", transport=daemon), model_row(), b"")

    assert trial.error == error["error"]["message"]
    assert list(trial.memory) == ["before"]
    assert trial.load_seconds is None
    assert report.trial_line(trial).startswith("FAIL vlm-starter: [METAL]")


def test_a_model_of_the_users_own_is_counted_and_neither_named_nor_tried(
    settings: Settings, environ: dict[str, str], tmp_path: Path
) -> None:
    daemon, file = ScriptedDaemon(), tmp_path / "report.json"
    steps = Steps(pass_checks, lambda settings, environ: TrialClient(URL, "", transport=daemon))

    write_report(settings, environ, file, print, steps)

    told = json.loads(file.read_text(encoding="utf-8"))
    assert ([model["name"] for model in told["models"]], told["own_models"]) == (["vlm-starter"], 1)
    assert told["models"][0]["stored_bytes"]["F16"] > 1_000_000
    assert not [secret for secret in SECRETS if secret in file.read_text(encoding="utf-8")]
    assert "my-secret-model" not in str([file.read_text(encoding="utf-8"), daemon.paths])


def test_an_answer_that_is_no_json_is_told_by_its_number() -> None:
    trial = try_model(TrialClient(URL, "", transport=ScriptedDaemon(stop=httpx2.Response(502))), model_row(), b"")

    assert trial.error == "HTTP 502"


def test_the_first_token_is_the_first_text_and_not_the_begin_of_the_stream() -> None:
    clock = Clock()
    parts = ['data: {"choices":[{"delta":{"role":"assistant","content":""}}]}\n\n', ": still here\n\n"]
    parts += [f'data: {{"choices":[{{"delta":{{"content":"{word}"}}}}]}}\n\n' for word in ("A ", "circle")]
    stream = TimedStream(clock, *parts, "data: [DONE]\n\n")
    daemon = ScriptedDaemon(completions=httpx2.Response(200, stream=stream))

    seconds = TrialClient(URL, "", transport=daemon, clock=clock).run("vlm-starter", Task.VISION, b"")

    assert seconds == (3.0, 5.0)


class RecordedDaemon(ScriptedDaemon):
    """A daemon that keeps the requests."""

    def __init__(self) -> None:
        super().__init__()
        self.requests: list[httpx2.Request] = []

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Keep it, and answer."""
        request.read()
        self.requests.append(request)
        return super().handle_request(request)


@pytest.mark.parametrize(
    ("task", "path", "body"),
    [
        (
            Task.TEXT,
            "/v1/chat/completions",
            {
                "messages": [{"role": "user", "content": [{"type": "text", "text": "Count from one to ten."}]}],
                "max_tokens": 64,
                "temperature": 0,
                "stream": True,
            },
        ),
        (Task.IMAGE, "/v1/images/generations", {"prompt": PROMPT, "size": "512x512"}),
        (Task.SPEECH, "/v1/audio/speech", {"input": PROMPT, "voice": "alloy", "response_format": "pcm"}),
    ],
)
def test_a_trial_asks_as_other_programs_do(task: Task, path: str, body: dict[str, Any]) -> None:
    daemon = RecordedDaemon()

    TrialClient(URL, "", transport=daemon).run("m", task, b"")

    (request,) = daemon.requests
    assert request.url.path == path
    assert json.loads(request.content) == {"model": "m", **body}


def test_a_trial_of_a_vision_model_shows_it_a_red_circle() -> None:
    daemon = RecordedDaemon()

    TrialClient(URL, "", transport=daemon).run("m", Task.VISION, b"")

    (message,) = json.loads(daemon.requests[0].content)["messages"]
    question, picture = message["content"]
    kind, _, data = picture["image_url"]["url"].partition(",")
    shown = Image.open(io.BytesIO(base64.b64decode(data)))
    assert question == {"type": "text", "text": "What is this?"}
    assert (picture["type"], kind, shown.size) == ("image_url", "data:image/png;base64", (224, 224))
    assert [shown.getpixel(point) for point in ((112, 112), (53, 112), (171, 112), (50, 112), (174, 112))] == [
        (255, 0, 0), (255, 0, 0), (255, 0, 0), (255, 255, 255), (255, 255, 255),
    ]  # fmt: skip


def test_a_trial_of_a_transcription_model_sends_a_recording_of_the_starter_and_streams() -> None:
    daemon = RecordedDaemon()
    client = TrialClient(URL, "secret", transport=daemon)

    client.record()
    client.run("m", Task.TRANSCRIPTION, b"RIFF")

    asked, sent = daemon.requests
    assert json.loads(asked.content) == {
        "model": "tts-starter", "input": PROMPT, "voice": "alloy", "response_format": "wav",
    }  # fmt: skip
    assert sent.url.path == "/v1/audio/transcriptions"
    fields = [b'name="model"', b'name="stream"', b"true", b'name="file"; filename="recording.wav"', b"RIFF"]
    assert all(field in sent.content for field in fields)
    assert (sent.headers["origin"], sent.headers["authorization"]) == (URL, "Bearer secret")


def test_a_model_is_stopped_loaded_used_and_stopped_and_its_memory_read_between() -> None:
    daemon = RecordedDaemon()

    trial = try_model(TrialClient(URL, "", transport=daemon), model_row(), b"")

    name = "/api/models/vlm-starter"
    assert daemon.paths == [
        f"{name}/stop", "/api/status", f"{name}/start", "/api/status", "/v1/chat/completions", "/api/status",
        f"{name}/stop", "/api/status",
    ]  # fmt: skip
    assert trial.memory == dict.fromkeys(("before", "loaded", "used", "unloaded"), MemoryReading(3, 1, 2, 3))
    assert "authorization" not in daemon.requests[0].headers
    assert report.trial_line(trial).startswith("ok   vlm-starter: loads in 0.0 s, first output after 0.0 s, ")


def test_a_trial_that_did_not_end_says_so() -> None:
    assert report.trial_line(ModelTrial("m", "text", "mlx-lm", 1, 1)) == "FAIL m: it did not end"
