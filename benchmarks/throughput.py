"""Eight chats at once against one, and against other servers of the same model, in turn."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import httpx2

from benchmarks.instance import Instance
from benchmarks.lab import LARGE, Lab
from benchmarks.peers import PEERS, Peer, Server, serving
from benchmarks.row import Row, median, missing
from benchmarks.works import CHAT, Work, chat

STREAMS = 8
TOKENS = 48
ROUNDS = 5
STREAMED = {"stream": True, "stream_options": {"include_usage": True}}


def measure(lab: Lab) -> list[Row]:
    """Compare tokens a second: eight streams over one, and eight here over eight at each peer."""
    with lab.instance() as instance:
        ours = Server(instance.url, LARGE)
        rows = _alone(lab, ours)
        return [*rows, *(_against(lab, peer, instance, ours) for peer in PEERS)]


def _alone(lab: Lab, ours: Server) -> list[Row]:
    _warm(ours)
    rates = [(_rate(ours, 1), _rate(ours, STREAMS)) for _ in range(lab.rounds(ROUNDS))]
    one, eight = (median([pair[side] for pair in rates]) for side in (0, 1))
    how = f"streamed chats of {TOKENS} tokens, 30 M float32 Llama, median of {len(rates)}"
    return [
        Row("tokens a second, one stream", one, "1/s", None, how),
        Row(f"tokens a second, {STREAMS} streams", eight, "1/s", None, how),
        Row(f"{STREAMS} streams over one", eight / one, "×", 3.5, how, at_least=True),
    ]


def _against(lab: Lab, peer: Peer, instance: Instance, ours: Server) -> Row:
    """Both in turn, so that both meet the same disturbances."""
    name = f"{STREAMS} streams here over {peer.name}"
    try:
        with serving(peer, lab.checkpoint(LARGE)) as theirs:
            _warm(theirs)
            pairs = [(_rate(ours, STREAMS), _rate(theirs, STREAMS)) for _ in range(lab.rounds(ROUNDS))]
    except (httpx2.HTTPError, OSError, RuntimeError) as error:
        return missing(name, str(error))
    here, there = (median([pair[side] for pair in pairs]) for side in (0, 1))
    how = (
        f"{here:.0f} tokens a second here, {there:.0f} there: same checkpoint, same chats, {len(pairs)} rounds in turn"
    )
    return Row(name, here / there, "×", 1.1, how, at_least=True)


def _warm(server: Server) -> None:
    _rate(server, 1)
    _rate(server, STREAMS)


def _rate(server: Server, streams: int) -> float:
    """Tokens of all answers over the seconds from the first request to the end of the last answer."""
    started = perf_counter()
    with ThreadPoolExecutor(streams) as pool:
        tokens = sum(pool.map(_chat, [server] * streams))
    return tokens / (perf_counter() - started)


def _chat(server: Server) -> int:
    """Read a streamed chat and count its tokens: as the server tells them, else its pieces."""
    work = Work("mlx-lm", server.model, CHAT, chat("Say something.", TOKENS), {}, STREAMED)
    told, pieces = 0, 0
    for event in work.send(server.url, stream=True).events():
        pieces += bool(event.get("choices"))
        told = _told(event.get("usage")) or told
    if not pieces:
        raise RuntimeError(f"{server.url} answered without a piece")
    return told or pieces


def _told(usage: Mapping[str, Any] | None) -> int:
    """Under OpenAI's name or mlx-vlm's."""
    return int((usage or {}).get("completion_tokens", 0) or (usage or {}).get("output_tokens", 0))
