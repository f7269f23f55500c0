"""HTTPS: which files are refused, and that server and commands agree."""

import ssl
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio import to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from mcp_server.cli.api import RequestFailed, api_at, verification
from mcp_server.daemon.descriptors import DescriptorReserve
from mcp_server.daemon.http_server import HttpServer, base_url, bind_sockets
from mcp_server.daemon.tls import ADVICE, client_context, server_context
from model_runtime.problems import Problems
from model_runtime.settings import Settings, SettingsError, load_settings
from tests.mcp_server.certificates import write_certificate


@pytest.fixture
def secured(settings: Settings, tmp_path: Path) -> Settings:
    """Return settings with a certificate for another name than 127.0.0.1."""
    cert, key = write_certificate(tmp_path)
    return replace(settings, tls_cert=cert, tls_key=key)


@pytest.fixture
async def https_url(secured: Settings) -> AsyncGenerator[str]:
    """Yield the address of a server that tells the scheme of each request."""

    async def tell(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f'{{"scheme": "{request.url.scheme}"}}', media_type="application/json")

    sockets = bind_sockets("127.0.0.1", 0)
    app = Starlette(routes=[Route("/api/status", tell)])
    server = HttpServer(app, sockets, DescriptorReserve(100_000), Problems(), server_context(secured))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.run_until_stopped)
        await server.ready.wait()
        yield base_url("127.0.0.1", sockets[0].getsockname()[1], "https")
        server.stop()


@pytest.mark.promise("tls:serves")
async def test_our_own_commands_reach_the_server_and_trust_only_its_certificate(
    https_url: str, secured: Settings, tmp_path: Path
) -> None:
    other_cert, _ = write_certificate(tmp_path, "other.local")

    def ask(settings: Settings) -> object:
        with api_at(https_url, settings) as api:
            return api.get("/api/status")["scheme"]

    answered = await to_thread.run_sync(ask, secured)
    with pytest.raises(RequestFailed, match="CERTIFICATE_VERIFY_FAILED"):
        await to_thread.run_sync(ask, replace(secured, tls_cert=other_cert))
    with pytest.raises(RequestFailed, match="CERTIFICATE_VERIFY_FAILED"):
        await to_thread.run_sync(ask, replace(secured, tls_cert=""))

    assert answered == "https"


@pytest.mark.promise("tls:serves")
async def test_a_client_that_speaks_no_tls_disturbs_nobody(https_url: str, secured: Settings) -> None:
    async with httpx2.AsyncClient(verify=client_context(secured.tls_cert)) as https, httpx2.AsyncClient() as http:
        with pytest.raises(httpx2.HTTPError):
            await http.get(https_url.replace("https", "http"))
        answer = await https.get(f"{https_url}/api/status")

    assert answer.json() == {"scheme": "https"}


@pytest.mark.promise("tls:refused")
def test_a_missing_file_is_named(secured: Settings) -> None:
    for name in ("tls_cert", "tls_key"):
        with pytest.raises(SettingsError) as refused:
            server_context(replace(secured, **{name: "/nowhere/a.pem"}))  # type: ignore[arg-type]
        assert refused.value.message == (
            f"{name} is '/nowhere/a.pem', which cannot be read: No such file or directory. {ADVICE}"
        )


@pytest.mark.promise("tls:refused")
def test_one_file_without_the_other_is_refused(secured: Settings) -> None:
    for name in ("tls_cert", "tls_key"):
        with pytest.raises(SettingsError, match=f"{name} is not set, but its counterpart is; HTTPS needs both"):
            server_context(replace(secured, **{name: ""}))  # type: ignore[arg-type]


@pytest.mark.promise("tls:refused")
def test_files_that_do_not_belong_together_or_are_of_another_kind_are_refused(
    secured: Settings, tmp_path: Path
) -> None:
    _, other_key = write_certificate(tmp_path, "other.local")
    _, locked_key = write_certificate(tmp_path, "locked.local", password=b"hush")
    (tmp_path / "text").write_text("no certificate", encoding="utf-8")
    sentences = {
        "does not belong to tls_cert": {"tls_key": other_key},
        "is no private key in PEM format without a password": {"tls_key": locked_key},
        "is no private key in PEM": {"tls_key": str(tmp_path / "text")},
        "is no certificate in PEM format": {"tls_cert": str(tmp_path / "text")},
    }

    for sentence, files in sentences.items():
        with pytest.raises(SettingsError, match=sentence):
            server_context(replace(secured, **files))  # type: ignore[arg-type]


def test_without_a_certificate_nothing_is_encrypted(settings: Settings) -> None:
    assert server_context(settings) is None
    assert verification("http://127.0.0.1:1", settings) is True


def test_a_client_context_of_a_file_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be used"):
        client_context(str(tmp_path / "none.pem"))


def test_paths_of_the_settings_may_begin_at_home(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text('tls_cert = "~/a.pem"\n', encoding="utf-8")

    settings = load_settings({"SENSES_HOME": str(tmp_path)})

    assert settings.tls_cert == str(Path.home() / "a.pem")
    assert settings.tls_key == ""


def test_old_versions_of_tls_are_refused(secured: Settings) -> None:
    context = server_context(secured)

    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert base_url("::", 1, "https") == "https://[::1]:1"
