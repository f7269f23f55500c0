"""The log on the page: its end, then each new line, bounded and without secrets."""

from pathlib import Path
from typing import Any

import httpx2
import pytest

from mcp_server.launcher.paths import InstancePaths
from model_runtime.settings import InstanceFolders, Settings
from openai_compat.dashboard.log_tail import (
    FIRST_LINES,
    LOG_NAME,
    MAX_LINE_CHARS,
    MAX_LINES,
    MAX_READ_BYTES,
    LogFollower,
    without_secrets,
)
from tests.fakes import FakeService
from tests.openai_compat.dashboard.test_events import events, tick


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "daemon.log"


def append(log: Path, text: str) -> None:
    with log.open("a", encoding="utf-8") as file:
        file.write(text)


def rotate(log: Path) -> None:
    log.rename(log.with_suffix(".1"))
    append(log, "another one\n")


def empty(log: Path) -> None:
    log.write_text("", encoding="utf-8")


async def told(follower: LogFollower) -> dict[str, Any]:
    news = await follower.news()
    assert news is not None
    return news


@pytest.mark.promise("log:live")
async def test_the_last_lines_come_first_and_then_each_new_one_once_it_is_whole(log: Path) -> None:
    append(log, "".join(f"line {number}\n" for number in range(2 * FIRST_LINES)))
    follower = LogFollower(log)

    first = await told(follower)
    nothing = await follower.news()
    append(log, "half a")
    incomplete = await follower.news()
    append(log, " line\nand another\n")
    new = await told(follower)

    assert (first["reset"], first["is_cut"], len(first["lines"])) == (True, True, FIRST_LINES)
    assert first["lines"][-1] == f"line {2 * FIRST_LINES - 1}"
    assert (nothing, incomplete and incomplete["lines"]) == (None, None)
    assert (new["reset"], new["lines"]) == (False, ["half a line", "and another"])


@pytest.mark.promise("log:live")
async def test_a_log_that_is_replaced_emptied_or_missing_is_followed_all_the_same(log: Path) -> None:
    follower = LogFollower(log)
    missing = await told(follower)
    still_missing = await follower.news()
    append(log, "a daemon\n")
    begun = await told(follower)
    rotate(log)
    replaced = await told(follower)
    empty(log)
    emptied = await told(follower)

    assert (missing["lines"], still_missing) == ([], None)
    assert missing["reason"] == f"{log} cannot be read: No such file or directory."
    assert [(one["reset"], one["lines"]) for one in (begun, replaced, emptied)] == [
        (True, ["a daemon"]),
        (True, ["another one"]),
        (True, []),
    ]


@pytest.mark.promise("log:live")
async def test_a_flood_is_cut_and_says_so(log: Path) -> None:
    append(log, "begin\n")
    follower = LogFollower(log)
    await follower.news()
    append(log, "x" * 50 + "\n" + "a line\n" * (MAX_LINES + 1))
    lines = await told(follower)
    append(log, "y" * MAX_READ_BYTES + "\nthe end\n" + "z" * 2 * MAX_LINE_CHARS + "\n")
    bytes_ = await told(follower)

    assert (lines["is_cut"], len(lines["lines"])) == (True, MAX_LINES)
    assert (bytes_["is_cut"], bytes_["lines"][0], len(bytes_["lines"][1])) == (True, "the end", MAX_LINE_CHARS)


@pytest.mark.promise("log:no-secrets")
@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("the key is 12345", "the key is (secret)"),
        ("token hf_abcdefghijkl refused", "token (secret) refused"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer (secret)"),
        ("GET https://ann:word@example.com/a", "GET https://(secret)@example.com/a"),
        ("x-api-key: abc", "x-api-key: (secret)"),
        ("vlm-fast is loaded after 3.1 s", "vlm-fast is loaded after 3.1 s"),
    ],
)
def test_keys_and_tokens_are_not_shown(line: str, shown: str) -> None:
    assert without_secrets(line, ("", "12345")) == shown


@pytest.mark.promise("log:live")
async def test_the_stream_of_events_brings_the_log(
    http: httpx2.AsyncClient, service: FakeService, settings: Settings
) -> None:
    settings.folders.logs.mkdir(parents=True)
    append(settings.folders.logs / LOG_NAME, "begun\n")

    async with events(http, "log") as stream:
        first = await stream.next("log")
        append(settings.folders.logs / LOG_NAME, "vlm-fast is loaded\n")
        tick(service)
        new = await stream.next("log")

    assert (first["lines"], new["lines"]) == (["begun"], ["vlm-fast is loaded"])


def test_it_is_the_log_that_the_shim_opens_for_the_daemon(tmp_path: Path) -> None:
    environ = {"SENSES_HOME": str(tmp_path)}

    assert str(InstanceFolders.of_environment(environ).logs / LOG_NAME) == InstancePaths(environ).log_file
