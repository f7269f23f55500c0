"""Any recording in, 16 kHz mono out; what is none is refused with a reason."""

import io
import socket
from math import inf
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from model_runtime.errors import InvalidMedia
from model_runtime.media import audio
from model_runtime.media.audio import SAMPLE_RATE, decode_audio, write_audio
from model_runtime.media.speech_encoder import wav_header
from model_runtime.media.types import TimeRange
from tests.model_runtime.media.recordings import ENCODINGS, dominant_hertz, encode_recording, peak_level, sine_pcm

TONE = sine_pcm(440, 1.0, rate=48_000)


@pytest.mark.promise("audio:any-format")
@pytest.mark.parametrize("kind", ENCODINGS)
def test_every_common_format_is_heard_at_the_right_pitch_and_length(kind: str) -> None:
    sound = decode_audio(encode_recording(kind, TONE))

    assert sound.sample_rate == SAMPLE_RATE
    assert sound.duration_seconds == pytest.approx(1.0, abs=0.1)
    assert dominant_hertz(sound) == pytest.approx(440, abs=3)
    assert peak_level(sound) == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("rate", [8_000, 16_000, 22_050, 44_100, 48_000])
@pytest.mark.parametrize("channels", [1, 2])
def test_any_rate_and_both_channels_become_one_voice(rate: int, channels: int) -> None:
    sound = decode_audio(encode_recording("wav", sine_pcm(440, 0.5, rate=rate), rate=rate, channels=channels))

    assert sound.duration_seconds == pytest.approx(0.5, abs=0.01)
    assert dominant_hertz(sound) == pytest.approx(440, abs=3)
    assert peak_level(sound) == pytest.approx(0.3, abs=0.02)


def test_16_khz_mono_is_taken_as_it_is() -> None:
    pcm = sine_pcm(440, 0.25)

    sound = decode_audio(wav_header(16_000, len(pcm)) + pcm)

    assert sound.pcm == pcm


@given(st.floats(0, 0.999), st.floats(0.001, 3) | st.just(inf))
@settings(max_examples=30)
def test_a_part_of_a_recording_is_a_cut_of_the_whole(start: float, length: float) -> None:
    recording = encode_recording("flac", TONE)

    part = decode_audio(recording, part=TimeRange(start, start + length)).pcm

    first, last = int(start * SAMPLE_RATE), SAMPLE_RATE if length == inf else int((start + length) * SAMPLE_RATE)
    assert part == decode_audio(recording).pcm[2 * first : 2 * last]


def test_a_part_may_be_as_long_as_the_limit_however_long_the_recording_is() -> None:
    recording = encode_recording("flac", sine_pcm(440, 4.0, rate=48_000))

    sound = decode_audio(recording, max_seconds=1, part=TimeRange(2.0, 3.0))

    assert sound.duration_seconds == 1


def test_a_part_after_the_end_says_how_long_the_recording_is() -> None:
    with pytest.raises(InvalidMedia, match=r"only 1.0 s; the part that is wanted begins at 1.5 s") as refusal:
        decode_audio(encode_recording("flac", TONE), part=TimeRange(1.5))

    assert refusal.value.code == "too_short"


def test_an_open_file_is_read_too(tmp_path: Path) -> None:
    path = tmp_path / "holiday.txt"
    path.write_bytes(encode_recording("m4a", TONE))

    with path.open("rb") as file:
        sound = decode_audio(file)

    assert dominant_hertz(sound) == pytest.approx(440, abs=3)


@pytest.mark.promise("audio:bad-files-refused")
@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "empty"),
        (b"hello, this is a letter", "unsupported"),
        (bytes(2000), "unsupported"),
        (b"RIFF", "unsupported"),
        (wav_header(16_000, 0), "truncated"),
        (encode_recording("m4a", TONE)[:300], "unsupported"),
        (b"#EXTM3U\n#EXTINF:10,\nhttp://127.0.0.1/a.mp3\n", "unsupported"),
        (b"ffconcat version 1.0\nfile '/etc/passwd'\n", "unsupported"),
    ],
    ids=["nothing", "text", "zeros", "four bytes", "only a header", "cut header", "playlist", "concat list"],
)
def test_what_is_no_recording_is_refused(content: bytes, code: str) -> None:
    with pytest.raises(InvalidMedia) as refused:
        decode_audio(content, param="file")

    assert (refused.value.code, refused.value.param) == (code, "file")


def test_a_picture_has_no_sound() -> None:
    """ffmpeg would call a picture a film of one frame."""
    file = io.BytesIO()
    Image.new("RGB", (8, 8)).save(file, "PNG")

    with pytest.raises(InvalidMedia) as refused:
        decode_audio(file.getvalue())

    assert refused.value.code in ("unsupported", "no_audio_stream")


def test_a_silent_film_has_no_sound() -> None:
    import av

    file = io.BytesIO()
    with av.open(file, "w", format="mp4") as out:
        stream = out.add_stream("mpeg4", rate=10)
        stream.width = stream.height = 64
        stream.pix_fmt = "yuv420p"
        out.mux(stream.encode(av.VideoFrame(64, 64, "yuv420p")))
        out.mux(stream.encode(None))

    with pytest.raises(InvalidMedia) as refused:
        decode_audio(file.getvalue())

    assert refused.value.code == "no_audio_stream"


@pytest.mark.promise("audio:no-network")
def test_an_upload_cannot_open_a_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    """A session description would make ffmpeg listen on the port it names and wait."""
    waiting = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    waiting.bind(("127.0.0.1", 0))
    port = waiting.getsockname()[1]
    waiting.close()
    description = (
        f"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\nm=audio {port} RTP/AVP 0\r\n"
    )

    with pytest.raises(InvalidMedia) as refused:
        decode_audio(description.encode())

    assert refused.value.code == "unsupported"


@pytest.mark.promise("audio:too-long-refused")
def test_what_is_too_long_is_refused_while_it_is_decoded() -> None:
    with pytest.raises(InvalidMedia, match="longer than 0.5 minutes") as refused:
        decode_audio(encode_recording("flac", bytes(2 * 48_000 * 31)), max_seconds=30)

    assert refused.value.code == "too_long"


@pytest.mark.promise("reliability:stated-duration")
@pytest.mark.parametrize("kind", ["flac", "ogg opus", "m4a", "webm"])
def test_what_is_too_long_by_its_container_is_refused_before_it_is_decoded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    recording = encode_recording(kind, bytes(2 * 48_000 * 33))
    monkeypatch.setattr(audio, "_decode_chunks", None)

    with pytest.raises(InvalidMedia, match=r"seconds\) by its header; at most 0.5 minutes \(30 seconds\)") as refused:
        decode_audio(recording, max_seconds=30)

    assert refused.value.code == "too_long"


def test_a_recording_of_exactly_the_longest_duration_is_heard() -> None:
    recording = wav_header(16_000) + bytes(32_000)

    assert decode_audio(recording, max_seconds=1).duration_seconds == 1


@pytest.mark.promise("reliability:stated-duration")
def test_decoding_stops_at_the_limit_whatever_the_header_says() -> None:
    written = io.BytesIO()

    with pytest.raises(InvalidMedia, match=r"longer than 0.5 minutes \(30 seconds\)"):
        write_audio(wav_header(16_000) + bytes(32_000 * 60), written, max_seconds=30)

    assert written.tell() < 32_000 * 31


@pytest.mark.parametrize("kind", ["mp3", "webm", "aac", "wav"])
def test_of_a_file_cut_short_the_readable_part_is_heard(kind: str) -> None:
    whole = encode_recording(kind, sine_pcm(440, 2.0, rate=48_000))

    sound = decode_audio(whole[: len(whole) // 2])

    assert 0.5 < sound.duration_seconds < 1.5
    assert dominant_hertz(sound) == pytest.approx(440, abs=5)


def test_damage_in_the_middle_costs_only_what_is_damaged() -> None:
    whole = bytearray(encode_recording("mp3", sine_pcm(440, 2.0, rate=48_000)))
    whole[len(whole) // 2 : len(whole) // 2 + 400] = bytes(400)

    sound = decode_audio(bytes(whole))

    assert 1.7 < sound.duration_seconds < 2.2


@settings(max_examples=60)
@given(content=st.one_of(st.binary(max_size=400), st.binary(max_size=200).map(lambda tail: wav_header(16_000) + tail)))
def test_whatever_comes_in_is_decoded_or_refused(content: bytes) -> None:
    assert outcome(content) in ("decoded", "empty", "unsupported", "no_audio_stream", "truncated")


def outcome(content: bytes) -> str:
    """What becomes of an upload: "decoded", or the code of its refusal."""
    try:
        return "decoded" if decode_audio(content).pcm else "nothing"
    except InvalidMedia as refused:
        return refused.code


@settings(max_examples=40)
@given(st.sampled_from(["mp3", "m4a", "ogg opus", "flac", "webm"]), st.randoms(use_true_random=False))
def test_damaged_files_are_decoded_or_refused(kind: str, rng: Any) -> None:
    content = bytearray(FILES[kind])
    for _ in range(rng.randint(1, 30)):
        content[rng.randrange(len(content))] = rng.randrange(256)

    assert outcome(bytes(content)) in ("decoded", "unsupported", "no_audio_stream", "truncated", "too_long")


FILES = {
    kind: encode_recording(kind, sine_pcm(440, 0.3, rate=48_000)) for kind in ("mp3", "m4a", "ogg opus", "flac", "webm")
}
