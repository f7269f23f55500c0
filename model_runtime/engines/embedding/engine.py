"""The embedding engine: the texts of all requests together, in batches of about equal length."""

import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

import mlx.core as mx
import numpy as np

from model_runtime.catalog.memory_estimate import EMBEDDING_BATCH_TOKENS
from model_runtime.engines.checkpoint import describe_error
from model_runtime.engines.embedding.encoder import TextEncoder, load_text_encoder, normalized
from model_runtime.engines.fatal_errors import is_fatal
from model_runtime.engines.protocol import EngineOutput, LoadReporter
from model_runtime.errors import InvalidInput, JobFailed, SensesError
from model_runtime.events import EmbeddingResult, Progress
from model_runtime.loading import LoadedModel, LoadSpec
from model_runtime.requests import Embed, Request

log = logging.getLogger(__name__)


@dataclass(slots=True)
class EmbeddingJob:
    """A request, the tokens of its texts, and those texts that have no vector yet, the longest one last."""

    id: int
    request: Embed
    rows: list[list[int]]
    pending: list[int] = field(default_factory=list)
    vectors: dict[int, np.ndarray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.pending = sorted(range(len(self.rows)), key=lambda index: len(self.rows[index]))


Batch = list[tuple[EmbeddingJob, int]]
"""Jobs, and the places of their texts."""


class EmbeddingEngine:
    """Embed the texts of many requests, a batch at each step."""

    _encoder: TextEncoder

    def __init__(self) -> None:
        self._model_name = ""
        self._shortens_to = 0
        self._jobs: dict[int, EmbeddingJob] = {}

    def load(self, spec: LoadSpec, report_progress: LoadReporter) -> LoadedModel:
        """Load and evaluate all weights.

        Option "shortens_to": the fewest dimensions that the model was trained to be shortened to, 0 if it was not.

        Raises:
            LoadFailed: the checkpoint is broken or of an unsupported family.
        """
        self._model_name, self._shortens_to = spec.model, int(spec.options.get("shortens_to", 0))
        report_progress("weights", None)
        self._encoder = load_text_encoder(spec)
        report_progress("ready", 1.0)
        return LoadedModel(self._encoder.weights_bytes, mx.get_active_memory(), mx.get_peak_memory())

    def submit(self, job: int, request: Request) -> None:
        """Add a request.

        Raises:
            InvalidInput: it is no `Embed`, a text is too long, or the model has fewer dimensions.
        """
        if not isinstance(request, Embed):
            raise InvalidInput(f"{self._model_name} only embeds texts.", param="model")
        if request.dimensions > self._encoder.dimensions:
            raise InvalidInput(
                f"dimensions is {request.dimensions}; {self._model_name} has {self._encoder.dimensions}. "
                "Ask for at most as many.",
                param="dimensions",
            )
        rows = self._encoder.tokenize(request.texts)
        require_length(max(map(len, rows)), self._encoder.max_tokens)
        self._jobs[job] = EmbeddingJob(job, request, rows)

    def step(self) -> list[tuple[int, EngineOutput]]:
        """Embed one batch. Each job in it reports its progress, in texts, or ends.

        Raises:
            Exception: a fatal error (see `fatal_errors.is_fatal`), unchanged.
        """
        batch = next_batch(self._jobs.values())
        outcome = self._embed(batch)
        return [(job.id, self._after(job, outcome)) for job in {job.id: job for job, _ in batch}.values()]

    def cancel(self, job: int) -> None:
        """Remove a job."""
        self._jobs.pop(job, None)

    def idle(self) -> None:
        """Release MLX's freed buffers."""
        mx.clear_cache()

    def _embed(self, batch: Batch) -> SensesError | None:
        """Give each text of the batch its vector, or return why that failed."""
        try:
            vectors = self._encoder.embed([job.rows[index] for job, index in batch])
        except SensesError as error:
            return error
        except Exception as error:
            if is_fatal(error):
                raise
            log.exception("A batch of %d texts failed", len(batch))
            return JobFailed(f"{self._model_name} failed: {describe_error(error)}. Change the texts or send fewer.")
        for (job, index), vector in zip(batch, vectors, strict=True):
            job.vectors[index] = vector
        return None

    def _after(self, job: EmbeddingJob, error: SensesError | None) -> EngineOutput:
        """Return the output of a job; one that goes on gets its next turn after the others."""
        del self._jobs[job.id]
        if error is not None:
            return error
        if not job.pending:
            return self._result(job)
        self._jobs[job.id] = job
        return Progress("texts", len(job.vectors), len(job.rows))

    def _result(self, job: EmbeddingJob) -> EmbeddingResult:
        vectors = np.stack([job.vectors[index] for index in range(len(job.rows))])
        dimensions = job.request.dimensions or self._encoder.dimensions
        if dimensions < self._encoder.dimensions:
            vectors = normalized(vectors[:, :dimensions], self._model_name)
        return EmbeddingResult(
            np.ascontiguousarray(vectors, "<f4").tobytes(),
            dimensions,
            sum(map(len, job.rows)),
            self._warnings(dimensions),
        )

    def _warnings(self, dimensions: int) -> tuple[str, ...]:
        is_shortened = dimensions < self._encoder.dimensions
        if not is_shortened or (self._shortens_to and dimensions >= self._shortens_to):
            return ()
        trained = f"only to {self._shortens_to} and more" if self._shortens_to else "not"
        warning = (
            f"{self._model_name} was trained {trained} to be shortened: the first {dimensions} of its "
            f"{self._encoder.dimensions} dimensions tell texts apart less well. Leave dimensions out to get all."
        )
        return (warning,)


def require_length(tokens: int, limit: int) -> None:
    """Check the length of the longest text.

    Raises:
        InvalidInput: it has more tokens than the model reads, in the words of OpenAI's endpoint.
    """
    if tokens > limit:
        raise InvalidInput(
            f"This model's maximum context length is {limit} tokens, however you requested {tokens} tokens ({tokens} in "
            "your prompt; 0 for the completion). Please reduce your prompt; or completion length.",
            param="texts",
            code="context_length_exceeded",
        )


def next_batch(jobs: Iterable[EmbeddingJob]) -> Batch:
    """Take texts of all jobs in turn, the longest first, until their padded rows have `EMBEDDING_BATCH_TOKENS`."""
    batch: Batch = []
    turns, width = deque(jobs), 0
    while turns:
        job = turns[0]
        width = max(width, len(job.rows[job.pending[-1]]))
        if batch and width * (len(batch) + 1) > EMBEDDING_BATCH_TOKENS:
            break
        batch.append((job, job.pending.pop()))
        turns.popleft()
        if job.pending:
            turns.append(job)
    return batch
