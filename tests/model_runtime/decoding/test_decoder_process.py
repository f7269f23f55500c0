"""What becomes of a decoder process, with a fake one: its outcome, its end, its deadline and a caller that leaves."""

import io
import os
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import anyio
import pytest

from model_runtime.decoding import decoder as decoder_module
from model_runtime.decoding import process as decoding_process
from model_runtime.decoding.decoder import MediaDecoder
from model_runtime.decoding.process import DecodingFailed, decode_in_process
from model_runtime.errors import Busy, InvalidMedia
from model_runtime.ipc.messages import DECODED_FD, SOURCE_FD, Hello
from model_runtime.media.types import Audio, ImageData, MediaFile
from model_runtime.process.spawn import SpawnedProcess
from tests.model_runtime.fake_workers import FakeWorker, FakeWorkers

PICTURE = Path(__file__).parents[3] / "docs/status-page.png"


class Spawned:
    """In place of `spawn_module`: a fake decoder, what it was started with, and what it could read then."""

    def __init__(self, workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch) -> None:
        self.workers = workers
        self.arguments: list[tuple[str, Sequence[str]]] = []
        self.source = b""
        self.decoded = b""
        monkeypatch.setattr(decoding_process, "spawn_module", self.spawn)

    def spawn(self, module: str, arguments: Sequence[str], descriptors: Mapping[int, int]) -> SpawnedProcess:
        """Start a fake process."""
        self.arguments.append((module, arguments))
        self.source = os.pread(descriptors[SOURCE_FD], 1000, 0)  # a decoder reads from the start
        os.write(descriptors[DECODED_FD], self.decoded)
        return self.workers.spawn(module)


@pytest.fixture
def spawned(workers: FakeWorkers, monkeypatch: pytest.MonkeyPatch) -> Spawned:
    """No decoder is a process."""
    return Spawned(workers, monkeypatch)


async def ended_by(worker: FakeWorker, outcome: Any) -> None:
    """Send an outcome and exit."""
    if outcome is not None:
        worker.send(outcome)
    worker.exit(signal_number=0 if outcome is not None else signal.SIGKILL)


class Call:
    """`decode_in_process` in the background."""

    def __init__(self, tmp_path: Path) -> None:
        self.result: object = None
        self._path = tmp_path / "decoded"

    async def run(self) -> None:
        """Decode."""
        with self._path.open("wb") as output, (self._path.parent / "source").open("w+b") as source:
            source.write(b"a file")
            source.flush()
            try:
                self.result = await decode_in_process("image", "image", source.fileno(), output.fileno())
            except (Busy, DecodingFailed, InvalidMedia) as error:
                self.result = error


@pytest.mark.parametrize(
    "outcome", [ImageData(2, 1, b""), Audio(16_000, b""), InvalidMedia("It is damaged.", param="image")], ids=repr
)
async def test_the_outcome_of_the_process_is_the_answer(spawned: Spawned, tmp_path: Path, outcome: object) -> None:
    call = Call(tmp_path)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(call.run)
            await ended_by(await spawned.workers.started(), outcome)

    assert repr(call.result) == repr(outcome)
    assert spawned.arguments == [("model_runtime.decoding", ["image", "image"])]
    assert spawned.source == b"a file"


@pytest.mark.parametrize(
    ("outcome", "why"), [(None, "the worker was killed by SIGKILL"), (Hello(1), "the worker exited with code 0")]
)
async def test_a_process_without_an_outcome_is_an_error(
    spawned: Spawned, tmp_path: Path, outcome: object, why: str
) -> None:
    call = Call(tmp_path)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(call.run)
            await ended_by(await spawned.workers.started(), outcome)

    assert isinstance(call.result, DecodingFailed)
    assert call.result.message.startswith(f"The image cannot be decoded: {why}")


async def test_a_process_that_takes_too_long_is_killed(
    spawned: Spawned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoding_process, "TIMEOUT_SECONDS", 0.01)
    call = Call(tmp_path)
    with anyio.fail_after(20):
        await call.run()

    assert isinstance(call.result, DecodingFailed)
    assert "it took longer than 0 s or was cancelled" in call.result.message
    assert spawned.workers.all[0].signals == [signal.SIGKILL]


async def test_a_caller_that_leaves_waits_until_the_process_is_gone(spawned: Spawned, tmp_path: Path) -> None:
    call = Call(tmp_path)
    with anyio.fail_after(20):
        async with anyio.create_task_group() as group:
            group.start_soon(call.run)
            worker = await spawned.workers.started()
            group.cancel_scope.cancel()

    assert (worker.signals, worker.status) == ([signal.SIGKILL], signal.SIGKILL)


async def test_without_a_process_the_error_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(module: str, arguments: Sequence[str], descriptors: Mapping[int, int]) -> SpawnedProcess:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(decoding_process, "spawn_module", refuse)
    call = Call(tmp_path)
    await call.run()

    assert isinstance(call.result, Busy)
    assert "no process starts (Resource temporarily unavailable)" in call.result.message


async def test_a_large_picture_is_decoded_by_a_process_from_its_start_into_a_file(
    spawned: Spawned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_module, "THREAD_BYTES", 0)
    media = MediaDecoder(1 << 40, tmp_path / "decoded")
    spawned.decoded = b"\1\2\3"
    sources: list[tuple[bytes | BinaryIO, ImageData]] = []
    content = PICTURE.read_bytes()

    async def decode(source: Any) -> None:
        sources.append((source, await media.decode_image(source, param="image")))

    with PICTURE.open("rb") as file, anyio.fail_after(20):
        for number, source in enumerate((content, io.BytesIO(content), file), 1):
            async with anyio.create_task_group() as group:
                group.start_soon(decode, source)
                await ended_by(await spawned.workers.started(number), ImageData(1, 1, b""))
            assert spawned.source == content[:1000]

    for _, image in sources:
        assert (image.width, image.height) == (1, 1)
        assert isinstance(image.content, MediaFile)
        assert bytes(image.rgb) == b"\1\2\3"
    assert {tuple(arguments) for _, arguments in spawned.arguments} == {("image", "image")}
