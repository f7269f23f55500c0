"""SmolLM2 135M here and at other servers, in turn: tokens a second and first tokens, of one chat, eight, and a long one."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import httpx2

from benchmarks.instance import running_instance
from benchmarks.lab import BenchmarkContext
from benchmarks.peers import PEERS, Peer, Server, running_peer
from benchmarks.real_weights import MODELS, SERVED
from benchmarks.row import Row, median, missing
from benchmarks.throughput import STREAMING_FIELDS, Questions, completion_tokens, new_chats
from benchmarks.works import CHAT_PATH, Workload, chat_fields

MODEL = "smollm2-135m"
COMPARED = ("mlx_lm.server", "mlx_vlm.server", "rapid-mlx")
ROUNDS = 5
TOKENS = 96
LONG_TOKENS = 8
LONG_SENTENCES = 200
"""About 2500 tokens."""
FASTER, FIRST = 1.1, 1.0


@dataclass(frozen=True, slots=True)
class Pace:
    """Tokens a second of all chats together, and the median seconds from a request to its first token."""

    tokens_per_second: float
    first_seconds: float


def measure(context: BenchmarkContext) -> list[Row]:
    """Compare with each peer; rows of one that is not installed say so."""
    if not (MODELS / MODEL).exists():
        return [missing("SmolLM2", "make models makes it")]
    with running_instance(SERVED) as instance:
        ours = Server(instance.url, MODEL)
        peers = [peer for peer in PEERS if peer.name in COMPARED]
        return [row for peer in peers for row in _compare_with_peer(context, peer, ours)]


def _compare_with_peer(context: BenchmarkContext, peer: Peer, ours: Server) -> list[Row]:
    rounds = context.rounds(ROUNDS)
    try:
        with running_peer(peer, MODELS / MODEL) as theirs:
            kinds = (("one chat", 1, new_chats, TOKENS), ("8 chats", 8, new_chats, TOKENS))
            rows = [
                row
                for kind, streams, make, tokens in kinds
                for row in _compare(peer.name, kind, _in_turn(ours, theirs, streams, make, tokens, rounds))
            ]
            pairs = _in_turn(ours, theirs, 1, long_chats, LONG_TOKENS, rounds)
            return [*rows, _first_row(peer.name, "a prompt of 2500 tokens", pairs)]
    except (httpx2.HTTPError, OSError, RuntimeError) as error:
        return [missing(f"SmolLM2 beside {peer.name}", str(error))]


def long_chats() -> Questions:
    """Long questions that differ from their first words on."""
    text = " ".join(f"Item {number} of the list is on the shelf." for number in range(LONG_SENTENCES))
    return (f"{question} {text} What is on the shelf?" for question in new_chats())


def _in_turn(
    ours: Server, theirs: Server, streams: int, make: Callable[[], Questions], tokens: int, rounds: int
) -> list[tuple[Pace, Pace]]:
    """Both in turn, so that both meet the same disturbances; the first pair warms both up."""
    questions = make()
    pairs = [
        (pace(ours, streams, questions, tokens), pace(theirs, streams, questions, tokens)) for _ in range(rounds + 1)
    ]
    return pairs[1:]


def _compare(peer: str, kind: str, pairs: list[tuple[Pace, Pace]]) -> list[Row]:
    here, there = (median([pair[side].tokens_per_second for pair in pairs]) for side in (0, 1))
    how = f"{here:.0f} here, {there:.0f} there, median of {len(pairs)} rounds in turn, float32"
    rate = Row(f"SmolLM2, {kind}: tokens a second over {peer}", here / there, "×", FASTER, how, at_least=True)
    return [rate, _first_row(peer, kind, pairs)]


def _first_row(peer: str, kind: str, pairs: list[tuple[Pace, Pace]]) -> Row:
    here, there = (median([pair[side].first_seconds for pair in pairs]) for side in (0, 1))
    how = f"{here * 1e3:.0f} ms here, {there * 1e3:.0f} ms there, median of {len(pairs)} rounds in turn"
    return Row(f"SmolLM2, {kind}: first token over {peer}", here / there, "×", FIRST, how)


def pace(server: Server, streams: int, questions: Questions, tokens: int) -> Pace:
    """Ask `streams` questions at once."""
    asked = [next(questions) for _ in range(streams)]
    started = time.perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        answers = list(pool.map(lambda question: _chat(server, question, tokens), asked))
    seconds = time.perf_counter() - started
    return Pace(sum(count for count, _ in answers) / seconds, median([first for _, first in answers]))


def _chat(server: Server, question: str, tokens: int) -> tuple[int, float]:
    """Read a streamed chat; return its tokens and the seconds to its first text."""
    work = Workload("mlx-lm", server.model, CHAT_PATH, chat_fields(question, tokens), {}, STREAMING_FIELDS)
    started, first, reported, pieces = time.perf_counter(), 0.0, 0, 0
    for event in work.send(server.url, stream=True).events():
        texts = [choice["delta"].get("content") for choice in event.get("choices", ())]
        if any(texts):
            first = first or time.perf_counter() - started
            pieces += 1
        reported = completion_tokens(event.get("usage")) or reported
    if not pieces:
        raise RuntimeError(f"{server.url} answered without a piece")
    return reported or pieces, first
