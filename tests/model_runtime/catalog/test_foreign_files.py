"""Files of strangers: only regular ones are read, up to a limit, and whatever they hold, the answer is a sentence."""

import ast
import json
import os
import re
import struct
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
import pytest

from model_runtime.catalog.catalog import create_catalog
from model_runtime.catalog.foreign_files import (
    InvalidCheckpoint,
    count_at,
    list_files,
    list_folders,
    read_header,
    read_json_object,
    read_npz_names,
)
from model_runtime.catalog.model import Model, ModelInfo
from model_runtime.catalog.weight_file import WEIGHT_SUFFIXES
from model_runtime.settings import InstanceFolders, Settings
from openai_compat.app import create_app
from tests.fuzz.model_folders import CANARY, write_kitten, write_text_model
from tests.model_runtime.library import EmptyStore, FakeClock, ScriptedCatalog, open_runtime, scripted_model

ROOT = Path(__file__).parents[3]
READERS = {"json.load", "json.loads", "zipfile.ZipFile", "np.load", "numpy.load", "safetensors.safe_open"}
FOREIGN_FOLDERS = (
    "model_runtime/catalog",
    "model_runtime/hub",
    "model_runtime/validation",
    "model_runtime/engines",
    "model_runtime/worker",
)
OWN_TEXTS = {
    "model_runtime/validation/chat.py": "the schema of a request",
    "model_runtime/validation/tools.py": "the tools of a request",
    "model_runtime/engines/chat/answer_plan.py": "the schema of a request",
    "model_runtime/engines/chat/grammar.py": "the schema of a request",
    "model_runtime/engines/chat/template_messages.py": "the tools of a request",
    "model_runtime/engines/chat/tool_calls.py": "what a model wrote",
    "model_runtime/engines/chat/tool_grammar.py": "the tools of a request",
    "model_runtime/engines/speech/kitten.py": "weights, in the worker",
    "model_runtime/engines/transcription/mel.py": "a file of mlx-whisper",
}
"""Modules that parse something else than the metadata of a model."""


def calls_in(file: Path) -> set[str]:
    """Return the dotted names that a module calls."""
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}


@pytest.mark.promise("reliability:foreign-files")
def test_one_module_reads_foreign_json_and_headers() -> None:
    files = [file for folder in FOREIGN_FOLDERS for file in (ROOT / folder).rglob("*.py")]

    readers = {str(file.relative_to(ROOT)) for file in files if calls_in(file) & READERS}

    assert readers - set(OWN_TEXTS) == {"model_runtime/catalog/foreign_files.py"}


@pytest.mark.promise("reliability:foreign-files")
@pytest.mark.parametrize("read", [read_json_object, read_npz_names, lambda path: list(read_header(path))])
@pytest.mark.parametrize(
    ("put", "reason"),
    [
        (os.mkfifo, "cannot be read (it is a pipe)"),
        (lambda path: path.symlink_to("/dev/zero"), "cannot be read (it is a device)"),
        (lambda path: path.mkdir(), "cannot be read (Is a directory)"),
        (lambda path: path.symlink_to("nowhere"), "cannot be read (No such file or directory)"),
        (lambda path: path.symlink_to(path.name), "cannot be read (Too many levels of symbolic links)"),
    ],
)
def test_what_is_no_regular_file_is_refused_at_once(
    tmp_path: Path, put: Callable[[Path], object], reason: str, read: Callable[[Path], object]
) -> None:
    put(tmp_path / "x")

    with pytest.raises(InvalidCheckpoint) as refusal:
        read(tmp_path / "x")

    assert str(refusal.value).startswith(f"{tmp_path}/x {reason}. Download the model again")


@pytest.mark.promise("reliability:foreign-files")
def test_a_header_of_60_megabytes_is_refused_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.write((60_000_000).to_bytes(8, "little"))
        file.truncate(60_000_100)

    with pytest.raises(InvalidCheckpoint, match="has a header of 60 MB, and at most 5 MB are read"):
        list(read_header(tmp_path / "x"))


@pytest.mark.promise("reliability:foreign-files")
def test_a_configuration_over_its_limit_is_refused_without_being_read(tmp_path: Path) -> None:
    with (tmp_path / "x").open("wb") as file:
        file.truncate(10**12)

    with pytest.raises(InvalidCheckpoint, match=r"has 1000\.0 GB, and at most 5 MB are read"):
        read_json_object(tmp_path / "x")


@pytest.mark.parametrize(
    "content",
    [b"[" * 200_000, b'{"a": ' * 100_000, b'{"a": ' + b"9" * 9999 + b"}", b'{"a": "\\ud800"}', b"\xff", b"", b"5"],
)
def test_json_that_cannot_be_used_is_refused_in_one_line(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x").write_bytes(content)

    with pytest.raises(InvalidCheckpoint) as refusal:
        read_json_object(tmp_path / "x")

    assert "\n" not in str(refusal.value)
    assert len(str(refusal.value)) < 500


def test_a_character_outside_the_basic_plane_may_be_escaped(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b'{"a": "\\ud83d\\ude00"}')

    assert read_json_object(tmp_path / "x") == {"a": "😀"}


def test_an_archive_that_lists_millions_of_arrays_is_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(struct.pack("<4s4xHHIIH", b"PK\5\6", 65_535, 65_535, 2**31, 0, 0))

    with pytest.raises(InvalidCheckpoint, match="lists 65535 arrays, and at most 10000 are read"):
        read_npz_names(tmp_path / "x")


@pytest.mark.parametrize(
    ("value", "count"),
    [
        (5, 5),
        (5.0, 5),
        (-1, 0),
        (0, 0),
        (True, 0),
        ("5", 0),
        (None, 0),
        (float("inf"), 0),
        (float("nan"), 0),
        (10**30, 0),
    ],
)
def test_a_number_of_a_configuration_is_a_count_or_absent(value: Any, count: int) -> None:
    assert count_at({"a": value}, "a") == count


@pytest.mark.promise("models:apple-double")
def test_what_macos_writes_beside_a_file_on_foreign_disks_is_no_weight(tmp_path: Path) -> None:
    """On exFAT and network disks `._a.safetensors` holds the attributes of `a.safetensors` (AppleDouble, RFC 1740)."""
    for name in ("a.safetensors", "._a.safetensors", "voices/b.npz", "voices/._b.npz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"\0\5\x16\7" if "._" in name else b"x" * 9)

    found = [str(file.relative_to(tmp_path)) for file in list_files(tmp_path, WEIGHT_SUFFIXES)]

    assert found == ["a.safetensors", "voices/b.npz"]


@pytest.mark.promise("models:apple-double")
def test_one_function_lists_the_files_of_models() -> None:
    listing = {"glob", "rglob", "iterdir", "listdir", "walk"}
    files = [file for folder in FOREIGN_FOLDERS for file in (ROOT / folder).rglob("*.py")]

    listers = {
        str(file.relative_to(ROOT))
        for file in files
        if any(name.rpartition(".")[2] in listing for name in calls_in(file))
    }

    assert listers - {"model_runtime/engines/blas.py"} == {"model_runtime/catalog/foreign_files.py"}


def test_the_search_for_files_ends_in_loops_and_deep_folders(tmp_path: Path) -> None:
    (tmp_path / "a" / "b" / "c" / "d").mkdir(parents=True)
    for folder in (".", "a", "a/b", "a/b/c", "a/b/c/d"):
        (tmp_path / folder / "x.npz").touch()
        (tmp_path / folder / "loop").symlink_to(tmp_path)

    found = [str(file.relative_to(tmp_path)) for file in list_files(tmp_path, (".npz",))]

    assert found == ["a/b/x.npz", "a/x.npz", "x.npz"]


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:20])


def remove_weights(folder: Path) -> None:
    for file in folder.glob("*.safetensors"):
        file.unlink()


def set_values(**values: Any) -> Callable[[Path], None]:
    """Return a change of config.json."""

    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        (folder / "config.json").write_text(json.dumps(config | values), encoding="utf-8")

    return change


def replace_by(name: str, put: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return a change that puts something in place of a file."""

    def change(folder: Path) -> None:
        (folder / name).unlink()
        put(folder / name)

    return change


SHARD = "model-00002-of-00002.safetensors"
SPOILT: Mapping[str, tuple[Callable[[Path], None], Callable[[Path], None], str]] = {
    "dangling weights": (write_text_model, replace_by(SHARD, lambda path: path.symlink_to("gone")), "No such file"),
    "looping weights": (
        write_text_model,
        replace_by(SHARD, lambda path: path.symlink_to(path.name)),
        "Too many levels",
    ),
    "weights are a folder": (write_text_model, replace_by(SHARD, lambda path: path.mkdir()), "Is a directory"),
    "weights are a pipe": (write_text_model, replace_by(SHARD, os.mkfifo), "it is a pipe"),
    "weights are a device": (
        write_text_model,
        replace_by(SHARD, lambda p: p.symlink_to("/dev/zero")),
        "it is a device",
    ),
    "weights are gone": (write_kitten, remove_weights, "has no safetensors files"),
    "a shard is gone": (write_text_model, lambda folder: (folder / SHARD).unlink(), "is missing, but the index lists"),
    "weights are cut": (write_text_model, lambda folder: cut_short(folder / SHARD), "is incomplete"),
    "the index is a pipe": (
        write_text_model,
        replace_by("model.safetensors.index.json", os.mkfifo),
        "it is a pipe",
    ),
    "the configuration is a pipe": (write_text_model, replace_by("config.json", os.mkfifo), "it is a pipe"),
    "the configuration is gone": (write_text_model, lambda folder: (folder / "config.json").unlink(), "no config.json"),
    "a list as type": (write_text_model, set_values(model_type=[], architectures=5), "model_type"),
    "voices are a pipe": (write_kitten, replace_by("voices.npz", os.mkfifo), "it is a pipe"),
    "voices are no archive": (write_kitten, lambda folder: cut_short(folder / "voices.npz"), "not an .npz file"),
    "a NUL in the voices' name": (write_kitten, set_values(voices_path="a\0b"), "embedded null byte"),
    "voices elsewhere": (write_kitten, set_values(voices_path="/etc/passwd"), "names voices outside its folder"),
    "voices above": (write_kitten, set_values(voices_path="../../x"), "names voices outside its folder"),
    "a name of 5000 letters": (write_kitten, set_values(voices_path="x" * 5000), "File name too long"),
    "a number as talker": (write_kitten, set_values(model_type="qwen3_tts", talker_config=5), "names no languages"),
    "no voices": (write_kitten, set_values(model_type="csm"), "has no voices"),
}


@pytest.mark.promise("reliability:broken-model")
@pytest.mark.parametrize("case", SPOILT)
async def test_a_model_whose_files_lie_is_shown_as_broken_with_its_reason(tmp_path: Path, case: str) -> None:
    build, spoil, reason = SPOILT[case]
    folder = tmp_path / "x"
    folder.mkdir()
    build(folder)
    spoil(folder)
    settings = Settings(
        InstanceFolders.from_home(tmp_path), keep_spare_worker=False, model_tables={"mine": {"path": str(folder)}}
    )

    async with open_runtime(settings, create_catalog(settings, EmptyStore()), tick_seconds=60.0) as runtime:
        transport = httpx2.ASGITransport(app=create_app(runtime, settings))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answers = [await client.get(path) for path in ("/v1/models/mine", "/v1/models", "/api/status", "/health")]
        models = {model.name: model for model in runtime.status().models}

    assert answers[0].status_code in (200, 400, 404)
    assert [answer.status_code for answer in answers[1:]] == [200, 200, 200]
    assert not models["mine"].present
    assert re.search(reason, models["mine"].error)
    assert "\n" not in models["mine"].error
    assert len(models["mine"].error) < 1000
    assert not any(CANARY in answer.text for answer in answers)
    assert (models["vlm-starter"].present, models["vlm-starter"].error) == (True, "")


@pytest.mark.promise("reliability:names")
@pytest.mark.parametrize(
    "name", ["~/Downloads", "/etc", "%2Fetc", "..%2F..", "~nosuchuser/", "a%00x", "a%0Ab", "x" * 5000, "a/b/c", "%ff/x"]
)
async def test_a_name_over_http_that_is_no_alias_is_answered_with_404(name: str, settings: Settings) -> None:
    (settings.folders.data / "x").mkdir(parents=True)

    async with open_runtime(settings, create_catalog(settings, EmptyStore()), tick_seconds=60.0) as runtime:
        count = len(runtime.status().models)
        transport = httpx2.ASGITransport(app=create_app(runtime, settings))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            answers = [await client.get(f"/v1/{path}{name}") for path in ("models/", "audio/voices?model=")]
        count_after = len(runtime.status().models)

    assert [answer.status_code for answer in answers] == [404, 404]
    assert all(answer.json()["error"]["message"] for answer in answers)
    assert count_after == count


class RecordingCatalog(ScriptedCatalog):
    """Records the threads that look at the disk, and fails or waits when asked to."""

    def __init__(self, *models: Model) -> None:
        super().__init__(*models)
        self.threads: set[int] = set()
        self.was_asked = threading.Event()
        self.fails = False
        self.answers = threading.Event()
        self.answers.set()

    def folders(self, model: Model) -> Mapping[str, Path]:
        """Look at the disk."""
        self._look()
        return super().folders(model)

    def info(self, model: Model, budget_bytes: int = 0) -> ModelInfo:
        """Look at the disk."""
        self._look()
        if self.fails:
            raise OSError(5, "Input/output error")
        return super().info(model)

    def _look(self) -> None:
        self.threads.add(threading.get_ident())
        self.was_asked.set()
        self.answers.wait()


@pytest.mark.promise("reliability:foreign-files")
async def test_the_status_never_looks_at_the_disk_itself(settings: Settings) -> None:
    catalog = RecordingCatalog(scripted_model("m"))

    async with open_runtime(settings, catalog) as runtime:
        models = runtime.status().models

    assert [model.weights_bytes for model in models] == [1_000_000]
    assert catalog.threads
    assert threading.get_ident() not in catalog.threads


@pytest.mark.promise("reliability:foreign-files")
async def test_a_disk_that_does_not_answer_stops_no_status_and_no_end(settings: Settings) -> None:
    catalog, clock = RecordingCatalog(scripted_model("m")), FakeClock()

    async with open_runtime(settings, catalog, clock=clock) as runtime:
        catalog.answers.clear()
        catalog.was_asked.clear()
        clock.now += 60
        assert await anyio.to_thread.run_sync(catalog.was_asked.wait, 5.0)
        status = runtime.status()
    catalog.answers.set()

    assert [model.weights_bytes for model in status.models] == [1_000_000]


@pytest.mark.promise("reliability:broken-model")
async def test_a_reading_that_fails_makes_one_model_a_broken_one(settings: Settings) -> None:
    catalog = RecordingCatalog(scripted_model("m"))
    catalog.fails = True

    async with open_runtime(settings, catalog) as runtime:
        (model,) = runtime.status().models

    assert (model.present, model.error) == (
        False,
        "The files of m could not be read: [Errno 5] Input/output error. Put them back, or download the model again.",
    )


def test_folders_are_listed_sorted_with_links_and_without_files_and_hidden_ones(tmp_path: Path) -> None:
    for name in ("b", "a", ".hidden"):
        (tmp_path / name).mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "a")

    assert list_folders(tmp_path) == [tmp_path / name for name in ("a", "b", "link")]
    assert list_folders(tmp_path / "none") == list_folders(tmp_path / "file") == list_folders(Path("\0")) == []
