"""The part that both libraries share, on a batch made by hand: who waits, who fails, who goes on."""

from collections.abc import Callable, Iterator
from itertools import count

import mlx.core as mx
import pytest
from tokenizers import Tokenizer

from model_runtime.engines.chat.answer_format import NO_MARKS
from model_runtime.engines.chat.engine import ChatEngine, GeneratedToken, InsertResult
from model_runtime.engines.chat.sampling import TokenSampler
from model_runtime.engines.chat.sequence import Prompt
from model_runtime.errors import ContextExceeded, JobFailed
from model_runtime.events import ChatResult, Progress, TextDelta
from model_runtime.requests import Chat
from tests.checkpoints.words import train_tokenizer
from tests.model_runtime.engines.step_engine_driver import chat, load, run_chat, run_to_end

pytestmark = pytest.mark.engines

WORDS = train_tokenizer(600, ("<end>",))
RED = WORDS.encode(" red").ids[0]


class FakeBatch:
    """Reads a prompt in one step and says "red" until the tokens run out."""

    prefill_chunk_tokens = 8
    max_sequences = 32

    def __init__(self, model: "FakeModel") -> None:
        self._model = model
        self.supports_batched_prefill = model.supports_batched_prefill
        self._uids = count()
        self.remaining_tokens: dict[int, int] = {}
        self.samplers: dict[int, TokenSampler] = {}
        self.closed = False

    def insert(self, prompt: Prompt, max_tokens: int, sampler: TokenSampler) -> InsertResult:
        """Take anything but a prompt of 13 tokens."""
        if len(prompt.token_ids) == 13:
            raise RuntimeError("no room for thirteen")
        uid = next(self._uids)
        self.remaining_tokens[uid] = max_tokens
        self.samplers[uid] = sampler
        sampler(mx.array([0]), mx.zeros((1, 600)))
        return InsertResult(uid)

    def next(self) -> list[GeneratedToken]:
        """Say one word per row, or break where the model is told to."""
        if self._model.fault:
            raise RuntimeError(self._model.fault)
        tokens = []
        for uid in list(self.remaining_tokens):
            self.remaining_tokens[uid] -= 1
            self.samplers[uid].process_last_token(RED, mx.zeros((1, 600)))
            tokens.append(GeneratedToken(uid, RED, None if self.remaining_tokens[uid] else "length"))
            if not self.remaining_tokens[uid]:
                del self.remaining_tokens[uid]
        return tokens

    def remove(self, uid: int) -> None:
        """Forget a row."""
        del self.remaining_tokens[uid]

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class FakeModel:
    """As many tokens as the text has letters."""

    context_tokens = 100
    weights_bytes = 0
    answer_format = NO_MARKS

    def __init__(self) -> None:
        self.tokenizer: Tokenizer = WORDS
        self.eos_token_ids: tuple[int, ...] = (0,)
        self.fault = ""
        self.supports_batched_prefill = False
        self.batches: list[FakeBatch] = []

    def build_prompt(self, asked: Chat) -> Prompt:
        """Take any text but a number."""
        text = str(asked.messages[0].content[0])
        if text.isdigit():
            raise ValueError("cannot read numbers")
        return Prompt([1] * len(text))

    def open_batch(self) -> FakeBatch:
        """Remember it, too."""
        self.batches.append(FakeBatch(self))
        return self.batches[-1]


@pytest.fixture
def model() -> FakeModel:
    """A model made by hand."""
    return FakeModel()


@pytest.fixture
def engine(model: FakeModel) -> Iterator[ChatEngine]:
    """An engine on it."""
    engine = ChatEngine(lambda _spec, _report: model)
    load(engine, {})
    yield engine
    assert engine.step() == []


@pytest.mark.promise("chat:one-failure-one-job")
def test_a_batch_that_breaks_ends_its_jobs_and_no_other(engine: ChatEngine, model: FakeModel) -> None:
    def break_at(step: int) -> None:
        model.fault = "shapes differ" if step == 3 else ""

    outcomes = run_to_end(
        engine, {1: chat("a"), 2: chat("bb"), 3: chat("ccc", max_tokens=2)}, arrival_steps={3: 6}, after_step=break_at
    )

    for job in (1, 2):
        failure = outcomes[job][-1]
        assert isinstance(failure, JobFailed)
        assert failure.message == "a-model failed while answering: shapes differ. Try again."
    assert outcomes[3][-1] == ChatResult(" red red", "length", 3, 2)
    assert [batch.closed for batch in model.batches] == [True, False]


def test_a_fault_of_the_gpu_is_left_to_the_worker(model: FakeModel) -> None:
    engine = ChatEngine(lambda _spec, _report: model)
    load(engine, {})
    engine.submit(1, chat("a"))
    model.fault = "[METAL] Command buffer execution failed: Insufficient Memory"

    with pytest.raises(RuntimeError, match="Insufficient Memory"):
        engine.step()


@pytest.mark.promise("chat:one-failure-one-job")
def test_a_prompt_that_fits_into_no_context_is_counted_too(engine: ChatEngine, model: FakeModel) -> None:
    assert run_chat(engine, chat("x" * 500, counts_only=True)).prompt_tokens == 500
    assert model.batches == []


def test_a_prompt_that_does_not_fit_tells_its_length(engine: ChatEngine) -> None:
    with pytest.raises(ContextExceeded) as refused:
        engine.submit(1, chat("x" * 100))

    assert (refused.value.prompt_tokens, refused.value.context_tokens) == (100, 100)


def test_a_prompt_that_cannot_be_embedded_ends_its_job_only(engine: ChatEngine) -> None:
    outcomes = run_to_end(engine, {1: chat("a"), 2: chat("x" * 13), 3: chat("ccc")})

    assert isinstance(outcomes[2][-1], JobFailed)
    assert isinstance(outcomes[1][-1], ChatResult)
    assert isinstance(outcomes[3][-1], ChatResult)


def test_what_cannot_be_prepared_is_refused_at_once(engine: ChatEngine) -> None:
    with pytest.raises(JobFailed, match="a-model could not read the messages: cannot read numbers"):
        engine.submit(1, chat("123"))


def test_prompts_are_read_in_the_order_they_came(engine: ChatEngine) -> None:
    for job, text in enumerate(("a long prompt of twenty", "a short one", "b")):
        engine.submit(job, chat(text, max_tokens=3))

    begun = [job for _ in range(12) for job, outcome in engine.step() if isinstance(outcome, TextDelta)]

    assert list(dict.fromkeys(begun)) == [0, 1, 2]


def test_progress_is_told_of_a_prompt_that_takes_more_than_one_chunk(engine: ChatEngine) -> None:
    outcomes = run_to_end(engine, {0: chat("x" * 20), 1: chat("short")})

    told = [[(point.done, point.total) for point in outcomes[job] if isinstance(point, Progress)] for job in (0, 1)]
    assert told == [[(0, 20), (8, 20)], []], "the fake batch reads any prompt in one step"


@pytest.mark.parametrize(
    ("lengths", "at_once"),
    [((2, 2, 2, 2, 2), 4), ((4, 4, 1), 2), ((1, 4, 4), 2), ((20, 1), 1), ((1, 20), 1)],
)
def test_short_prompts_are_read_together_as_long_as_that_takes_no_longer_than_one_chunk(
    engine: ChatEngine, model: FakeModel, lengths: tuple[int, ...], at_once: int
) -> None:
    model.supports_batched_prefill = True
    for job, length in enumerate(lengths):
        engine.submit(job, chat("x" * length))

    engine.step()
    (batch,) = model.batches
    together = len(batch.samplers)
    for job in range(len(lengths)):
        engine.cancel(job)

    assert together == at_once


def test_a_chat_that_waits_can_be_cancelled(engine: ChatEngine, model: FakeModel) -> None:
    engine.submit(1, chat("a"))
    engine.submit(2, chat("b"))

    engine.cancel(2)
    engine.cancel(99)

    happened = [job for _ in range(20) for job, _outcome in engine.step()]
    assert set(happened) == {1}
    assert model.batches[0].remaining_tokens == {}


def test_no_more_answers_are_written_at_once_than_the_batch_holds(engine: ChatEngine, model: FakeModel) -> None:
    outcomes = run_to_end(engine, {job: chat("a", max_tokens=60) for job in range(40)}, after_step=at_most_32(model))

    assert all(isinstance(outcome[-1], ChatResult) for outcome in outcomes.values())


def test_idling_closes_the_batch_and_the_next_chat_opens_another(engine: ChatEngine, model: FakeModel) -> None:
    run_chat(engine, chat("a"))

    engine.idle()
    run_chat(engine, chat("a"))

    assert [batch.closed for batch in model.batches] == [True, False]


@pytest.mark.promise("chat:context-length")
def test_a_limit_that_does_not_fit_is_clamped_and_told(engine: ChatEngine) -> None:
    fits = run_chat(engine, chat("a" * 60, max_tokens=40))
    clamped = run_chat(engine, chat("a" * 60, max_tokens=32_000))

    assert (fits.completion_tokens, fits.warnings) == (40, ())
    assert (clamped.completion_tokens, clamped.finish_reason) == (40, "length")
    warning = "\n".join(clamped.warnings)
    assert warning.startswith("max_tokens 32000 is more than fits: the context of a-model is 100 tokens")
    assert "the messages take 60. The answer ends after 40" in warning


@pytest.mark.promise("chat:context-length")
def test_without_a_limit_an_answer_gets_the_room_that_is_left(engine: ChatEngine) -> None:
    assert run_chat(engine, chat("a" * 10, max_tokens=0)).completion_tokens == 90
    assert run_chat(engine, chat("a" * 10, max_tokens=0)).warnings == ()


@pytest.mark.promise("chat:context-length")
@pytest.mark.parametrize("max_tokens", [0, 1, 32_000])
def test_only_messages_that_do_not_fit_are_refused_in_the_words_of_openai(engine: ChatEngine, max_tokens: int) -> None:
    with pytest.raises(
        ContextExceeded,
        match="This model's maximum context length is 100 tokens. However, your messages resulted in 100 tokens",
    ) as refused:
        engine.submit(0, chat("a" * 100, max_tokens=max_tokens))

    assert (refused.value.code, refused.value.param) == ("context_length_exceeded", "messages")


@pytest.mark.promise("chat:context-length")
def test_a_chat_may_be_given_less_than_the_context_of_the_model(engine: ChatEngine) -> None:
    assert run_chat(engine, chat("a" * 10, max_tokens=0, context_tokens=30)).completion_tokens == 20
    assert run_chat(engine, chat("a" * 10, max_tokens=0, context_tokens=3000)).completion_tokens == 90


@pytest.mark.promise("chat:one-failure-one-job")
def test_an_answer_that_leaves_its_schema_ends_its_job_only(engine: ChatEngine, model: FakeModel) -> None:
    outcomes = run_to_end(engine, {1: chat("a"), 2: chat("b", json_schema="{}")})

    failure = outcomes[2][-1]
    assert isinstance(failure, JobFailed)
    assert "could not be kept to its JSON schema" in failure.message
    assert isinstance(outcomes[1][-1], ChatResult)
    assert model.batches[0].remaining_tokens == {}


def at_most_32(model: FakeModel) -> Callable[[int], None]:
    """Check after every step."""

    def check(_step: int) -> None:
        assert len(model.batches[0].remaining_tokens) <= 32

    return check
