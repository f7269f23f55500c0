"""Vectors of transformers for the tiny text encoders, kept as `transformers_vectors.json`.

Neither torch nor sentence-transformers is among our dependencies, so the reference is computed once, in an environment
with torch, transformers and tokenizers, from the same files that the tests load:

    PYTHONPATH=. python -m tests.checkpoints.transformers_vectors

Pooling is that of the papers: the last token (Qwen3-Embedding, https://arxiv.org/abs/2506.05176), or the mean of the
tokens (E5, https://arxiv.org/abs/2402.05672), then the length 1.
"""

import json
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.checkpoints.text_encoders import build_bert, build_qwen3, build_xlm_roberta

FILE = Path(__file__).with_suffix(".json")
BUILDERS: Mapping[str, Callable[[Path], Path]] = {
    "qwen3": build_qwen3,
    "bert": build_bert,
    "xlm-roberta": build_xlm_roberta,
}
TEXTS = (
    "A red square on a white background.",
    "What is in the picture?",
    "dog",
    "How many objects are there in one image? The quick brown fox jumps over the lazy dog.",
)


def main() -> None:
    """Write the vectors, the token ids they belong to, and the versions that computed them."""
    import torch
    import transformers

    with TemporaryDirectory() as scratch:
        references = {name: _reference(name, build(Path(scratch) / name)) for name, build in BUILDERS.items()}
    versions = {"torch": torch.__version__, "transformers": transformers.__version__, "machine": platform.machine()}
    FILE.write_text(json.dumps({"versions": versions, "models": references}) + "\n", encoding="utf-8")


def _reference(name: str, folder: Path) -> dict[str, Any]:
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModel.from_pretrained(folder, dtype=torch.float32).eval()
    rows = [tokenizer(text)["input_ids"] for text in TEXTS]
    with torch.no_grad():
        hidden = [model(torch.tensor([row])).last_hidden_state[0] for row in rows]
    pooled = [states[-1] if name == "qwen3" else states.mean(0) for states in hidden]
    vectors = [torch.nn.functional.normalize(vector, dim=0).tolist() for vector in pooled]
    return {"rows": rows, "vectors": [[round(number, 6) for number in vector] for vector in vectors]}


if __name__ == "__main__":
    main()
