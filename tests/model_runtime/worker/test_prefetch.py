"""Weights are read while libraries are imported."""

import threading
from pathlib import Path

import pytest

from model_runtime.worker.prefetch import CHUNK_BYTES, prefetch


def model(folder: Path) -> Path:
    """Weights in two files, one in a folder below, and a file of another kind."""
    (folder / "decoder").mkdir(parents=True)
    (folder / "a.safetensors").write_bytes(b"x" * (CHUNK_BYTES + 5))
    (folder / "decoder" / "b.npz").write_bytes(b"x" * 7)
    (folder / "tokenizer.json").write_bytes(b"x" * 100)
    return folder


@pytest.mark.promise("runtime:read-ahead")
def test_all_weights_of_a_model_are_read_once(tmp_path: Path) -> None:
    folder = str(model(tmp_path / "model"))

    assert prefetch([folder, folder], threading.Event()) == CHUNK_BYTES + 12


def test_reading_ahead_ends_once_the_libraries_are_there(tmp_path: Path) -> None:
    imported = threading.Event()
    imported.set()

    assert prefetch([str(model(tmp_path / "model"))], imported) == 0


def test_what_cannot_be_read_is_left_to_the_loader(tmp_path: Path) -> None:
    folder = model(tmp_path / "model")
    (folder / "a.safetensors").unlink()
    (folder / "a.safetensors").symlink_to("nowhere")

    assert prefetch([str(folder), str(tmp_path / "no folder")], threading.Event()) == 7
