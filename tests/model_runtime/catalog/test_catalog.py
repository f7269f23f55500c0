"""What a name means, where the files are, and what is said when they are not."""

import json
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model_runtime.catalog import memory_estimate
from model_runtime.catalog.builtin_models import (
    ALIASES_BY_TIER,
    BUILTIN_MODELS,
    OCR_MODEL,
    REAL_MODELS,
    STARTER_BY_TASK,
    STARTER_MODELS,
)
from model_runtime.catalog.catalog import MAX_REPOSITORIES, Catalog, create_catalog
from model_runtime.catalog.detect import detect_model
from model_runtime.catalog.model import ModelArtifact
from model_runtime.catalog.openai_names import CHAT, tier_of
from model_runtime.errors import InvalidInput, ModelMissing, UnknownModel, WrongTask
from model_runtime.media.types import ImageData
from model_runtime.prepare import RequestPreparer
from model_runtime.requests import Chat, GenerateImage, Message, Task
from model_runtime.settings import InstanceFolders, Settings, SettingsError
from model_runtime.validation import validate

TWO_TENSORS = {
    "a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
    "b": {"dtype": "BF16", "shape": [4], "data_offsets": [24, 32]},
}


def embedder(path: Path, model_type: str) -> Path:
    """Return a folder of sentence-transformers."""
    model_files(path, {"model_type": model_type, "architectures": ["SomeModel"], "hidden_size": 8})
    (path / "1_Pooling").mkdir()
    (path / "1_Pooling" / "config.json").write_text("{}", encoding="utf-8")
    return path


def painter(path: Path, module: str) -> Path:
    """Return the folder of an image model whose transformer has this module."""
    header = json.dumps({f"{module}.weight": {"dtype": "F32", "shape": [1], "data_offsets": [0, 4]}}).encode()
    for part in ("transformer", "vae"):
        (path / part).mkdir(parents=True)
        (path / part / "0.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    return path


class Shelf:
    """A store with these repositories, each in a folder of its own."""

    def __init__(self, **folders: Path) -> None:
        self.folders = {name.replace("__", "/"): folder for name, folder in folders.items()}

    def find(self, artifact: ModelArtifact) -> Path | None:
        return self.folders.get(artifact.repo)


def catalog(shelf: Shelf | None = None, *, starters_first: bool = False) -> Catalog:
    return Catalog((*REAL_MODELS, *STARTER_MODELS), shelf or Shelf(), prefer_starters=starters_first)


def folder(path: Path, config: Mapping[str, Any]) -> Path:
    path.mkdir()
    (path / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return path


def model_files(path: Path, config: Mapping[str, Any]) -> Path:
    """Return a folder with a config.json and a file of weights."""
    folder(path, config)
    header = json.dumps(TWO_TENSORS).encode()
    (path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(32))
    return path


def test_every_preferred_model_does_its_task_and_every_task_of_the_senses_has_a_starter() -> None:
    does = {model.name: {model.task} for model in BUILTIN_MODELS}
    sees = {Task.VISION, Task.TEXT}

    for task, tiers in ALIASES_BY_TIER.items():
        starters = {STARTER_BY_TASK[task]} if task is not Task.EMBEDDING else set()
        for alias in {name for names in tiers.values() for name in names} | starters:
            assert task in (sees if does[alias] & sees else does[alias])


@pytest.mark.promise("models:starters-by-default")
@pytest.mark.parametrize("name", ["", "auto", "fast", "best"])
@pytest.mark.parametrize("task", list(STARTER_BY_TASK))
def test_without_an_apple_gpu_calls_that_name_no_model_get_a_starter(task: Task, name: str) -> None:
    found = catalog(starters_first=True).resolve(name, task)

    assert (found.name, found.starter) == (STARTER_BY_TASK[task], True)


@pytest.mark.promise("models:starters-always-there")
@pytest.mark.parametrize("starters_first", [True, False])
@pytest.mark.parametrize(("task", "name"), list(STARTER_BY_TASK.items()))
def test_every_starter_is_reachable_by_its_name_on_any_machine(task: Task, name: str, *, starters_first: bool) -> None:
    found = catalog(starters_first=starters_first)

    model = found.resolve(name, task)

    assert (model.name, model.starter) == (name, True)
    assert found.is_present(model)


@pytest.mark.darwin
@pytest.mark.parametrize(("system", "machine", "first"), [("linux", "x86_64", True), ("darwin", "arm64", False)])
def test_the_machine_decides_whether_starters_are_the_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, machine: str, *, first: bool
) -> None:
    monkeypatch.setattr("sys.platform", system)
    monkeypatch.setattr("platform.machine", lambda: machine)

    found = create_catalog(Settings(InstanceFolders.from_home(tmp_path)), Shelf())

    assert {found.resolve("", task).starter for task in STARTER_BY_TASK} == {first}


def test_with_an_apple_gpu_the_best_model_on_disk_answers(tmp_path: Path) -> None:
    shelf = Shelf(**{"vikhyatk__moondream2": tmp_path, "moondream__starmie-v1": tmp_path})

    assert catalog(shelf).resolve("", Task.VISION).name == "vlm-fast"
    assert catalog().resolve("", Task.VISION).name == "vlm-best"


@pytest.mark.promise("models:never-a-starter-silently")
def test_whoever_asks_for_a_real_model_never_gets_a_starter() -> None:
    found = catalog(starters_first=True)

    model = found.resolve("vlm-best", Task.VISION)

    assert not model.starter
    with pytest.raises(ModelMissing):
        found.folders(model)


@pytest.mark.promise("models:missing")
def test_missing_weights_are_named_with_their_size_and_the_command() -> None:
    found = catalog()

    with pytest.raises(ModelMissing) as refusal:
        found.folders(found.resolve("vlm-fast", Task.VISION))

    assert (
        str(refusal.value)
        == "The weights of vlm-fast (3.9 GB, Apache-2.0) are not on this machine. Run: senses pull vlm-fast"
    )


@pytest.mark.promise("models:openai-names")
@pytest.mark.parametrize(
    ("name", "tasks", "tier"),
    [
        ("gpt-4o", CHAT, "auto"),
        ("gpt-4o-2024-08-06", CHAT, "auto"),
        ("GPT-4-Turbo-2024-04-09", CHAT, "auto"),
        ("chatgpt-4o-latest", CHAT, "auto"),
        ("gpt-4o-mini-2024-07-18", CHAT, "fast"),
        ("gpt-4.1-nano", CHAT, "fast"),
        ("gpt-3.5-turbo-0125", CHAT, "fast"),
        ("gpt-5.2", CHAT, "best"),
        ("gpt-5.2-mini", CHAT, "fast"),
        ("gpt-6-pro-2027-01-01", CHAT, "best"),
        ("o3", CHAT, "best"),
        ("o4-mini-2025-04-16", CHAT, "fast"),
        ("codex-mini-latest", CHAT, "fast"),
        ("whisper-1", (Task.TRANSCRIPTION,), "auto"),
        ("gpt-realtime-whisper", (Task.TRANSCRIPTION,), "fast"),
        ("gpt-4o-mini-transcribe-2025-12-15", (Task.TRANSCRIPTION,), "fast"),
        ("gpt-4o-transcribe-diarize", (Task.TRANSCRIPTION,), "best"),
        ("gpt-transcribe", (Task.TRANSCRIPTION,), "auto"),
        ("tts-1-1106", (Task.SPEECH,), "auto"),
        ("tts-1-hd-1106", (Task.SPEECH,), "best"),
        ("gpt-4o-mini-tts-2025-03-20", (Task.SPEECH,), "auto"),
        ("gpt-image-2", (Task.IMAGE,), "auto"),
        ("gpt-image-1-mini", (Task.IMAGE,), "fast"),
        ("chatgpt-image-latest", (Task.IMAGE,), "auto"),
        ("dall-e-2", (Task.IMAGE,), "fast"),
        ("dall-e-3", (Task.IMAGE,), "best"),
        ("claude-sonnet-4-5-20250929", CHAT, "best"),
        ("claude-opus-5", CHAT, "best"),
        ("claude-haiku-4-5", CHAT, "fast"),
        ("claude-3-5-haiku-20241022", CHAT, "fast"),
        ("claude-instant-1.2", CHAT, "fast"),
        ("Claude-2.1", CHAT, "best"),
    ],
)
def test_the_names_of_openai_mean_ours_for_their_task_and_are_refused_for_others(
    name: str, tasks: tuple[Task, ...], tier: str
) -> None:
    found = catalog(starters_first=True)

    assert [tier_of(name, task) for task in tasks] == [tier] * len(tasks)
    assert all(found.resolve(name, task).name == STARTER_BY_TASK[task] for task in tasks)
    for task in set(Task) - set(tasks):
        with pytest.raises(WrongTask, match=f"{name} supports {tasks[0]}, not {task}") as refusal:
            found.resolve(name, task)
        assert refusal.value.task == tasks[0]


@pytest.mark.promise("models:openai-names")
@pytest.mark.parametrize("name", ["", "auto", "fast", "text-embedding-3-small", "text-embedding-ada-002"])
@pytest.mark.parametrize("starters_first", [True, False])
def test_a_text_is_embedded_by_the_one_model_for_that_or_by_any_that_is_here(
    tmp_path: Path, name: str, *, starters_first: bool
) -> None:
    mine = embedder(tmp_path / "mine", "bert")
    with_mine = Catalog((*REAL_MODELS, detect_model("mine", mine)), Shelf(), prefer_starters=starters_first)

    assert catalog(starters_first=starters_first).resolve(name, Task.EMBEDDING).name == "embed-small"
    assert with_mine.resolve(name, Task.EMBEDDING).name == "mine"
    with pytest.raises(WrongTask, match="mine supports embedding, not text"):
        with_mine.resolve("mine", Task.TEXT)


@pytest.mark.promise("embedding:detected")
@pytest.mark.parametrize("model_type", ["mpnet", "qwen3_vl"])
def test_what_mlx_vlm_cannot_embed_is_no_embedding_model(tmp_path: Path, model_type: str) -> None:
    with pytest.raises(InvalidInput, match=f"model_type '{model_type}'.*embedding models of sentence-transformers"):
        detect_model("mine", embedder(tmp_path / "mine", model_type))


@pytest.mark.promise("image:edits")
def test_an_edit_goes_to_a_model_that_edits_before_one_that_does_not(tmp_path: Path) -> None:
    klein = painter(tmp_path / "klein", "double_stream_modulation_img")
    turbo = painter(tmp_path / "turbo", "noise_refiner")
    both = [detect_model("turbo", turbo), detect_model("klein", klein)]
    models = (*REAL_MODELS, *STARTER_MODELS)

    here = Catalog((*models, *both), Shelf(), prefer_starters=True)
    chosen = Catalog((*models, *both), Shelf(), prefer_starters=True, defaults={"image": "turbo"})
    mine = Catalog((*models, *both), Shelf(), prefer_starters=True, defaults={"image": "klein"})
    fast = Catalog((*models, *both), Shelf(**{"Runpod__FLUX.2-klein-4B-mflux-4bit": klein}), prefer_starters=True)
    without = Catalog((*models, both[0]), Shelf(), prefer_starters=True)

    found = [shelf.resolve("edit", Task.IMAGE).name for shelf in (here, chosen, mine, fast, without)]
    assert found == ["klein", "klein", "klein", "image-fast", "turbo"]
    assert chosen.resolve("auto", Task.IMAGE).name == "turbo"
    assert [here.info(model).abilities for model in both] == [(), ("edit",)]
    assert catalog(starters_first=True).resolve("edit", Task.IMAGE).name == "image-starter"
    assert catalog().resolve("edit", Task.IMAGE).name == "image-fast"


@pytest.mark.promise("models:openai-names")
@pytest.mark.parametrize(
    "name", ["gpt-oss-120b", "gpt-oss-20b-mini", "gpt-4all", "gpt2", "gpt-4o-realtime-preview", "o3-deep-research"]
)
def test_open_weights_and_other_services_are_never_taken_for_a_model_of_openai(name: str) -> None:
    assert all(isinstance(refused(catalog(), name, task), UnknownModel) for task in Task)


@pytest.mark.promise("models:openai-names")
def test_a_repository_is_never_taken_for_a_model_of_openai() -> None:
    for name in ("openai/gpt-4o", "openai/whisper-1", "gpt-4o/mini", "anthropic/claude-opus-5"):
        with pytest.raises(ModelMissing, match=f"senses pull {name}"):
            catalog().resolve(name, Task.TEXT)


def test_a_model_of_the_users_wins_over_the_name_of_openais(tmp_path: Path) -> None:
    llama = folder(tmp_path / "llama", {"architectures": ["LlamaForCausalLM"]})
    settings = Settings(InstanceFolders.from_home(tmp_path), model_tables={"GPT-4o-home": {"path": str(llama)}})

    assert create_catalog(settings, Shelf()).resolve("gpt-4o-home", Task.TEXT).path == str(llama)


@pytest.mark.promise("models:tiers")
@pytest.mark.parametrize("starters_first", [True, False])
@pytest.mark.parametrize("name", ["gpt-4o-mini", "fast", "best", "auto", "", "o3", "claude-haiku-4-5", "claude-opus-5"])
def test_a_tier_falls_back_to_the_one_model_that_is_here(tmp_path: Path, name: str, *, starters_first: bool) -> None:
    weights = model_files(tmp_path / "llama", {"architectures": ["LlamaForCausalLM"]})
    eyes = model_files(tmp_path / "moondream", {"model_type": "moondream1"})
    mine = [detect_model("eyes", eyes), detect_model("words", weights)]

    found = Catalog((*REAL_MODELS, *STARTER_MODELS, *mine), Shelf(), prefer_starters=starters_first)

    assert found.resolve(name, Task.TEXT).name == "words", "Moondream answers nothing without a picture"
    assert found.resolve(name, Task.VISION).name == "eyes"


@pytest.mark.promise("models:tiers")
@pytest.mark.parametrize(
    ("name", "task", "here"),
    [
        ("tts-1-hd", Task.SPEECH, "tts-fast"),
        ("dall-e-3", Task.IMAGE, "image-fast"),
        ("dall-e-2", Task.IMAGE, "image-gen"),
        ("best", Task.TRANSCRIPTION, "stt-fast"),
        ("gpt-4o-mini", Task.TEXT, "llm-best"),
        ("best", Task.VISION, "vlm-fast"),
    ],
)
def test_a_tier_falls_back_to_another_built_in_model_that_was_downloaded(
    tmp_path: Path, name: str, task: Task, here: str
) -> None:
    artifacts = next(model.artifacts for model in REAL_MODELS if model.name == here)
    shelf = Shelf()
    shelf.folders = {artifact.repo: tmp_path for artifact in artifacts}

    assert catalog(shelf).resolve(name, task).name == here
    assert catalog(shelf, starters_first=True).resolve(name, task).name == here


@pytest.mark.promise("models:tiers")
@pytest.mark.parametrize("name", ["", "auto", "fast", "best", "gpt-4o", "gpt-4o-mini", "gpt-5.2"])
def test_the_default_of_the_settings_answers_every_tier(tmp_path: Path, name: str) -> None:
    llama = folder(tmp_path / "llama", {"architectures": ["LlamaForCausalLM"]})
    settings = Settings(
        InstanceFolders.from_home(tmp_path), model_tables={"mine": {"path": str(llama)}}, defaults={"text": "mine"}
    )

    assert create_catalog(settings, Shelf()).resolve(name, Task.TEXT).name == "mine"


def test_a_repository_works_by_its_name(tmp_path: Path) -> None:
    llama = folder(tmp_path / "llama", {"model_type": "llama", "architectures": ["LlamaForCausalLM"]})
    found = catalog(Shelf(someone__llama=llama))

    by_repository = found.resolve("someone/llama", Task.TEXT)

    assert (by_repository.engine, found.folders(by_repository)) == ("mlx-lm", {"model": llama})


def refused(catalog: Catalog, name: str, task: Task) -> Exception | None:
    """Return the error of a name."""
    try:
        catalog.resolve(name, task)
    except UnknownModel as error:
        return error
    return None


class NoDisk:
    """A store that must not be asked."""

    def find(self, artifact: ModelArtifact) -> Path | None:
        """Fail."""
        raise AssertionError(artifact.repo)


@pytest.mark.promise("reliability:names")
@pytest.mark.parametrize(
    "name",
    [
        "/etc",
        "~",
        "~/Downloads",
        "~nosuchuser/x",
        "./here",
        "../..",
        "a/../b",
        "../x/y",
        "a/b/c",
        "a/",
        "/a",
        "a//b",
        "a/b\0",
        "a/b\nc",
        "a/\x1b[31m",
        "owner/" + "x" * 97,
        "x" * 5000,
        "/".join("x" * 3000),
        "o--o/n",
        "C:\\models",
        "owner/na me",
        "ówner/name",
        "-owner/name",
    ],
)
def test_a_name_that_is_no_alias_and_no_repository_id_never_reaches_the_disk(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = Catalog((*REAL_MODELS, *STARTER_MODELS), NoDisk(), prefer_starters=True)

    with monkeypatch.context() as without_disk:
        for function in ("os.stat", "os.lstat", "os.scandir", "os.open"):
            without_disk.setattr(function, None)
        refusals = [refused(found, name, task) for task in Task]

    assert all(isinstance(refusal, UnknownModel) and len(str(refusal)) < 1500 for refusal in refusals)


@pytest.mark.promise("reliability:names")
def test_a_path_is_answered_with_the_setting_that_serves_a_folder(tmp_path: Path) -> None:
    llama = folder(tmp_path / "llama", {"architectures": ["LlamaForCausalLM"]})
    settings = Settings(InstanceFolders.from_home(tmp_path), model_tables={"mine": {"path": str(llama)}})
    found = create_catalog(settings, Shelf())

    with pytest.raises(UnknownModel, match=r"A local folder needs an alias: set models\.NAME\.path in config\.toml"):
        found.resolve(str(llama), Task.TEXT)

    assert found.resolve("mine", Task.TEXT).path == str(llama)


@pytest.mark.promise("reliability:one-entry")
def test_many_spellings_of_one_folder_are_one_model(tmp_path: Path) -> None:
    llama = folder(tmp_path / "llama", {"architectures": ["LlamaForCausalLM"]})
    (tmp_path / "link").symlink_to(llama)
    spellings = [f"{owner}/{name}" for owner in ("a", "A") for name in ("b", "B", "b.", "c", "C")]
    shelf = Shelf()
    shelf.folders = {name: tmp_path / ("link" if index % 2 else "llama") for index, name in enumerate(spellings)}
    found = catalog(shelf)
    count = len(found.models())

    names = {found.resolve(name, Task.TEXT).name for name in spellings}

    assert (names, len(found.models())) == ({"a/b"}, count + 1)


@pytest.mark.promise("reliability:one-entry")
def test_the_catalogue_is_bounded(tmp_path: Path) -> None:
    shelf = Shelf()
    for number in range(MAX_REPOSITORIES + 1):
        shelf.folders[f"a/{number}"] = folder(tmp_path / str(number), {"architectures": ["LlamaForCausalLM"]})
    found = catalog(shelf)

    for number in range(MAX_REPOSITORIES):
        found.resolve(f"a/{number}", Task.TEXT)
    with pytest.raises(InvalidInput, match="256 repositories without an alias") as refusal:
        found.resolve(f"a/{MAX_REPOSITORIES}", Task.TEXT)

    assert refusal.value.code == "too_many_models"
    assert found.resolve("a/0", Task.TEXT).name == "a/0"


UNPINNED = {
    "Marvis-AI/marvis-tts-250m-v0.2": "named by the branch main; no commit has been verified",
}
"""Repository of a built-in model whose `revision` is no commit yet → why. What is on a disk never changes by itself."""


@pytest.mark.promise("reliability:pinned")
def test_every_built_in_model_is_pinned_by_commit_or_listed_as_unpinned() -> None:
    artifacts = [artifact for model in REAL_MODELS for artifact in model.artifacts]

    movable = {artifact.repo for artifact in artifacts if not re.fullmatch("[0-9a-f]{40}", artifact.revision)}

    assert movable == set(UNPINNED)
    assert all(UNPINNED.values())


def test_a_repository_that_is_not_here_says_how_to_get_it() -> None:
    with pytest.raises(ModelMissing, match="senses pull someone/unknown"):
        catalog().resolve("someone/unknown", Task.TEXT)


@pytest.mark.promise("errors:unknown-model")
def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(UnknownModel, match=r"There is no model 'vlm-worst'\. Known models: vlm-fast, vlm-best"):
        catalog().resolve("vlm-worst", Task.VISION)


@pytest.mark.promise("errors:wrong-task")
def test_a_model_of_another_kind_is_answered_with_those_that_can() -> None:
    with pytest.raises(
        WrongTask, match=r"tts-fast supports speech, not image\. Models for image: image-gen, image-fast"
    ):
        catalog().resolve("tts-fast", Task.IMAGE)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"model_type": "qwen2_5_vl", "vision_config": {}}, (Task.VISION, "mlx-vlm")),
        ({"model_type": "moondream1"}, (Task.VISION, "mlx-vlm")),
        ({"model_type": "gemma3_text", "architectures": ["Gemma3ForCausalLM"]}, (Task.TEXT, "mlx-lm")),
        ({"model_type": "whisper", "d_model": 384}, (Task.TRANSCRIPTION, "mlx-whisper")),
        ({"istftnet": {}, "plbert": {}}, (Task.SPEECH, "mlx-audio")),
        ({"model_type": "qwen3_tts"}, (Task.SPEECH, "mlx-audio")),
    ],
)
def test_a_folder_tells_which_engine_serves_it(
    tmp_path: Path, config: Mapping[str, Any], kind: tuple[Task, str]
) -> None:
    model = detect_model("mine", folder(tmp_path / "mine", config))

    assert (model.task, model.engine) == kind


def test_a_folder_of_a_picture_model_is_known_by_its_parts(tmp_path: Path) -> None:
    for part in ("transformer", "vae", "text_encoder"):
        (tmp_path / part).mkdir()

    assert detect_model("mine", tmp_path).engine == "mflux"


def test_a_folder_that_no_engine_serves_is_refused_with_what_is_supported(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="model_type 'bert'"):
        detect_model("mine", folder(tmp_path / "bert", {"model_type": "bert"}))


def test_aliases_of_the_settings_are_added_and_may_be_the_default(tmp_path: Path) -> None:
    llama = folder(tmp_path / "llama", {"architectures": ["LlamaForCausalLM"]})
    settings = Settings(
        InstanceFolders.from_home(tmp_path), model_tables={"mine": {"path": str(llama)}}, defaults={"text": "mine"}
    )

    assert create_catalog(settings, Shelf()).resolve("", Task.TEXT).name == "mine"


def test_the_settings_say_how_long_a_model_stays(tmp_path: Path) -> None:
    written: dict[str, dict[str, Any]] = {"vlm-best": {"keep_alive": "1h"}, "tts-starter": {"keep_alive": -1}}
    settings = Settings(InstanceFolders.from_home(tmp_path), model_tables=written)

    stays = {model.name: model.keep_alive_seconds for model in create_catalog(settings, Shelf()).models()}

    assert (stays["vlm-best"], stays["tts-starter"], stays["stt-fast"]) == (3600.0, -1.0, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"model_tables": {"mine": {}}},
        {"model_tables": {"mine": {"repo": "a/b"}}},
        {"model_tables": {"mine": {"keep_alive": "1h"}}},
        {"model_tables": {"vlm-best": {"keep_alive": "soon"}}},
        {"defaults": {"smell": "vlm-best"}},
    ],
)
def test_an_alias_that_cannot_be_used_is_a_settings_error(tmp_path: Path, changes: Mapping[str, Any]) -> None:
    with pytest.raises(SettingsError):
        create_catalog(Settings(InstanceFolders.from_home(tmp_path), **changes), Shelf())


@pytest.mark.promise("runtime:memory-from-headers")
def test_the_need_of_a_model_is_read_from_the_headers_of_its_weights(tmp_path: Path) -> None:
    header = json.dumps(TWO_TENSORS).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(32))

    assert memory_estimate.weights_bytes({"model": tmp_path}) == 32
    assert memory_estimate.weights_bytes({"model": tmp_path}, float32=True) == 40


def test_without_a_gpu_half_precision_needs_twice_the_memory(tmp_path: Path) -> None:
    header = json.dumps({"a": {"dtype": "F16", "shape": [500_000], "data_offsets": [0, 1_000_000]}}).encode()
    (tmp_path / "model.safetensors").write_bytes(len(header).to_bytes(8, "little") + header + bytes(1_000_000))
    (tmp_path / "config.json").write_text('{"model_type": "qwen2_5_vl"}')
    model = detect_model("mine", tmp_path)
    on_gpu, on_cpu = (
        Catalog((*REAL_MODELS, model), Shelf(), prefer_starters=False, float32=full) for full in (False, True)
    )

    assert on_cpu.info(model).needed_bytes - on_gpu.info(model).needed_bytes == 1_000_000
    assert on_cpu.info(model).weights_bytes == on_gpu.info(model).weights_bytes == 1_000_000


def test_a_larger_picture_and_a_longer_chat_need_more_memory() -> None:
    brush = next(model for model in REAL_MODELS if model.name == "image-fast")
    eyes = next(model for model in REAL_MODELS if model.name == "vlm-best")
    small, large = (GenerateImage("image-fast", "a cat", side, side, seed=1) for side in (512, 1024))
    short, long = (Chat("vlm-best", (Message("user", ("word " * count,)),)) for count in (10, 10_000))

    assert memory_estimate.working_bytes(small, brush) * 4 == memory_estimate.working_bytes(large, brush)
    assert memory_estimate.working_bytes(short, eyes) < memory_estimate.working_bytes(long, eyes)


@pytest.mark.promise("runtime:memory-from-headers")
def test_what_a_chat_needs_follows_the_sizes_of_its_model(tmp_path: Path) -> None:
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_attention_heads": 4, "num_key_value_heads": 2}
    needed = {}
    for layers in (0, 10, 20):
        folder = tmp_path / f"{layers} layers"
        folder.mkdir()
        config = {"architectures": ["LlamaForCausalLM"], "num_hidden_layers": layers, **sizes}
        (folder / "config.json").write_text(json.dumps(config))
        model = detect_model("mine", folder)
        catalog = Catalog((model,), Shelf(), prefer_starters=False)
        needed[layers] = catalog.working_bytes(
            Chat("mine", (Message("user", ("Hi.",)),), max_tokens=500), model, {"model": folder}
        )

    assert needed[20] - needed[10] == 10 * 512 * 2 * 2 * 16 * 2, "512 tokens, keys and values, 2 heads of 16, 2 bytes"
    assert needed[0] == 512 * memory_estimate.DEFAULT_KV_BYTES_PER_TOKEN, "without sizes the most that any model needs"


def test_a_picture_in_a_chat_needs_memory_to_be_seen(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2_5_vl", "num_hidden_layers": 1}))
    model = detect_model("mine", tmp_path)
    catalog = Catalog((model,), Shelf(), prefer_starters=False)
    words, seen = (
        Chat("mine", (Message("user", content),)) for content in (("Hi.",), ("Hi.", ImageData(1, 1, bytes(3))))
    )

    folders = catalog.folders(model)
    assert (
        catalog.working_bytes(seen, model, folders) - catalog.working_bytes(words, model, folders)
        >= memory_estimate.IMAGE_ENCODING_BYTES
    )


@pytest.mark.parametrize(("model_type", "able"), [("qwen2_5_vl", ("detect", "point")), ("gemma3", ())])
def test_a_catalog_knows_which_models_name_places_in_pictures(
    tmp_path: Path, model_type: str, able: tuple[str, ...]
) -> None:
    there = folder(tmp_path / "m", {"model_type": model_type, "vision_config": {}})
    shelf = catalog(Shelf(**{"mlx-community__Qwen2.5-VL-7B-Instruct-4bit": there}))
    models = {model.name: model for model in shelf.models()}

    assert shelf.info(models["vlm-best"]).abilities == able
    assert shelf.info(models["vlm-starter"]).abilities == ()
    assert shelf.info(models["tts-fast"]).abilities == ()


def test_a_catalog_knows_which_models_call_tools(tmp_path: Path) -> None:
    there = folder(tmp_path / "m", {"model_type": "llama"})
    shelf = catalog(Shelf(**{"mlx-community__Llama-3.2-3B-Instruct-4bit": there}))
    models = {model.name: model for model in shelf.models()}
    before = shelf.info(models["llm-fast"]).abilities
    (there / "chat_template.jinja").write_text("{{ '<tool_call>' }}{{ tool_call.name }}")

    assert (before, shelf.info(models["llm-fast"]).abilities) == ((), ("tools",))
    assert shelf.info(models["llm-best"]).abilities == ()


def test_a_known_name_is_answered_without_a_look_at_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    found, looks = catalog(Shelf()), list[str]()
    monkeypatch.setattr(found, "rescan", lambda: looks.append("disk"))

    found.resolve("VLM-Starter", Task.VISION)
    before = list(looks)
    with pytest.raises(UnknownModel):
        found.resolve("nothing", Task.VISION)

    assert before == []
    assert looks == ["disk"]


@pytest.mark.promise("ocr:auto")
@pytest.mark.parametrize("starters_first", [True, False])
def test_whoever_asks_for_the_text_of_a_picture_gets_a_model_that_reads(*, starters_first: bool) -> None:
    shelf = Shelf()
    found = Catalog(BUILTIN_MODELS, shelf, prefer_starters=starters_first)

    without_download = found.resolve("ocr", Task.VISION)
    shelf.folders["mlx-community/Qwen2.5-VL-7B-Instruct-4bit"] = Path("anywhere")
    with_download = found.resolve("ocr", Task.VISION)

    assert (without_download.name, without_download.starter) == ("ocr-fast", False)
    assert with_download.name == "vlm-best"


@pytest.mark.promise("ocr:auto")
@pytest.mark.parametrize("task", [Task.VISION, Task.TEXT])
def test_a_model_that_only_reads_never_answers_a_question(task: Task) -> None:
    found = Catalog(BUILTIN_MODELS, Shelf(), prefer_starters=True)

    assert found.resolve("auto", task).name == "vlm-starter"
    assert not found.info(OCR_MODEL).default
    assert found.info(OCR_MODEL).abilities == ("ocr",)
    with pytest.raises(WrongTask):
        found.resolve("ocr-fast", Task.TEXT)


@pytest.mark.promise("ocr:installed")
def test_the_model_that_reads_is_installed_with_senses() -> None:
    found = Catalog(BUILTIN_MODELS, Shelf(), prefer_starters=False)

    info = found.info(OCR_MODEL)
    assert (info.present, info.broken_reason) == (True, "")
    assert 25_000_000 < info.weights_bytes < 40_000_000


def test_networks_that_are_not_installed_are_told_with_what_to_do(tmp_path: Path) -> None:
    elsewhere = replace(OCR_MODEL, path=str(tmp_path))
    found = Catalog([*REAL_MODELS, elsewhere], Shelf(), prefer_starters=False)

    assert found.info(elsewhere).broken_reason == f"{tmp_path} has no PP-OCRv6_det_small.onnx. Install Senses again."


@pytest.mark.promise("chat:context-length")
def test_a_context_is_the_models_own_as_far_as_the_budget_goes(tmp_path: Path) -> None:
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 10, "max_position_embeddings": 1_000_000}
    there = model_files(tmp_path / "m", {"architectures": ["LlamaForCausalLM"], **sizes})
    model = detect_model("m", there)
    found = Catalog((*STARTER_MODELS, *REAL_MODELS, model), Shelf(), prefer_starters=False)
    needed_bytes = found.info(model).needed_bytes
    starter = next(one for one in STARTER_MODELS if one.task is Task.VISION)

    contexts = [found.info(model, budget).context_tokens for budget in (0, needed_bytes + 100_000_000, needed_bytes)]

    assert contexts == [1_000_000, 38_656, memory_estimate.MIN_CONTEXT_TOKENS]
    assert found.info(starter, 1).context_tokens == 2048
    assert found.info(next(one for one in STARTER_MODELS if one.task is Task.SPEECH)).context_tokens == 0


async def test_a_chat_is_prepared_with_its_context_and_the_limit_of_the_settings(tmp_path: Path) -> None:
    sizes = {"hidden_size": 64, "num_attention_heads": 4, "num_hidden_layers": 1, "max_position_embeddings": 9000}
    there = model_files(tmp_path / "m", {"architectures": ["LlamaForCausalLM"], **sizes})
    found = Catalog((*STARTER_MODELS, *REAL_MODELS, detect_model("m", there)), Shelf(), prefer_starters=False)
    preparer = RequestPreparer(found, validate, budget_bytes=lambda: 10**12, max_answer_tokens=700)

    limits = []
    for max_tokens in (0, 32_000):
        chat = Chat("m", (Message("user", ("Hi.",)),), max_tokens=max_tokens)
        prepared = await preparer.prepare(chat, is_loaded=lambda model: False)
        assert isinstance(prepared.request, Chat)
        limits.append((prepared.request.context_tokens, prepared.request.max_tokens))

    assert limits == [(9000, 700), (9000, 32_000)]
