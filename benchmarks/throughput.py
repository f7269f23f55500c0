"""Eight chats at once against one, and against other servers of the same model, in turn.

Once with chats that nobody has seen, and once with the same chat over and over: servers may know it from before.
"""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from itertools import count, repeat
from time import perf_counter
from typing import Any

import httpx2

from benchmarks.lab import LARGE, BenchmarkContext
from benchmarks.peers import PEERS, Peer, Server, running_peer
from benchmarks.row import Row, median, missing
from benchmarks.works import CHAT_PATH, Workload, chat_fields

STREAMS = 8
TOKENS = 96
ROUNDS = 5
STREAMING_FIELDS = {"stream": True, "stream_options": {"include_usage": True}}
Questions = Iterator[str]


def new_chats() -> Questions:
    """Questions that differ from their first words on."""
    return (f"{number} times now I have asked you to say something." for number in count())


def one_chat() -> Questions:
    """The same question without end."""
    return repeat("Say something.")


QUESTION_KINDS: Mapping[str, Callable[[], Questions]] = {"new chats": new_chats, "one chat over and over": one_chat}


def measure(context: BenchmarkContext) -> list[Row]:
    """Compare tokens a second: eight streams over one, and eight here over eight at each peer."""
    with context.instance() as instance:
        ours = Server(instance.url, LARGE)
        rows = _own_throughput(context, ours)
        return [*rows, *(row for peer in PEERS for row in _compare_with_peer(context, peer, ours))]


def _own_throughput(context: BenchmarkContext, ours: Server) -> list[Row]:
    questions = new_chats()
    _warm_up(ours, questions)
    rates = [
        (_tokens_per_second(ours, 1, questions), _tokens_per_second(ours, STREAMS, questions))
        for _ in range(context.rounds(ROUNDS))
    ]
    one, eight = (median([pair[side] for pair in rates]) for side in (0, 1))
    how = f"streamed new chats of {TOKENS} tokens, 30 M float32 Llama, median of {len(rates)}"
    return [
        Row("tokens a second, one stream", one, "1/s", None, how),
        Row(f"tokens a second, {STREAMS} streams", eight, "1/s", None, how),
        Row(f"{STREAMS} streams over one", eight / one, "×", 3.5, how, at_least=True),
    ]


def _compare_with_peer(context: BenchmarkContext, peer: Peer, ours: Server) -> list[Row]:
    name = f"{STREAMS} streams here over {peer.name}"
    try:
        with running_peer(peer, context.checkpoint(LARGE)) as theirs:
            return [
                _compare_alternately(context, f"{name}, {kind}", ours, theirs, make())
                for kind, make in QUESTION_KINDS.items()
            ]
    except (httpx2.HTTPError, OSError, RuntimeError) as error:
        return [missing(name, str(error))]


def _compare_alternately(
    context: BenchmarkContext, name: str, ours: Server, theirs: Server, questions: Questions
) -> Row:
    """Both in turn, so that both meet the same disturbances."""
    _warm_up(ours, questions)
    _warm_up(theirs, questions)
    rounds = range(context.rounds(ROUNDS))
    pairs = [
        (_tokens_per_second(ours, STREAMS, questions), _tokens_per_second(theirs, STREAMS, questions)) for _ in rounds
    ]
    here, there = (median([pair[side] for pair in pairs]) for side in (0, 1))
    best = max(rate for _, rate in pairs)
    how = f"{here:.0f} tokens a second here, {there:.0f} there, {best:.0f} in its best of {len(pairs)} rounds in turn"
    return Row(name, here / there, "×", 1.1, how, at_least=True)


def _warm_up(server: Server, questions: Questions) -> None:
    _tokens_per_second(server, 1, questions)
    _tokens_per_second(server, STREAMS, questions)


def _tokens_per_second(server: Server, streams: int, questions: Questions) -> float:
    """Tokens of all answers over the seconds from the first request to the end of the last answer."""
    asked = [next(questions) for _ in range(streams)]
    started = perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        tokens = sum(pool.map(_chat, [server] * streams, asked))
    return tokens / (perf_counter() - started)


def _chat(server: Server, question: str) -> int:
    """Read a streamed chat and count its tokens: as the server tells them, else its pieces."""
    work = Workload("mlx-lm", server.model, CHAT_PATH, chat_fields(question, TOKENS), {}, STREAMING_FIELDS)
    reported_tokens, chunk_count = 0, 0
    for event in work.send(server.url, stream=True).events():
        chunk_count += bool(event.get("choices"))
        reported_tokens = completion_tokens(event.get("usage")) or reported_tokens
    if not chunk_count:
        raise RuntimeError(f"{server.url} answered without a piece")
    return reported_tokens or chunk_count


def completion_tokens(usage: Mapping[str, Any] | None) -> int:
    """Under OpenAI's name or mlx-vlm's."""
    return int((usage or {}).get("completion_tokens", 0) or (usage or {}).get("output_tokens", 0))
