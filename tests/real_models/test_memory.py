"""What a real model is expected to need is what it takes, and its offload gives all of it back."""

import time
from typing import Any

import httpx2
import psutil
import pytest

from tests.end_to_end.conftest import CLIPS, RunningDaemon
from tests.real_models.manifest import read_models
from tests.real_models.results import Results

pytestmark = [pytest.mark.real, pytest.mark.timeout(1200)]
TOLERANCE = 0.10
LEFT_BYTES = 1_000_000
SETTLE_SECONDS, STEADY_SECONDS = 60.0, 3.0


def status_of(http: httpx2.Client, name: str) -> dict[str, Any]:
    """Return what /api/status says of a model."""
    return next(dict(model) for model in http.get("/api/status").json()["models"] if model["name"] == name)


def press(http: httpx2.Client, name: str, action: str) -> None:
    """Press a button of the page."""
    http.post(f"/api/models/{name}/{action}", headers={"origin": str(http.base_url)}).raise_for_status()


def work(http: httpx2.Client, name: str) -> None:
    """Have a short job done, as after which a model waits for the next."""
    if name.startswith("whisper"):
        clip = (CLIPS / "three-one-four.flac").read_bytes()
        answer = http.post("/v1/audio/transcriptions", files={"file": ("a.flac", clip)}, data={"model": name})
    elif name.startswith("kokoro"):
        answer = http.post("/v1/audio/speech", json={"model": name, "input": "Good morning.", "voice": "af_heart"})
    else:
        chat = {"model": name, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 8}
        answer = http.post("/v1/chat/completions", json=chat)
    answer.raise_for_status()


def wait_for_state(http: httpx2.Client, name: str, state: str) -> dict[str, Any]:
    """Return the status of a model in this state once its footprint stays as it is."""
    deadline, before = time.monotonic() + SETTLE_SECONDS, -1
    while (status := status_of(http, name))["state"] != state or status["footprint_bytes"] != before:
        assert time.monotonic() < deadline, status
        before = status["footprint_bytes"]
        time.sleep(STEADY_SECONDS)
    return status


def workers_bytes(pid: int) -> int:
    """Return the memory of all processes below the daemon."""
    return sum(process.memory_info().rss for process in psutil.Process(pid).children(recursive=True))


@pytest.mark.promise("real:memory")
@pytest.mark.parametrize("name", read_models())
def test_a_model_takes_what_was_expected_and_gives_it_back(
    http: httpx2.Client, real_daemon: RunningDaemon, results: Results, name: str
) -> None:
    expected = status_of(http, name)["needed_bytes"]
    before = workers_bytes(real_daemon.pid)

    press(http, name, "start")
    work(http, name)
    taken = wait_for_state(http, name, "ready")["footprint_bytes"]
    press(http, name, "stop")
    wait_for_state(http, name, "absent")
    left = workers_bytes(real_daemon.pid) - before

    run = "memory of the loaded model"
    results.add(name, run, f"estimated {expected / 1e6:.0f} MB", f"{taken / 1e6:.0f} MB", f"± {TOLERANCE:.0%}")
    results.add(
        name,
        "memory of the workers after its offload",
        "before",
        f"{left / 1e6:+.0f} MB",
        f"≤ {LEFT_BYTES / 1e6:.0f} MB",
    )
    assert left <= LEFT_BYTES
    assert expected == pytest.approx(taken, rel=TOLERANCE)
