"""The part that both libraries share, on a batch made by hand: who waits, who fails, who goes on."""

from collections.abc import Callable, Iterator
from itertools import count

import mlx.core as mx
import pytest
from tokenizers import Tokenizer

from model_runtime.engines.chat.engine import ChatEngine, Place, Token
from model_runtime.engines.chat.sampling import Choice
from model_runtime.engines.chat.sequence import Prompt
from model_runtime.errors import InvalidInput, JobFailed
from model_runtime.events import Answer, Progress, TextDelta
from model_runtime.requests import UNASKED_TOKENS, Chat
from tests.checkpoints.words import train_tokenizer
from tests.model_runtime.engines.driving import ask, chat, drive, load

pytestmark = pytest.mark.engines

WORDS = train_tokenizer(600, ("<end>",))
RED = WORDS.encode(" red").ids[0]


class FakeBatch:
    """Reads a prompt in one step and says "red" until the tokens run out."""

    chunk_tokens = 8
    max_rows = 32

    def __init__(self, model: "FakeModel") -> None:
        self._model = model
        self.reads_together = model.reads_together
        self._numbers = count()
        self.left: dict[int, int] = {}
        self.choices: dict[int, Choice] = {}
        self.closed = False

    def insert(self, prompt: Prompt, max_tokens: int, choice: Choice) -> Place:
        """Take anything but a prompt of 13 tokens."""
        if len(prompt.tokens) == 13:
            raise RuntimeError("no room for thirteen")
        number = next(self._numbers)
        self.left[number] = max_tokens
        self.choices[number] = choice
        choice(mx.array([0]), mx.zeros((1, 600)))
        return Place(number)

    def next(self) -> list[Token]:
        """Say one word per row, or break where the model is told to."""
        if self._model.fault:
            raise RuntimeError(self._model.fault)
        tokens = []
        for number in list(self.left):
            self.left[number] -= 1
            self.choices[number].process_last_token(RED, mx.zeros((1, 600)))
            tokens.append(Token(number, RED, None if self.left[number] else "length"))
            if not self.left[number]:
                del self.left[number]
        return tokens

    def remove(self, row: int) -> None:
        """Forget a row."""
        del self.left[row]

    def close(self) -> None:
        """Remember it."""
        self.closed = True


class FakeModel:
    """As many tokens as the text has letters."""

    context_tokens = 100
    weights_bytes = 0

    def __init__(self) -> None:
        self.tokenizer: Tokenizer = WORDS
        self.end_tokens: tuple[int, ...] = (0,)
        self.fault = ""
        self.reads_together = False
        self.batches: list[FakeBatch] = []

    def prepare(self, asked: Chat) -> Prompt:
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

    outcomes = drive(
        engine, {1: chat("a"), 2: chat("bb"), 3: chat("ccc", max_tokens=2)}, joins={3: 6}, after_step=break_at
    )

    for job in (1, 2):
        failure = outcomes[job][-1]
        assert isinstance(failure, JobFailed)
        assert failure.message == "a-model failed while answering: shapes differ. Try again."
    assert outcomes[3][-1] == Answer(" red red", "length", 3, 2)
    assert [batch.closed for batch in model.batches] == [True, False]


def test_a_fault_of_the_gpu_is_left_to_the_worker(model: FakeModel) -> None:
    engine = ChatEngine(lambda _spec, _report: model)
    load(engine, {})
    engine.submit(1, chat("a"))
    model.fault = "[METAL] Command buffer execution failed: Insufficient Memory"

    with pytest.raises(RuntimeError, match="Insufficient Memory"):
        engine.step()


@pytest.mark.promise("chat:one-failure-one-job")
def test_a_prompt_that_cannot_be_embedded_ends_its_job_only(engine: ChatEngine) -> None:
    outcomes = drive(engine, {1: chat("a"), 2: chat("x" * 13), 3: chat("ccc")})

    assert isinstance(outcomes[2][-1], JobFailed)
    assert isinstance(outcomes[1][-1], Answer)
    assert isinstance(outcomes[3][-1], Answer)


def test_what_cannot_be_prepared_is_refused_at_once(engine: ChatEngine) -> None:
    with pytest.raises(JobFailed, match="a-model could not read the messages: cannot read numbers"):
        engine.submit(1, chat("123"))


def test_prompts_are_read_in_the_order_they_came(engine: ChatEngine) -> None:
    for job, text in enumerate(("a long prompt of twenty", "a short one", "b")):
        engine.submit(job, chat(text, max_tokens=3))

    begun = [job for _ in range(12) for job, outcome in engine.step() if isinstance(outcome, TextDelta)]

    assert list(dict.fromkeys(begun)) == [0, 1, 2]


def test_progress_is_told_of_a_prompt_that_takes_more_than_one_chunk(engine: ChatEngine) -> None:
    outcomes = drive(engine, {0: chat("x" * 20), 1: chat("short")})

    told = [[(point.done, point.total) for point in outcomes[job] if isinstance(point, Progress)] for job in (0, 1)]
    assert told == [[(0, 20), (8, 20)], []], "the fake batch reads any prompt in one step"


@pytest.mark.parametrize(
    ("lengths", "at_once"),
    [((2, 2, 2, 2, 2), 4), ((4, 4, 1), 2), ((1, 4, 4), 2), ((20, 1), 1), ((1, 20), 1)],
)
def test_short_prompts_are_read_together_as_long_as_that_takes_no_longer_than_one_chunk(
    engine: ChatEngine, model: FakeModel, lengths: tuple[int, ...], at_once: int
) -> None:
    model.reads_together = True
    for job, length in enumerate(lengths):
        engine.submit(job, chat("x" * length))

    engine.step()
    (batch,) = model.batches
    together = len(batch.choices)
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
    assert model.batches[0].left == {}


def test_no_more_answers_are_written_at_once_than_the_batch_holds(engine: ChatEngine, model: FakeModel) -> None:
    outcomes = drive(engine, {job: chat("a", max_tokens=60) for job in range(40)}, after_step=at_most_32(model))

    assert all(isinstance(outcome[-1], Answer) for outcome in outcomes.values())


def test_idling_closes_the_batch_and_the_next_chat_opens_another(engine: ChatEngine, model: FakeModel) -> None:
    ask(engine, chat("a"))

    engine.idle()
    ask(engine, chat("a"))

    assert [batch.closed for batch in model.batches] == [True, False]


def test_a_chat_as_long_as_the_context_fits_and_one_token_more_does_not(engine: ChatEngine) -> None:
    assert ask(engine, chat("a" * 60, max_tokens=40)).completion_tokens == 40

    with pytest.raises(InvalidInput, match="take 61 tokens and max_tokens asks for 40 more"):
        engine.submit(0, chat("a" * 61, max_tokens=40))


@pytest.mark.promise("chat:context-length")
def test_without_a_limit_an_answer_gets_the_room_that_is_left(engine: ChatEngine) -> None:
    assert ask(engine, chat("a" * 90, max_tokens=0)).completion_tokens == 10

    with pytest.raises(InvalidInput, match="take 100 tokens and an answer needs at least one, but .* room for 100"):
        engine.submit(0, chat("a" * 100, max_tokens=0))


def test_without_a_limit_an_answer_ends_all_the_same(engine: ChatEngine, model: FakeModel) -> None:
    model.context_tokens = 100_000

    assert ask(engine, chat("a", max_tokens=0)).completion_tokens == UNASKED_TOKENS


@pytest.mark.promise("chat:one-failure-one-job")
def test_an_answer_that_leaves_its_schema_ends_its_job_only(engine: ChatEngine, model: FakeModel) -> None:
    outcomes = drive(engine, {1: chat("a"), 2: chat("b", json_schema="{}")})

    failure = outcomes[2][-1]
    assert isinstance(failure, JobFailed)
    assert "could not be kept to its JSON schema" in failure.message
    assert isinstance(outcomes[1][-1], Answer)
    assert model.batches[0].left == {}


def at_most_32(model: FakeModel) -> Callable[[int], None]:
    """Check after every step."""

    def check(_step: int) -> None:
        assert len(model.batches[0].left) <= 32

    return check
