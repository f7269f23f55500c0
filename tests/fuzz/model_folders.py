"""Small, well-formed model folders of every kind, which the mutations then spoil. Their weights hold a secret."""

import json
import wave
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

CANARY = "canary-of-a-foreign-file"
"""Content of every file of weights. It must never appear in an answer."""
COMMIT = "0123456789abcdef0123456789abcdef01234567"
LANGUAGE_MODEL: Mapping[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "num_hidden_layers": 2,
    "head_dim": 16,
    "vocab_size": 100,
    "max_position_embeddings": 2048,
    "sliding_window": 512,
    "sliding_window_pattern": 6,
    "layer_types": ["sliding_attention", "full_attention"],
}


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file and its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content), encoding="utf-8")


def write_weights(path: Path, *names: str) -> None:
    """Write a safetensors file with one tensor for each name."""
    data = CANARY.encode()
    header = {
        name: {"dtype": "U8", "shape": [len(data)], "data_offsets": [index * len(data), (index + 1) * len(data)]}
        for index, name in enumerate(names)
    }
    encoded = json.dumps(header | {"__metadata__": {"format": "mlx"}}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data * len(names))


def write_text_model(folder: Path) -> None:
    """Write a text model of two shards with an index."""
    write_json(
        folder / "config.json", {"model_type": "gemma3_text", "architectures": ["XForCausalLM"], **LANGUAGE_MODEL}
    )
    shards = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": 48}, "weight_map": shards})
    for tensor, file in shards.items():
        write_weights(folder / file, tensor)


def write_vision_model(folder: Path) -> None:
    """Write a vision model, whose dimensions are nested."""
    config = {"model_type": "qwen2_5_vl", "vision_config": {"patch_size": 14}, "text_config": dict(LANGUAGE_MODEL)}
    write_json(folder / "config.json", config)
    write_weights(folder / "model.safetensors", "a", "b")


def write_whisper(folder: Path) -> None:
    """Write a transcription model with weights in an .npz file."""
    config = {"n_audio_state": 8, "n_vocab": 51_865, "n_audio_layer": 4, "n_text_layer": 4, "model_type": "whisper"}
    write_json(folder / "config.json", config)
    write_npz(folder / "weights.npz", "encoder", "decoder")


def write_kitten(folder: Path) -> None:
    """Write a speech model with its voices in an .npz file."""
    write_json(folder / "config.json", {"model_type": "kitten_tts", "voices_path": "voices.npz"})
    write_weights(folder / "model.safetensors", "a")
    write_npz(folder / "voices.npz", "alma", "otto")


def write_kokoro(folder: Path) -> None:
    """Write a speech model with a file for each voice."""
    write_json(folder / "config.json", {"istftnet": {"n": 1}, "plbert": {}})
    write_weights(folder / "kokoro.safetensors", "a")
    for voice in ("af_heart", "bf_emma"):
        write_weights(folder / "voices" / f"{voice}.safetensors", "voice")


def write_qwen_speech(folder: Path) -> None:
    """Write a speech model that names its voices in its configuration."""
    talker = {"spk_id": {"ryan": 1, "sohee": 2}, "codec_language_id": {"english": 1, "korean": 2}}
    write_json(folder / "config.json", {"model_type": "qwen3_tts", "talker_config": talker})
    write_weights(folder / "model.safetensors", "a")


def write_marvis(folder: Path) -> None:
    """Write a speech model with recordings as voices."""
    write_json(folder / "config.json", {"model_type": "csm"})
    write_weights(folder / "model.safetensors", "a")
    (folder / "prompts").mkdir()
    with wave.open(str(folder / "prompts" / "conversational_a.wav"), "wb") as file:
        file.setparams((1, 2, 24_000, 0, "NONE", ""))
        file.writeframes(CANARY.encode())


def write_image_model(folder: Path) -> None:
    """Write an image model of three parts."""
    write_json(folder / "model_index.json", {"_class_name": "Flux2KleinPipeline"})
    for part in ("transformer", "vae", "text_encoder"):
        write_json(folder / part / "config.json", {"hidden_size": 8})
        write_weights(folder / part / "0.safetensors", "a")


def write_npz(path: Path, *names: str) -> None:
    """Write an .npz file with these arrays."""
    with zipfile.ZipFile(path, "w") as archive:
        for name in names:
            archive.writestr(f"{name}.npy", CANARY)


BUILDERS: tuple[Callable[[Path], None], ...] = (
    write_text_model,
    write_vision_model,
    write_whisper,
    write_kitten,
    write_kokoro,
    write_qwen_speech,
    write_marvis,
    write_image_model,
)


def write_cached_repository(hub: Path, repository: str, build: Callable[[Path], None]) -> Path:
    """Write a repository into a Hugging Face cache and return the folder of its snapshot."""
    folder = hub / f"models--{repository.replace('/', '--')}"
    snapshot = folder / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    build(snapshot)
    (folder / "refs").mkdir()
    (folder / "refs" / "main").write_text(COMMIT, encoding="utf-8")
    files = {str(file.relative_to(snapshot)): {"size": 1} for file in snapshot.rglob("*") if file.is_file()}
    write_json(folder / "trees" / f"{COMMIT}.json", {"format_version": 1, "files": files})
    return snapshot
