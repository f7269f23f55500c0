"""Pictures and recordings of any size are decoded, and the daemon stays as small as it was."""

import errno
import gc
import io
import os
import tempfile
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import psutil
import pytest
from anyio.lowlevel import checkpoint
from PIL import Image

from model_runtime.decoding.decoder import MediaDecoder
from model_runtime.decoding.process import DecodingFailed, decode_in_process
from model_runtime.decoding.storage import MediaStorage
from model_runtime.errors import Busy, InsufficientStorage, InvalidMedia, OperationFailed
from model_runtime.ipc.messages import DECODED_FD, SOURCE_FD
from model_runtime.media.images import MODEL_PIXELS
from model_runtime.media.types import MediaFile
from model_runtime.process.spawn import spawn_module
from tests.model_runtime.media.bombs import lossy_webp, progressive_jpeg
from tests.model_runtime.media.recordings import dominant_hertz, encode_recording, sine_pcm

LIMIT_BYTES = 512_000_000
RED = (255, 0, 0)


@pytest.fixture
def decoder(tmp_path: Path) -> MediaDecoder:
    """A decoder that keeps its files in the folder of the test."""
    return MediaDecoder(LIMIT_BYTES, tmp_path)


def png(width: int, height: int) -> bytes:
    """A red picture."""
    out = io.BytesIO()
    Image.new("RGB", (width, height), RED).save(out, "PNG")
    return out.getvalue()


def hole(width: int, height: int) -> bytes:
    """A picture that is transparent throughout."""
    out = io.BytesIO()
    Image.new("RGBA", (width, height), (0, 0, 0, 0)).save(out, "PNG")
    return out.getvalue()


def files_in(folder: Path) -> list[str]:
    """The names of all files in a folder."""
    return [path.name for path in folder.iterdir()]


def mode_of(path: str) -> int:
    """The permission bits of a file."""
    return Path(path).stat().st_mode & 0o777


@asynccontextmanager
async def highest_memory() -> AsyncGenerator[list[int]]:
    """Yield the bytes by which this process grows at most."""
    process = psutil.Process()
    gc.collect()
    before, highest = process.memory_info().rss, [0]

    async def sample() -> None:
        while True:
            highest[0] = max(highest[0], process.memory_info().rss - before)
            await anyio.sleep(0.005)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(sample)
        yield highest
        tasks.cancel_scope.cancel()


async def test_a_small_picture_stays_in_memory(decoder: MediaDecoder, tmp_path: Path) -> None:
    picture = await decoder.decode_image(png(40, 30), param="image")

    assert (picture.width, picture.height, picture.content) == (40, 30, bytes(RED) * 1200)
    assert not files_in(tmp_path)


async def test_the_bytes_of_a_photo_are_in_a_private_file_until_nothing_needs_them(
    decoder: MediaDecoder, tmp_path: Path
) -> None:
    picture = await decoder.decode_image(png(1_000, 1_000), param="image")

    assert isinstance(picture.content, MediaFile)
    assert bytes(picture.rgb) == bytes(RED) * 1_000_000
    assert mode_of(picture.content.path) == 0o600
    del picture
    gc.collect()
    assert not files_in(tmp_path)


async def test_a_small_mask_is_decoded_here(decoder: MediaDecoder) -> None:
    mask = await decoder.decode_mask(hole(40, 30), param="mask")

    assert (mask.width, mask.height, bytes(mask.rgb[:3])) == (40, 30, b"\xff\xff\xff")


@pytest.mark.process
@pytest.mark.promise("reliability:decoding-memory")
async def test_a_huge_mask_takes_no_memory_here_and_has_its_picture_s_size(decoder: MediaDecoder) -> None:
    source = hole(5_000, 4_000)

    async with highest_memory() as highest:
        mask = await decoder.decode_mask(source, param="mask")

    picture = await decoder.decode_image(source, param="image")
    assert highest[0] < 20_000_000
    assert (mask.width, mask.height, mask.file_size) == (picture.width, picture.height, (5_000, 4_000))


async def test_samples_of_a_long_recording_are_in_a_file_until_nothing_needs_them(
    decoder: MediaDecoder, tmp_path: Path
) -> None:
    short, long = await decoder.store_audio(b"\1\0" * 16_000), await decoder.store_audio(b"\1\0" * 800_000)
    files = files_in(tmp_path)

    assert (short.content, short.duration_seconds) == (b"\1\0" * 16_000, 1)
    assert isinstance(long.content, MediaFile)
    assert (bytes(long.pcm[:4]), long.duration_seconds, len(files)) == (b"\1\0\1\0", 50, 1)
    del long
    assert files_in(tmp_path) == []


@pytest.mark.process
@pytest.mark.promise("reliability:decoding-memory")
async def test_a_huge_picture_takes_no_memory_here(decoder: MediaDecoder) -> None:
    source = png(6_000, 6_000)

    async with highest_memory() as highest:
        picture = await decoder.decode_image(source, param="image")

    assert highest[0] < 20_000_000
    assert picture.file_size == (6_000, 6_000)
    assert 0.99 * MODEL_PIXELS < picture.width * picture.height <= MODEL_PIXELS
    assert bytes(picture.rgb[-3:]) == bytes(RED)


@pytest.mark.process
@pytest.mark.promise("reliability:decoding-memory")
@pytest.mark.parametrize("opened", [True, False])
async def test_a_long_recording_takes_no_memory_here(decoder: MediaDecoder, tmp_path: Path, opened: bool) -> None:
    recording = encode_recording("flac", sine_pcm(440, 1.0, rate=48_000) * 600)
    path = tmp_path / "long.flac"
    path.write_bytes(recording)

    with path.open("rb") as file:
        async with highest_memory() as highest:
            audio = await decoder.decode_audio(file if opened else recording, param="audio")

    assert highest[0] < 30_000_000
    assert isinstance(audio.content, MediaFile)
    assert audio.duration_seconds == pytest.approx(600, abs=0.1)
    assert dominant_hertz(type(audio)(audio.sample_rate, bytes(audio.pcm[-32_000:]))) == pytest.approx(440, abs=3)


@pytest.mark.process
async def test_a_decoder_process_refuses_as_a_thread_does(decoder: MediaDecoder, tmp_path: Path) -> None:
    whole = encode_recording("wav", bytes(2 * 48_000 * 61))
    cut = png(6_000, 6_000)[:-30_000]

    with pytest.raises(InvalidMedia, match="truncated") as refused:
        await decoder.decode_image(cut, param="messages[0]")
    audio = await decoder.decode_audio(whole, param="file")

    assert (refused.value.param, refused.value.code) == ("messages[0]", "image_parse_error")
    assert audio.duration_seconds == pytest.approx(61, abs=0.1)
    del audio
    gc.collect()
    assert not files_in(tmp_path)


@pytest.mark.process
@pytest.mark.promise("reliability:decoding-cancelled")
async def test_a_caller_who_leaves_ends_the_process_and_its_file(decoder: MediaDecoder, tmp_path: Path) -> None:
    source, before = png(6_000, 6_000), set(psutil.Process().children())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: decoder.decode_image(source, param="image"))
        while not (started := set(psutil.Process().children()) - before):
            await checkpoint()
        tasks.cancel_scope.cancel()

    assert not any(process.is_running() for process in started)
    assert not files_in(tmp_path)
    assert decoder.admission.free_bytes == LIMIT_BYTES


@pytest.mark.process
@pytest.mark.promise("reliability:decoding-cancelled")
def test_a_decoder_ends_with_its_daemon(tmp_path: Path) -> None:
    (tmp_path / "huge.png").write_bytes(png(6_000, 6_000))
    with (tmp_path / "huge.png").open("rb") as source, (tmp_path / "pixels").open("wb") as out:
        descriptors = {SOURCE_FD: source.fileno(), DECODED_FD: out.fileno()}
        spawned = spawn_module("model_runtime.decoding", ["image", "image"], descriptors)

    spawned.socket.close()

    assert os.waitpid(spawned.pid, 0) == (spawned.pid, 0)
    assert (tmp_path / "pixels").stat().st_size == 0
    os.close(spawned.log)


@pytest.mark.process
@pytest.mark.promise("reliability:decoding-fails")
async def test_a_decoder_that_dies_is_told_with_its_reason(tmp_path: Path) -> None:
    with (tmp_path / "file").open("w+b") as file, pytest.raises(DecodingFailed, match="KeyError: 'film'.*Send a"):
        await decode_in_process("film", "param", file.fileno(), file.fileno())  # type: ignore[arg-type]


@pytest.mark.process
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.promise("reliability:decoding-fails")
async def test_a_full_disk_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tone.wav"
    path.write_bytes(encode_recording("wav", sine_pcm(440, 1.0, rate=48_000)))
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        with path.open("rb") as file, pytest.raises(InsufficientStorage, match=r"No space left on device\. Free"):
            await decode_in_process("audio", "file", file.fileno(), full)
    finally:
        os.close(full)


@pytest.mark.promise("reliability:model-sized")
@pytest.mark.parametrize("picture", [progressive_jpeg, lossy_webp])
async def test_a_picture_whose_format_takes_too_much_memory_is_refused_by_its_header(
    tmp_path: Path, picture: Callable[[int, int], bytes]
) -> None:
    with pytest.raises(InvalidMedia, match=r"takes \d+ MB of memory, more than 604 MB\. Send a smaller one"):
        await MediaDecoder(LIMIT_BYTES, tmp_path).decode_image(picture(10_000, 10_000), param="image")


@pytest.mark.promise("reliability:decoding-fails")
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EDQUOT, errno.EIO])
async def test_a_large_picture_that_finds_no_room_is_told_as_that(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(**options: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("model_runtime.decoding.storage.tempfile.NamedTemporaryFile", refuse)

    with pytest.raises(InsufficientStorage, match=os.strerror(number)):
        await MediaDecoder(LIMIT_BYTES, tmp_path).decode_image(png(6_000, 6_000), param="image")


@pytest.mark.promise("reliability:decoding-fails")
@pytest.mark.parametrize("number", [errno.EMFILE, errno.EAGAIN, errno.ENOMEM])
async def test_without_a_process_for_a_large_picture_its_caller_can_try_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*arguments: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("model_runtime.decoding.process.spawn_module", refuse)

    with pytest.raises(Busy, match="Try again in 5 s") as refused:
        await MediaDecoder(LIMIT_BYTES, tmp_path).decode_image(png(6_000, 6_000), param="image")

    assert refused.value.retry_after_seconds == 5.0
    assert not files_in(tmp_path)


@pytest.mark.promise("reliability:decoding-fails")
async def test_a_home_that_cannot_be_written_is_replaced_by_the_folder_for_temporary_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    (tmp_path / "home").touch()

    picture = await MediaDecoder(LIMIT_BYTES, tmp_path / "home").decode_image(png(1_000, 1_000), param="image")

    assert isinstance(picture.content, MediaFile)
    assert Path(picture.content.path).parent == tmp_path


@pytest.mark.promise("reliability:decoding-fails")
async def test_a_photo_stays_in_memory_where_no_file_can_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "missing"))
    (tmp_path / "home").touch()

    picture = await MediaDecoder(LIMIT_BYTES, tmp_path / "home").decode_image(png(1_000, 1_000), param="image")

    assert picture.content == bytes(RED) * 1_000_000


def test_what_a_killed_daemon_left_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    for name in ("decoded-abc", "kept"):
        (tmp_path / name).touch()

    MediaStorage(tmp_path).delete_leftovers()

    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_file_that_is_gone_is_told(tmp_path: Path) -> None:
    content = MediaFile(str(tmp_path / "decoded-abc"), 10)

    with pytest.raises(OperationFailed, match=r"cannot be read: .*Send it again"):
        content.map()
