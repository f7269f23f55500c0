"""The commands that list and change what the daemon holds, in a terminal and in a pipe."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mcp_server.cli.control import jobs_text
from mcp_server.cli.endings import INTERRUPTED, WRONG_USE
from mcp_server.cli.logs import follow
from mcp_server.cli.main import app
from mcp_server.cli.progress import job_text, own_job
from mcp_server.files.artifacts import ArtifactKind, ArtifactStore
from model_runtime.status import ModelState
from tests.mcp_server.cli.conftest import Instance
from tests.mcp_server.cli.terminal import in_pipe, in_terminal

JOB = {"id": 7, "model": "m", "task": "image", "client": "senses", "state": "running", "reason": ""}
JOB |= {"stage": "steps", "done": 3.0, "total": 20.0, "age_seconds": 61.0}


def write(path: Path, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.promise("cli:control")
async def test_models_are_listed_loaded_pinned_and_unloaded(instance: Instance) -> None:
    empty = await in_terminal("ps")
    for command in ("load", "pin", "unpin", "unload"):
        assert (await in_terminal(command, "vlm-starter")).status == 0
    instance.service.update_models(
        lambda models: [replace(model, state=ModelState.READY, pinned=True) for model in models[:1]]
    )
    listed = await in_pipe("ps")
    as_json = await in_pipe("ps", "--json")
    unknown = await in_pipe("load", "nothing")
    unloaded = await in_pipe("unload", "vlm-starter", "--json")

    assert "No model is in memory" in empty.text
    assert instance.service.loaded_models == ["vlm-starter"]
    assert instance.service.pinned == {"vlm-starter": False}
    assert listed.text.splitlines()[1].split()[:3] == ["vlm-starter", "ready,", "pinned"]
    assert json.loads(as_json.text)["name"] == "vlm-starter"
    assert (unknown.status, "There is no model 'nothing'" in unknown.stderr) == (1, True)
    assert json.loads(unloaded.text) == {"model": "vlm-starter", "freed_bytes": 1_000_000}


@pytest.mark.promise("cli:control")
async def test_requests_are_listed_and_cancelled_and_voices_told(instance: Instance) -> None:
    listed = await in_terminal("jobs")
    cancelled = await in_pipe("jobs", "cancel", "1")
    ended = await in_pipe("jobs", "cancel", "2")
    voices = await in_terminal("voices")
    as_json = await in_pipe("voices", "--json")

    assert "No request waits or runs." in listed.text
    assert cancelled.text == "Request 1 is cancelled.\n"
    assert (ended.status, ended.stderr) == (1, "Job 2 does not exist or has already ended.\n")
    assert voices.text.split() == ["alma", "otto"]
    assert json.loads(as_json.text) == {"model": "tts-starter", "voices": ["alma", "otto"]}


def test_a_request_is_a_row_of_the_list_and_a_line_of_progress() -> None:
    assert jobs_text([JOB]).splitlines()[1].split() == [
        "7",
        "m",
        "running",
        "3/20",
        "steps",
        "senses",
        "1",
        "min",
        "1",
        "s",
    ]
    assert job_text(JOB) == "m: steps 3 of 20"
    assert job_text(JOB | {"state": "loading"}) == "loads m"
    assert job_text(JOB | {"state": "queued", "reason": "two are before it"}) == "waits for m: two are before it"


def test_the_progress_is_that_of_the_own_request() -> None:
    others = [JOB | {"client": "editor"}, JOB | {"task": "speech"}, JOB | {"age_seconds": 90.0}]

    assert own_job([*others, JOB], "image", 60.5) == JOB
    assert own_job(others, "image", 60.5) is None


async def test_every_list_is_json_for_programs(instance: Instance) -> None:
    for command in ("status", "models", "config"):
        ended = await in_pipe(command, "--json")
        assert (ended.status, [bool(json.loads(line)) for line in ended.text.splitlines()][:1]) == (0, [True])
    for command in ("folders", "jobs", "results", "ps"):
        assert ((await in_pipe(command, "--json")).text) == ""


@pytest.mark.promise("cli:results")
async def test_results_are_listed_and_deleted_one_or_all(instance: Instance) -> None:
    store = ArtifactStore(instance.folder / "home" / "artifacts")
    first, _ = store.add(ArtifactKind.IMAGES, b"png"), store.add(ArtifactKind.AUDIO, b"wav")
    sibling = store.add_sibling(first, ".jpg", b"jpeg")

    listed = await in_terminal("results")
    removed = await in_pipe("results", "rm", first.id)
    again = await in_pipe("results", "rm", first.id)
    unasked = await in_pipe("results", "rm", "--all")
    neither = await in_pipe("results", "rm")
    kept = await in_terminal("results", "rm", "--all", typed="n\n")
    everything = await in_terminal("results", "rm", "--all", typed="y\n")

    assert str(first.path) in listed.text.replace("\r\n", "")
    assert (removed.text, first.path.exists(), sibling.exists()) == ("1 result is deleted.\n", False, False)
    assert (again.status, again.stderr[:15]) == (1, "There is no res")
    assert (unasked.status, "add --yes" in unasked.stderr, neither.status) == (WRONG_USE, True, WRONG_USE)
    assert (kept.status, "Nothing was deleted." in kept.text) == (INTERRUPTED, True)
    assert "1 result is deleted." in everything.text
    assert store.recent() == []


@pytest.mark.promise("cli:rm")
async def test_a_downloaded_model_is_unloaded_and_deleted(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    hub = instance.folder / "hub"
    monkeypatch.setenv("HF_HUB_CACHE", str(hub))
    blob = write(hub / "models--lab--words" / "blobs" / "b", "weights")
    link = blob.parent.parent / "snapshots" / "c" / "model.safetensors"
    link.parent.mkdir(parents=True)
    link.symlink_to(blob)
    instance.service.update_models(
        lambda models: [replace(models[0], name="lab/words", state=ModelState.READY), *models[1:]]
    )

    unasked = await in_pipe("rm", "lab/words")
    removed = await in_pipe("rm", "lab/words", "--yes", "--json")
    again = await in_terminal("rm", "lab/words")
    built_in = await in_pipe("rm", "vlm-starter", "-y")

    assert unasked.status == WRONG_USE
    assert json.loads(removed.text) == {"model": "lab/words", "freed_bytes": 7}
    assert instance.service.unloaded_models == ["lab/words"]
    assert list(hub.iterdir()) == []
    assert "lab/words is not downloaded." in again.text
    assert (built_in.status, built_in.stderr) == (1, "vlm-starter is part of Senses and cannot be deleted.\n")


@pytest.mark.promise("cli:logs")
async def test_the_last_lines_of_the_log_are_shown(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = await in_pipe("logs")
    write(instance.folder / "home" / "logs" / "daemon.log", "one\ntwo\nthree\n")
    monkeypatch.setattr("mcp_server.cli.logs.follow", lambda path: iter(["four"]))

    shown = await in_terminal("logs", "-n", "2")
    as_json = await in_pipe("logs", "-n", "1", "--json")
    followed = await in_pipe("logs", "-f", "-n", "1")

    assert (missing.status, missing.stderr[:19]) == (1, "There is no log at ")
    assert shown.text.split() == ["two", "three"]
    assert followed.text == "three\nfour\n"
    assert json.loads(as_json.text) == {"line": "three"}


@pytest.mark.promise("cli:logs")
def test_a_log_is_followed_over_its_replacement(tmp_path: Path) -> None:
    log = write(tmp_path / "daemon.log", "old\n")

    def more() -> None:
        """What the daemon does meanwhile: it writes half a line, the rest, and then begins a new log."""
        step = next(steps)
        if step == "rotate":
            log.replace(tmp_path / "daemon.log.1")
            write(log, "new log\n")
            return
        with log.open("a") as file:
            file.write(step)

    steps = iter(["hal", "f\n", "rotate", "\n"])
    lines = follow(log, more)

    assert [next(lines), next(lines), next(lines)] == ["half", "new log", ""]


@pytest.mark.parametrize("command", [("ps",), ("jobs",), ("jobs", "cancel", "1")])
def test_no_daemon_is_started_only_to_say_that_it_does_nothing(
    command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENSES_HOME", str(tmp_path))

    ended = CliRunner().invoke(app, command)

    assert (ended.exit_code, ended.stderr[:22]) == (1, "Senses is not running.")


@pytest.mark.promise("cli:json")
async def test_commands_that_only_act_tell_programs_what_they_did(instance: Instance) -> None:
    folder = instance.folder / "shots"
    folder.mkdir()

    for arguments in (
        ("folders", "add", str(folder)),
        ("folders", "revoke", str(folder)),
        ("config", "set", "memory.idle_seconds", "60"),
        ("install", "--client", "cursor", "--dry-run"),
    ):
        told = await in_pipe(*arguments, "--json")
        assert told.status == 0
        (message,) = json.loads(told.text).values()
        assert message
