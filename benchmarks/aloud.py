"""How soon a text is heard that is read aloud, at the input of an output that plays nothing and records times."""

import os
import tempfile
import time
from pathlib import Path

import anyio
from mcp import Client
from mcp_types import Implementation

from benchmarks.lab import BenchmarkContext
from benchmarks.row import Row, median
from mcp_server.files.client import ClientConnection
from model_runtime.catalog.catalog import create_catalog
from model_runtime.hub.cache import HubCache
from model_runtime.runtime import Runtime
from model_runtime.settings import load_settings
from tests.mcp_server.conftest import open_server
from tests.mcp_server.fake_sound import FakeSound

ROUNDS = 5
MODEL = "tts-starter"
SENTENCES = " ".join(
    f"Draw a {colour} {shape}."
    for colour, shape in (
        ("red", "circle"),
        ("green", "star"),
        ("blue", "heart"),
        ("yellow", "square"),
        ("white", "triangle"),
        ("black", "circle"),
        ("red", "star"),
        ("green", "heart"),
    )
)
"""Eight, of the starter's own words."""


def measure(context: BenchmarkContext) -> list[Row]:
    """Read eight sentences aloud over MCP, the model being loaded, and compare the first sound with the whole."""
    first, whole = anyio.run(_measure, context.rounds(ROUNDS))
    how = (
        f"median of {ROUNDS}, {MODEL}, loaded, over MCP; first samples at the input of a fake output → end of synthesis"
    )
    return [
        Row("reading aloud: first sound", first, "s", None, how),
        Row("reading aloud: eight sentences made", whole, "s", None, how),
        Row("reading aloud: first sound over the whole", first / whole, "×", 0.15, how),
    ]


async def _measure(rounds: int) -> tuple[float, float]:
    """Return the median seconds to the first sound and to the result."""
    with tempfile.TemporaryDirectory(prefix="senses-bench-") as folder:
        settings = load_settings({**os.environ, "SENSES_HOME": folder})
        catalog = create_catalog(settings, HubCache(Path(folder)))
        sound, times = FakeSound(), []
        async with (
            Runtime(catalog, settings, version="benchmark") as runtime,
            open_server(runtime, settings, ClientConnection(), find_output=lambda: sound) as server,
            Client(server, client_info=Implementation(name="claude-code", version="1")) as client,
        ):
            for _ in range(rounds + 1):  # the first call loads the model
                started = time.perf_counter()
                await client.call_tool("speak", {"text": SENTENCES, "model": MODEL, "play": True})
                whole = time.perf_counter() - started
                times.append((sound.first_sample_at[-1] - started, whole))
    first, all_of_it = zip(*times[1:], strict=True)
    return median(first), median(all_of_it)
