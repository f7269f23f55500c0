"""Speech as files and streams, read back by the decoder and by the standard library."""

import io
import wave
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_runtime.errors import InvalidInput
from model_runtime.media.audio import decode_audio
from model_runtime.media.speech_encoder import CONTENT_TYPES, SpeechEncoder, encode_speech
from tests.model_runtime.media.recordings import alignment, chirp, dominant_hertz, peak_level, sine_pcm, to_pcm

RATE = 24_000
SPEECH = sine_pcm(440, 2.0, rate=RATE)
ENCODED = [name for name in CONTENT_TYPES if name != "pcm"]
CHUNK = RATE // 2
SECONDS = 3.0
CHIRP = to_pcm(chirp(SECONDS, rate=RATE))
EXTRA_SECONDS = {"mp3": 0.07, "aac": 0.045, "opus": 0.005, "flac": 0.001, "wav": 0.001}
"""How much longer a stream may be than its samples: what its container cannot say was added by the codec."""


def stream(name: str, pcm: bytes, chunk: int = CHUNK) -> list[bytes]:
    """What leaves after each chunk, and at the end."""
    encoder = SpeechEncoder(name, RATE)
    return [*(encoder.feed(pcm[start : start + chunk]) for start in range(0, len(pcm), chunk)), encoder.close()]


@pytest.mark.promise("speech:six-formats")
@pytest.mark.parametrize("name", ENCODED)
def test_a_stream_reads_back_as_one_recording(name: str) -> None:
    sound = decode_audio(b"".join(stream(name, SPEECH)))

    assert sound.duration_seconds == pytest.approx(2.0, abs=0.1)
    assert dominant_hertz(sound) == pytest.approx(440, abs=3)
    assert peak_level(sound) == pytest.approx(0.3, abs=0.05)


@pytest.mark.parametrize("name", ENCODED)
def test_a_whole_file_reads_back(name: str) -> None:
    sound = decode_audio(encode_speech(SPEECH, RATE, name))

    assert sound.duration_seconds == pytest.approx(2.0, abs=0.1)
    assert dominant_hertz(sound) == pytest.approx(440, abs=3)


def test_an_mp3_has_enough_bits_for_speech() -> None:
    assert len(encode_speech(CHIRP, RATE, "mp3")) * 8 / SECONDS == pytest.approx(64_000, rel=0.03)


@pytest.mark.promise("speech:length")
@pytest.mark.parametrize("name", ENCODED)
def test_a_stream_has_no_gap_and_is_hardly_longer_than_its_samples(name: str) -> None:
    sound = decode_audio(b"".join(stream(name, CHIRP)))

    lag, correlation = alignment(sound, chirp(SECONDS))
    assert -0.001 < sound.duration_seconds - SECONDS < EXTRA_SECONDS[name]
    assert 0 <= round(lag, 3) < EXTRA_SECONDS[name]
    assert correlation > 0.99


@pytest.mark.promise("speech:length")
@pytest.mark.parametrize("name", ["mp3", "aac"])
def test_whatever_its_length_is_a_stream_is_hardly_longer(name: str) -> None:
    """Codecs write frames of 576 or 1024 samples, of which the last one is full or nearly empty."""
    for samples in range(RATE // 2, RATE // 2 + 1200, 85):
        sound = decode_audio(b"".join(stream(name, CHIRP[: 2 * samples])))

        assert 0 <= sound.duration_seconds - samples / RATE < EXTRA_SECONDS[name]


@pytest.mark.promise("speech:length")
@pytest.mark.parametrize("name", ["mp3", "opus", "flac", "wav"])
def test_a_file_is_as_long_as_its_samples(name: str) -> None:
    sound = decode_audio(encode_speech(CHIRP, RATE, name))

    lag, correlation = alignment(sound, chirp(SECONDS))
    assert sound.duration_seconds == pytest.approx(SECONDS, abs=0.005)
    assert lag == pytest.approx(0, abs=0.001)
    assert correlation > 0.99


@pytest.mark.promise("speech:any-prefix")
@pytest.mark.parametrize("name", ["mp3", "opus", "aac", "wav"])
def test_what_has_arrived_can_be_played(name: str) -> None:
    """After each quarter of a second that is fed, nearly all of it is there."""
    pieces = stream(name, CHIRP, chunk=RATE // 2)

    for count in range(1, len(pieces)):
        fed_seconds = count * 0.25
        sound = decode_audio(b"".join(pieces[:count]))
        assert fed_seconds - 0.15 < sound.duration_seconds < fed_seconds + EXTRA_SECONDS[name]


STREAMS = {name: stream(name, CHIRP) for name in ("mp3", "opus", "aac", "wav")}


@pytest.mark.promise("speech:any-prefix")
@settings(max_examples=30, deadline=None)
@given(st.sampled_from(sorted(STREAMS)), st.floats(0, 1))
def test_a_stream_that_breaks_off_anywhere_can_be_played_up_to_there(name: str, share: float) -> None:
    first, content = len(STREAMS[name][0]), b"".join(STREAMS[name])

    sound = decode_audio(content[: first + int(share * (len(content) - first))])

    lag, correlation = alignment(sound, chirp(SECONDS))
    assert 0 <= round(lag, 3) < EXTRA_SECONDS[name]
    assert correlation > 0.98


@pytest.mark.promise("speech:no-programs")
@pytest.mark.parametrize("name", ENCODED)
def test_no_program_is_needed_to_write_or_read_a_format(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A daemon that an app starts finds no ffmpeg, even where Homebrew has installed it."""
    monkeypatch.setenv("PATH", str(tmp_path))

    assert decode_audio(encode_speech(SPEECH, RATE, name)).duration_seconds == pytest.approx(2.0, abs=0.1)


@pytest.mark.parametrize("name", ["flac", "wav"])
def test_lossless_formats_keep_every_sample(name: str) -> None:
    pcm = sine_pcm(440, 0.5)

    assert decode_audio(encode_speech(pcm, 16_000, name)).pcm == pcm


def test_pcm_is_what_went_in() -> None:
    assert b"".join(stream("pcm", SPEECH)) == SPEECH == encode_speech(SPEECH, RATE, "pcm")


@pytest.mark.promise("speech:streams-at-once")
@pytest.mark.parametrize("name", ["mp3", "opus", "aac", "wav", "pcm"])
def test_every_chunk_sends_something_at_once(name: str) -> None:
    *pieces, _ = stream(name, SPEECH)

    assert len(pieces) == 8
    assert all(pieces)


@pytest.mark.parametrize("name", ["mp3", "opus", "aac", "wav"])
def test_the_first_piece_can_be_played_already(name: str) -> None:
    """A player that waits for the rest would make streaming useless."""
    sound = decode_audio(stream(name, SPEECH)[0])

    assert sound.duration_seconds > 0.1


def test_a_streamed_wav_has_one_header_without_a_length() -> None:
    content = b"".join(stream("wav", SPEECH))

    assert content.count(b"RIFF") == 1
    assert content[40:44] == b"\xff\xff\xff\xff"
    assert content[44:] == SPEECH


@pytest.mark.parametrize("name", ["wav", "flac"])
def test_a_file_tells_its_length(name: str) -> None:
    """`wave` reads only what the header promises."""
    content = encode_speech(SPEECH, RATE, name)

    if name == "wav":
        with wave.open(io.BytesIO(content)) as file:
            assert (file.getframerate(), file.getnframes(), file.getnchannels()) == (RATE, 2 * RATE, 1)
    else:
        total = int.from_bytes(content[18:26], "big") & (1 << 36) - 1
        assert total == 2 * RATE


@pytest.mark.parametrize(("name", "start"), [("wav", b"RIFF"), ("flac", b"fLaC")])
def test_a_stream_that_ends_before_anything_was_spoken_has_its_header(name: str, start: bytes) -> None:
    assert SpeechEncoder(name, RATE).close().startswith(start)


@pytest.mark.parametrize("rate", [16_000, 22_050, 24_000, 44_100, 48_000])
@pytest.mark.parametrize("name", ENCODED)
def test_every_rate_can_be_written(name: str, rate: int) -> None:
    sound = decode_audio(encode_speech(sine_pcm(440, 0.5, rate=rate), rate, name))

    assert dominant_hertz(sound) == pytest.approx(440, abs=6)


@pytest.mark.parametrize("name", ["ogg", "MP3", "", "m4a"])
def test_other_formats_are_refused_with_those_there_are(name: str) -> None:
    with pytest.raises(InvalidInput, match="mp3, opus, aac, flac, wav, pcm") as refused:
        SpeechEncoder(name, RATE)

    assert refused.value.param == "response_format"


@settings(max_examples=25)
@given(st.lists(st.integers(0, 6000), min_size=1, max_size=12), st.sampled_from(ENCODED))
def test_chunks_of_any_size_make_the_same_recording(sizes: list[int], name: str) -> None:
    encoder = SpeechEncoder(name, RATE)
    pcm = SPEECH[: 2 * sum(sizes)]
    edges = [2 * sum(sizes[:number]) for number in range(len(sizes) + 1)]

    content = b"".join(encoder.feed(pcm[start:end]) for start, end in pairwise(edges))
    content += encoder.close()

    if len(pcm) > RATE // 5:
        assert decode_audio(content).duration_seconds == pytest.approx(len(pcm) / 2 / RATE, abs=0.1)
