"""Settings that change while the daemon runs: on the page, or by hand in config.toml."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest

from mcp_server.daemon import live_settings
from mcp_server.daemon.live_settings import LiveSettings
from model_runtime.errors import InvalidInput
from model_runtime.problems import Problems
from model_runtime.settings import Settings
from model_runtime.settings.table import SETTINGS
from tests.openai_compat.clients import wait_until

WRITTEN = """\
# my Mac mini
host = "127.0.0.1"

[memory]
idle_seconds = 600  # I am away often
budget_gb = 12

# for later
[files]
allow_urls = false
"""


@dataclass
class Instance:
    """A daemon's settings, what was applied, and its problems."""

    settings: Settings
    environ: dict[str, str] = field(default_factory=dict)
    applied: list[Settings] = field(default_factory=list)
    problems: Problems = field(default_factory=Problems)

    def __post_init__(self) -> None:
        self.file = self.settings.folders.config / "config.toml"
        self.file.parent.mkdir(parents=True)
        self.file.write_text(WRITTEN, encoding="utf-8")
        self.live = LiveSettings(self.settings, self.environ, self.applied.append, self.problems)

    def write(self, text: str) -> None:
        self.file.write_text(text, encoding="utf-8")

    def text(self) -> str:
        return self.file.read_text(encoding="utf-8")

    async def listed(self) -> dict[str, dict[str, Any]]:
        return {setting["key"]: setting for setting in await self.live.listed()}


@pytest.fixture
def instance(settings: Settings) -> Instance:
    return Instance(settings)


@pytest.fixture
async def watching(instance: Instance, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(live_settings, "POLL_SECONDS", 0.001)
    await instance.live.listed()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(instance.live.watch)
        yield instance
        tasks.cancel_scope.cancel()


@pytest.mark.promise("settings:shown")
async def test_each_setting_has_its_value_its_source_and_whether_it_can_be_changed(instance: Instance) -> None:
    instance.environ["SENSES_QUEUE_TOTAL"] = "7"
    listed = await instance.listed()

    idle, host = listed["memory.idle_seconds"], listed["host"]
    assert (idle["source"], idle["editable"], idle["why_not"], idle["default"]) == (
        "config.toml line 5",
        True,
        "",
        "300",
    )
    assert (host["editable"], host["why_not"]) == (False, "It decides who may do what: only config.toml changes it.")
    assert listed["api_key"]["value"] is None
    assert listed["memory.decode_mb"]["why_not"] == "Senses reads it when it starts: change it in config.toml."
    assert listed["queue.total"]["why_not"] == "The variable SENSES_QUEUE_TOTAL overrides config.toml."
    assert listed["queue.max_gb"]["value"] == 0.512
    assert listed["mcp.tools"]["value"] == []


@pytest.mark.promise("settings:changed")
async def test_a_change_is_used_at_once_and_the_file_keeps_what_people_wrote(instance: Instance) -> None:
    await instance.live.listed()

    changed = await instance.live.change("memory.idle_seconds", 60)
    added = await instance.live.change("images.provenance", False)
    reset = await instance.live.reset("memory.budget_gb")
    again = await instance.live.reset("memory.budget_gb")

    assert (changed["shown"], added["shown"], reset["source"], again["source"]) == ("60", "false", "default", "default")
    assert [(one.idle_seconds, one.image_provenance) for one in instance.applied][:2] == [(60, True), (60, False)]
    assert instance.applied[-1].memory_budget_bytes == instance.live.current.memory_budget_bytes == 0
    assert (
        instance.text()
        == WRITTEN.replace("idle_seconds = 600  #", "idle_seconds = 60  #").replace("budget_gb = 12\n", "")
        + "\n[images]\nprovenance = false\n"
    )


@pytest.mark.promise("settings:guarded")
@pytest.mark.parametrize(
    "key",
    [
        "host",
        "port",
        "api_key",
        "allowed_hosts",
        "allowed_origins",
        "files.allowed_folders",
        "files.allow_urls",
        "mcp.tools",
    ],
)
async def test_what_decides_who_may_do_what_is_never_changed_here(instance: Instance, key: str) -> None:
    for attempt in (instance.live.change(key, "x"), instance.live.reset(key)):
        with pytest.raises(InvalidInput) as refused:
            await attempt
        assert refused.value.code == "not_editable"

    assert instance.text() == WRITTEN


@pytest.mark.promise("settings:guarded")
def test_no_guarded_setting_is_live() -> None:
    live = {key for key, row in SETTINGS.items() if row.is_live}

    assert not {key for key in live if key.startswith(("host", "port", "api_key", "allowed", "files", "tls", "models"))}


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("memory.idle_seconds", "long", "memory.idle_seconds is 'long'. It must be a number from -1 to 1000000000."),
        ("queue.total", 0.5, "queue.total is 0.5. It must be a whole number from 1 to 10000."),
        ("memory.idle", 1, "There is no setting 'memory.idle'."),
        ("models.x.repo", "a/b", "There is no setting 'models.x.repo'."),
    ],
)
async def test_a_value_that_is_not_accepted_is_refused(
    instance: Instance, key: str, value: object, sentence: str
) -> None:
    with pytest.raises(InvalidInput) as refused:
        await instance.live.change(key, value)

    assert refused.value.message == sentence
    assert (instance.text(), instance.applied) == (WRITTEN, [])


@pytest.mark.promise("settings:by-hand")
async def test_a_file_edited_by_hand_is_used_without_a_restart_where_that_is_possible(watching: Instance) -> None:
    watching.write(WRITTEN.replace("600", "30").replace("allow_urls = false", "allow_urls = true"))
    await wait_until(lambda: watching.applied)
    listed = await watching.listed()

    assert watching.applied[0].idle_seconds == 30
    assert not watching.live.current.allow_urls
    assert (listed["files.allow_urls"]["shown"], listed["files.allow_urls"]["pending"]) == ("false", "true")


@pytest.mark.promise("settings:by-hand")
async def test_a_file_that_cannot_be_used_changes_nothing_and_is_told(watching: Instance) -> None:
    watching.write(WRITTEN.replace("600", '"soon"'))
    await wait_until(watching.problems.reasons)
    (reason,) = watching.problems.reasons()
    with pytest.raises(InvalidInput, match="cannot be changed before it can be used again"):
        await watching.live.change("queue.total", 5)
    listed = await watching.listed()
    watching.write(WRITTEN)
    await wait_until(lambda: not watching.problems.reasons())

    assert reason == (
        "config.toml line 5: memory.idle_seconds is 'soon'. It must be a number from -1 to 1000000000. "
        "Until that is corrected, the settings before it are used."
    )
    assert listed["memory.idle_seconds"]["shown"] == "300"
    assert (watching.live.error, watching.applied) == ("", [])


async def test_a_link_leads_to_the_file_that_people_edit(instance: Instance, tmp_path: Path) -> None:
    instance.file.rename(tmp_path / "dotfiles.toml")
    instance.file.symlink_to(tmp_path / "dotfiles.toml")

    await instance.live.change("queue.total", 9)

    assert instance.file.is_symlink()
    assert tomllib.loads((tmp_path / "dotfiles.toml").read_text(encoding="utf-8"))["queue"] == {"total": 9}


async def test_a_statement_over_several_lines_is_not_removed_halfway(instance: Instance) -> None:
    instance.write("memory = { idle_seconds = 5, spare = true }\n")

    with pytest.raises(InvalidInput, match="cannot be removed without rewriting more"):
        await instance.live.reset("memory.idle_seconds")

    assert instance.text() == "memory = { idle_seconds = 5, spare = true }\n"
