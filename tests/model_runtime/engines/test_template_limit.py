"""Chat templates are programs of strangers: one that loops for ever is ended."""

import json
import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from model_runtime.engines import template_limit
from model_runtime.engines.template_limit import limit_template
from model_runtime.engines.text.model import TextEngine
from model_runtime.engines.vision.model import VisionEngine
from model_runtime.errors import JobFailed
from tests.checkpoints import llama, qwen25_vl
from tests.checkpoints.weights import copy_with
from tests.model_runtime.engines.conftest import CheckpointBuilder
from tests.model_runtime.engines.step_engine_driver import chat, load

pytestmark = pytest.mark.engines

ENDLESS_TEMPLATE = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"


@pytest.mark.promise("reliability:template")
@pytest.mark.parametrize(
    ("engine", "build", "file"),
    [
        (TextEngine, llama.build, "tokenizer_config.json"),
        (VisionEngine, qwen25_vl.build, "chat_template.json"),
    ],
)
def test_a_chat_template_that_loops_for_ever_is_ended_and_the_engine_goes_on(
    engine: type[VisionEngine | TextEngine],
    build: CheckpointBuilder,
    file: str,
    checkpoint: Callable[[CheckpointBuilder], Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(template_limit, "TEMPLATE_SECONDS", 0.2)
    folder = copy_with(checkpoint(build), tmp_path / "model")
    (folder / "chat_template.jinja").unlink(missing_ok=True)
    settings = json.loads((folder / file).read_text(encoding="utf-8")) | {"chat_template": ENDLESS_TEMPLATE}
    (folder / file).write_text(json.dumps(settings), encoding="utf-8")
    loaded = engine()
    load(loaded, {"model": folder})

    for _ in range(2):
        started = time.monotonic()
        with pytest.raises(JobFailed, match=r"did not end within 0\.2 seconds, so it was stopped\. Choose another"):
            loaded.submit(1, chat("Hi."))
        assert time.monotonic() - started < 2.0


@pytest.mark.promise("reliability:template")
def test_a_library_that_catches_every_exception_does_not_prolong_a_template(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(template_limit, "TEMPLATE_SECONDS", 0.05)

    def loop() -> None:
        while True:
            with suppress(Exception):
                sum(range(1000))

    with pytest.raises(JobFailed), limit_template():
        loop()


def test_a_template_that_ends_in_time_leaves_no_timer() -> None:
    with limit_template():
        pass

    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
