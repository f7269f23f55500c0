"""Raw samples that arrive piece by piece are decoded as a file of them would be."""

import io
import wave
from itertools import pairwise

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_runtime.media.audio import SAMPLE_RATE, decode_audio
from model_runtime.media.sound_stream import CODECS, RawFormat, SoundStream

SECONDS = 2
TONE = np.sin(2 * np.pi * 440 * np.arange(24_000 * SECONDS) / 24_000) * 0.5
PCM = (TONE * 32767).astype("<i2").tobytes()


def wav_24k(pcm: bytes) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as written:
        written.setparams((1, 2, 24_000, 0, "NONE", ""))
        written.writeframes(pcm)
    return file.getvalue()


def g711(codec: str) -> bytes:
    """Encode the tone as a telephone does."""
    encoder = av.CodecContext.create(codec, "w")
    assert isinstance(encoder, av.AudioCodecContext)
    encoder.sample_rate, encoder.layout, encoder.format = 8000, "mono", "s16"
    frame = av.AudioFrame.from_ndarray((TONE[::3] * 32767).astype(np.int16).reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = 8000
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


def test_the_samples_are_those_of_a_file() -> None:
    whole = np.frombuffer(decode_audio(wav_24k(PCM)).pcm, "<i2")

    heard = np.frombuffer(SoundStream("audio/pcm").feed(PCM), "<i2")

    assert 0 <= len(whole) - len(heard) <= SAMPLE_RATE // 500
    assert np.abs(whole[: len(heard)].astype(int) - heard).max() <= 1


@pytest.mark.parametrize(("raw_format", "codec"), [("audio/pcmu", "pcm_mulaw"), ("audio/pcma", "pcm_alaw")])
def test_the_sound_of_a_telephone_keeps_its_pitch_and_loudness(raw_format: RawFormat, codec: str) -> None:
    heard = np.frombuffer(SoundStream(raw_format).feed(g711(codec)), "<i2") / 32768

    spectrum = np.abs(np.fft.rfft(heard[:SAMPLE_RATE]))
    assert int(spectrum.argmax()) == pytest.approx(440, abs=2)
    assert np.sqrt(np.square(heard).mean()) == pytest.approx(0.5 / np.sqrt(2), rel=0.05)
    assert CODECS[raw_format][0] == codec


@given(cuts=st.lists(st.integers(0, len(PCM)), max_size=8))
@settings(max_examples=20)
def test_any_pieces_give_the_same_samples(cuts: list[int]) -> None:
    stream, edges = SoundStream("audio/pcm"), [0, *sorted(cuts), len(PCM)]

    heard = b"".join(stream.feed(PCM[start:end]) for start, end in pairwise(edges))

    whole = np.frombuffer(SoundStream("audio/pcm").feed(PCM), "<i2")
    assert abs(len(heard) // 2 - len(whole)) <= 32
    assert np.abs(np.frombuffer(heard, "<i2")[: len(whole)].astype(int) - whole[: len(heard) // 2]).max() <= 1
