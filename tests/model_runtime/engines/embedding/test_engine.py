"""The embedding engine on tiny checkpoints of three families, against transformers' vectors of the same files."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from model_runtime.catalog.detect import detect_model
from model_runtime.catalog.memory_estimate import EMBEDDING_BATCH_TOKENS
from model_runtime.engines.embedding.encoder import load_text_encoder
from model_runtime.engines.embedding.engine import EmbeddingEngine, EmbeddingJob, next_batch
from model_runtime.engines.protocol import EngineOutput
from model_runtime.errors import InvalidInput, LoadFailed
from model_runtime.events import EmbeddingResult, Progress
from model_runtime.loading import LoadSpec
from model_runtime.requests import Chat, Embed, Task
from tests.checkpoints import transformers_vectors
from tests.checkpoints.text_encoders import HIDDEN, MAX_POSITIONS, build_bert, build_qwen3
from tests.checkpoints.transformers_vectors import BUILDERS, TEXTS
from tests.checkpoints.weights import copy_with
from tests.checkpoints.words import write_json

pytestmark = pytest.mark.engines
REFERENCE = json.loads(transformers_vectors.FILE.read_text(encoding="utf-8"))["models"]
Checkpoint = Callable[[Callable[[Path], object]], Path]


def spec_of(folder: Path, **options: int) -> LoadSpec:
    return LoadSpec("tiny", "", {"model": str(folder)}, options)


def opened(folder: Path, **options: int) -> EmbeddingEngine:
    """Return an engine with a checkpoint."""
    engine = EmbeddingEngine()
    engine.load(spec_of(folder, **options), lambda stage, fraction: None)
    return engine


@pytest.fixture
def engine(checkpoint: Checkpoint) -> EmbeddingEngine:
    """A tiny Qwen3-Embedding."""
    return opened(checkpoint(build_qwen3), shortens_to=32)


def outputs_of(engine: EmbeddingEngine, *requests: Embed) -> dict[int, list[EngineOutput]]:
    """Run requests at once and return the outputs of each."""
    outputs: dict[int, list[EngineOutput]] = {}
    for job, request in enumerate(requests):
        engine.submit(job, request)
        outputs[job] = []
    while not all(any(isinstance(one, EmbeddingResult) for one in seen) for seen in outputs.values()):
        for job, output in engine.step():
            outputs[job].append(output)
    return outputs


def embedded(engine: EmbeddingEngine, *texts: str, dimensions: int = 0) -> EmbeddingResult:
    """Run one request and return its result."""
    (*_, result) = outputs_of(engine, Embed("tiny", texts, dimensions))[0]
    assert isinstance(result, EmbeddingResult)
    return result


def vectors_of(result: EmbeddingResult) -> np.ndarray:
    """Return the vectors of a result, (texts, dimensions)."""
    return np.frombuffer(result.vectors, "<f4").reshape(-1, result.dimensions)


@pytest.mark.promise("embedding:as-transformers")
@pytest.mark.parametrize("family", BUILDERS)
def test_vectors_are_those_of_transformers_for_the_same_files(checkpoint: Checkpoint, family: str) -> None:
    result = embedded(opened(checkpoint(BUILDERS[family])), *TEXTS)

    expected = np.array(REFERENCE[family]["vectors"])
    cosines = (vectors_of(result) * expected).sum(axis=1)
    assert cosines.min() > 0.9999
    assert result.dimensions == HIDDEN
    assert result.prompt_tokens == sum(map(len, REFERENCE[family]["rows"]))
    assert np.abs(np.linalg.norm(vectors_of(result), axis=1) - 1).max() < 1e-6


@pytest.mark.parametrize("family", BUILDERS)
def test_texts_have_the_tokens_that_transformers_gives_them(checkpoint: Checkpoint, family: str) -> None:
    encoder = load_text_encoder(spec_of(checkpoint(BUILDERS[family])))

    assert encoder.tokenize(TEXTS) == REFERENCE[family]["rows"]


@pytest.mark.promise("embedding:batches")
def test_eight_requests_at_once_share_steps_and_get_what_each_gets_alone(engine: EmbeddingEngine) -> None:
    requests = [Embed("tiny", (TEXTS[number % 4], f"number {number} " * number)) for number in range(1, 9)]
    for job, request in enumerate(requests):
        engine.submit(job, request)

    together = dict(engine.step())

    assert together.keys() == set(range(8))
    for job, request in enumerate(requests):
        result = together[job]
        assert isinstance(result, EmbeddingResult)
        alone = vectors_of(embedded(engine, *request.texts))
        assert np.abs(vectors_of(result) - alone).max() < 1e-4


def test_a_large_request_lets_others_in_and_reports_its_progress(engine: EmbeddingEngine) -> None:
    large = Embed("tiny", tuple("word " * 60 for _ in range(80)))
    small = Embed("tiny", ("dog",))

    outputs = outputs_of(engine, large, small)

    assert [type(output) for output in outputs[1]] == [EmbeddingResult]
    progress = [output for output in outputs[0] if isinstance(output, Progress)]
    assert progress
    assert {(output.stage, output.total) for output in progress} == {("texts", 80)}
    assert [output.done for output in progress] == sorted(output.done for output in progress)


def test_a_batch_never_has_more_padded_tokens_than_the_limit_but_for_a_single_text() -> None:
    lengths = [[9000], [10] * 500, [1000] * 9]
    jobs = [
        EmbeddingJob(number, Embed("tiny", ()), [[0] * length for length in rows])
        for number, rows in enumerate(lengths)
    ]
    batches: list[list[int]] = []

    while left := [job for job in jobs if job.pending]:
        batches.append([len(job.rows[index]) for job, index in next_batch(left)])

    assert sorted(length for batch in batches for length in batch) == sorted(
        length for rows in lengths for length in rows
    )
    for batch in batches:
        assert len(batch) == 1 or max(batch) * len(batch) <= EMBEDDING_BATCH_TOKENS
    assert len(batches) < 9


@pytest.mark.promise("embedding:dimensions")
def test_fewer_dimensions_are_the_first_ones_at_the_length_one(engine: EmbeddingEngine) -> None:
    whole, part = embedded(engine, *TEXTS), embedded(engine, *TEXTS, dimensions=40)

    first = vectors_of(whole)[:, :40]
    assert np.abs(vectors_of(part) - first / np.linalg.norm(first, axis=1, keepdims=True)).max() < 1e-6
    assert (part.dimensions, part.warnings, whole.warnings) == (40, (), ())


@pytest.mark.promise("embedding:dimensions")
def test_dimensions_that_a_model_was_not_trained_for_are_told(engine: EmbeddingEngine, checkpoint: Checkpoint) -> None:
    (too_few,) = embedded(engine, "dog", dimensions=8).warnings
    (untrained,) = embedded(opened(checkpoint(build_bert)), "dog", dimensions=32).warnings

    assert "trained only to 32 and more to be shortened: the first 8 of its 64 dimensions" in too_few
    assert "trained not to be shortened" in untrained


def test_more_dimensions_than_there_are_are_refused(engine: EmbeddingEngine) -> None:
    with pytest.raises(InvalidInput, match="dimensions is 65; tiny has 64") as refused:
        engine.submit(0, Embed("tiny", ("dog",), 65))

    assert refused.value.param == "dimensions"


@pytest.mark.promise("embedding:too-long")
@pytest.mark.parametrize(("family", "positions"), [("bert", MAX_POSITIONS), ("xlm-roberta", MAX_POSITIONS - 2)])
def test_a_text_that_is_too_long_is_refused_in_openai_s_words(
    checkpoint: Checkpoint, family: str, positions: int
) -> None:
    engine = opened(checkpoint(BUILDERS[family]))
    fitting = "x" * (positions - 3)

    assert embedded(engine, fitting).prompt_tokens == positions
    with pytest.raises(
        InvalidInput,
        match=f"maximum context length is {positions} tokens, however you requested {positions + 1} tokens",
    ) as refused:
        engine.submit(0, Embed("tiny", ("dog", fitting + "x")))
    assert (refused.value.param, refused.value.code) == ("texts", "context_length_exceeded")


def test_a_cancelled_request_is_gone_and_a_chat_is_refused(engine: EmbeddingEngine) -> None:
    engine.submit(0, Embed("tiny", tuple("word " * 60 for _ in range(80))))
    engine.cancel(0)

    assert outputs_of(engine, Embed("tiny", ("dog",))).keys() == {0}
    with pytest.raises(InvalidInput, match="only embeds texts"):
        engine.submit(1, Chat("tiny", ()))


def test_a_batch_that_fails_ends_its_requests_and_no_other(
    engine: EmbeddingEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.submit(0, Embed("tiny", ("dog",)))
    encoder = engine._encoder  # noqa: SLF001 - what fails on a machine is the library
    with monkeypatch.context() as patch:
        patch.setattr(encoder, "_model", None)
        ((job, failure),) = engine.step()

    assert (job, "Change the texts" in str(failure)) == (0, True)
    assert embedded(engine, "dog").prompt_tokens > 0


@pytest.mark.promise("embedding:detected")
@pytest.mark.parametrize("family", BUILDERS)
def test_a_folder_of_sentence_transformers_is_an_embedding_model(checkpoint: Checkpoint, family: str) -> None:
    model = detect_model("mine", checkpoint(BUILDERS[family]))

    assert (model.task, model.engine, model.concurrency) == (Task.EMBEDDING, "mlx-vlm-embedding", 8)


@pytest.mark.parametrize("lost", ["tokenizer.json", "layers.1.mlp"])
def test_a_checkpoint_that_lacks_something_is_refused(checkpoint: Checkpoint, tmp_path: Path, lost: str) -> None:
    folder = copy_with(checkpoint(build_qwen3), tmp_path / "broken", drop=lost)
    (folder / lost).unlink(missing_ok=True)

    with pytest.raises(LoadFailed, match="tiny"):
        opened(folder)


def test_pooling_that_mlx_vlm_cannot_do_is_refused_when_it_is_loaded(checkpoint: Checkpoint, tmp_path: Path) -> None:
    folder = tmp_path / "weighted"
    shutil.copytree(checkpoint(build_bert), folder)
    write_json(folder / "1_Pooling" / "config.json", {"pooling_mode_weightedmean_tokens": True})

    with pytest.raises(LoadFailed, match="weightedmean"):
        opened(folder)
