import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client

from mcp_server.calls.downloads import DownloadFailed, PullProgress, download_in_subprocess
from mcp_server.files.client import ClientConnection
from model_runtime.hub.download import PullFailed
from model_runtime.settings import Settings
from tests.fake_hub import FakeHub, serve
from tests.fakes import FakeService
from tests.mcp_server.conftest import open_server
from tests.mcp_server.tools.test_tools import data_of, text_of


def script(text: str) -> tuple[str, ...]:
    return (sys.executable, "-c", text)


@pytest.mark.process
@pytest.mark.promise("mcp:download")
async def test_a_download_tells_how_far_it_is(
    settings: Settings, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    hub = FakeHub({"lab/words": {"config.json": b"{}", "model.safetensors": b"weights" * 1000}})
    reports: list[PullProgress] = []
    with serve(hub):
        for name, value in (("HF_ENDPOINT", hub.address), ("HF_HOME", str(tmp_path)), ("HF_HUB_OFFLINE", "0")):
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("SENSES_HOME", str(settings.folders.data))
        await download_in_subprocess("lab/words", reports.append)

    assert reports[-1].done_bytes == reports[-1].total_bytes > 7000
    assert [path async for path in anyio.Path(tmp_path).rglob("model.safetensors")]


@pytest.mark.process
async def test_what_a_download_complains_about_is_what_the_agent_reads() -> None:
    with pytest.raises(DownloadFailed, match="There is no model 'words'"):
        await download_in_subprocess(
            "words", print, command=script("import sys; sys.exit(\"There is no model 'words'.\")")
        )


@pytest.mark.process
async def test_a_cancelled_download_is_stopped_at_once(tmp_path: Path) -> None:
    begun = anyio.Event()
    endless = "import time, json; print(json.dumps(dict(done_bytes=1, total_bytes=2)), flush=True); time.sleep(600)"
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                lambda: download_in_subprocess("m", lambda downloaded: begun.set(), command=script(endless))
            )
            await begun.wait()
            tasks.cancel_scope.cancel()


async def managed(client: Client, action: str, model: str) -> dict[str, Any]:
    return data_of(await client.call_tool("manage_model", {"action": action, "model": model}))


async def test_an_agent_downloads_a_model_with_progress(settings: Settings, service: FakeService) -> None:
    asked: list[str] = []
    heard: list[str] = []

    async def fetch(model: str, report: Callable[[PullProgress], None]) -> None:
        asked.append(model)
        report(PullProgress(1_000_000_000, 4_000_000_000))
        await anyio.sleep(0.6)
        report(PullProgress(4_000_000_000, 4_000_000_000))

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(message or "")

    async with open_server(service, settings, ClientConnection(), downloader=fetch) as server, Client(server) as client:
        result = await client.call_tool("download_model", {"model": "image-gen"}, progress_callback=hear)

    assert data_of(result) == {"model": "image-gen", "downloaded": True, "size_gb": 4.0}
    assert asked == ["image-gen"]
    assert "downloading image-gen: 1.0 of 4.0 GB" in heard


@pytest.mark.promise("reliability:names")
@pytest.mark.parametrize("model", ["--help", "/etc", "~/models", "../x", "a\0b", "x" * 200_000, "a b"])
async def test_a_name_that_is_no_model_never_becomes_an_argument_of_a_process(
    settings: Settings, service: FakeService, model: str
) -> None:
    asked: list[str] = []

    async def fetch(model: str, report: Callable[[PullProgress], None]) -> None:
        asked.append(model)

    async with open_server(service, settings, ClientConnection(), downloader=fetch) as server, Client(server) as client:
        result = await client.call_tool("download_model", {"model": model})

    assert result.is_error
    assert "There is no model" in text_of(result)
    assert asked == []


async def test_a_failed_download_says_what_to_do(settings: Settings, service: FakeService) -> None:
    async def fetch(model: str, report: Callable[[PullProgress], None]) -> None:
        raise DownloadFailed("Hugging Face cannot be reached. Check the connection and pull again.")

    async with open_server(service, settings, ClientConnection(), downloader=fetch) as server, Client(server) as client:
        result = await client.call_tool("download_model", {"model": "image-gen"})

    assert result.is_error
    assert "Check the connection" in text_of(result)


async def test_a_model_is_pinned_and_let_go_again(settings: Settings, service: FakeService) -> None:
    async with open_server(service, settings, ClientConnection()) as server, Client(server) as client:
        pinned = await managed(client, "pin", "tts-starter")
        during = dict(service.pinned)
        unpinned = await managed(client, "unpin", "tts-starter")

    assert pinned == {"model": "tts-starter", "pinned": True}
    assert during == {"tts-starter": True}
    assert unpinned["pinned"] is False
    assert service.pinned == {"tts-starter": False}


def test_a_failed_download_has_the_code_of_the_command_that_fails() -> None:
    assert DownloadFailed.code == PullFailed.code == "pull_failed"
