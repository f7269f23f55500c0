"""A Hugging Face hub on this machine: the few addresses that a download asks."""

import hashlib
import json
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "c0ffee" + "0" * 34


@dataclass
class FakeHub:
    """Repositories with their files at one commit, known as "main" and "v1"; a test may move it to another commit.

    `error_responses` maps a repository to the status and error code of its answers; `requests` has every request.
    """

    files: Mapping[str, Mapping[str, bytes]]
    error_responses: Mapping[str, tuple[int, str]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    address: str = ""
    commit: str = COMMIT

    def downloaded_files(self) -> list[str]:
        """The files whose content was asked for."""
        return [line.rsplit("/", 1)[-1] for line in self.requests if line.startswith("GET") and "/resolve/" in line]


@contextmanager
def serve(hub: FakeHub) -> Generator[FakeHub]:
    """Answer for `hub` at its `address` until the end of the block."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            _answer(self, hub, with_body=True)

        def do_HEAD(self) -> None:
            _answer(self, hub, with_body=False)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        hub.address = f"http://127.0.0.1:{server.server_port}"
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield hub
        finally:
            server.shutdown()
            thread.join()


def _answer(handler: BaseHTTPRequestHandler, hub: FakeHub, *, with_body: bool) -> None:
    path = unquote(urlsplit(handler.path).path)
    hub.requests.append(f"{handler.command} {path}")
    repo = next((repo for repo in {*hub.files, *hub.error_responses} if f"/{repo}/" in path), "")
    status, headers, body = _response(hub, repo, path)
    handler.send_response(status)
    for name, value in {"Content-Length": str(len(body)), "Connection": "close", **headers}.items():
        handler.send_header(name, value)
    handler.end_headers()
    if with_body:
        handler.wfile.write(body)


def _response(hub: FakeHub, repo: str, path: str) -> tuple[int, dict[str, str], bytes]:
    if not repo:
        return 404, {"X-Error-Code": "RepoNotFound"}, b""
    if repo in hub.error_responses:
        status, code = hub.error_responses[repo]
        return status, {"X-Error-Code": code}, b""
    files = hub.files[repo]
    if "/revision/" in path:
        revision_exists = path.rsplit("/", 1)[-1] in ("main", "v1", COMMIT, hub.commit)
        commit = COMMIT if path.endswith(COMMIT) else hub.commit
        info = {"id": repo, "sha": commit, "siblings": [{"rfilename": name} for name in files]}
        return (
            (200, {}, json.dumps(info).encode())
            if revision_exists
            else (404, {"X-Error-Code": "RevisionNotFound"}, b"")
        )
    if "/tree/" in path:
        tree = [{"type": "file", "path": name, "size": len(data), "oid": _etag(data)} for name, data in files.items()]
        return 200, {"Content-Type": "application/json"}, json.dumps(tree).encode()
    name = path.split("/resolve/", 1)[-1].split("/", 1)[-1]
    if name not in files:
        return 404, {"X-Error-Code": "EntryNotFound"}, b""
    return (
        200,
        {"ETag": f'"{_etag(files[name])}"', "X-Repo-Commit": COMMIT if f"/{COMMIT}/" in path else hub.commit},
        files[name],
    )


def _etag(data: bytes) -> str:
    return hashlib.sha1(data, usedforsecurity=False).hexdigest()
