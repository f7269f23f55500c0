"""Defects between a recording and the words in it."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice
from typing import Any

import av
import mlx.core as mx
import numpy as np

from model_runtime.events import Segment
from model_runtime.media.types import Audio
from tests.mutations.mutation import Function, Mutation, change_result, replace_with

AUDIO, TRANSCRIPTION_ENGINE = "model_runtime.media.audio", "model_runtime.engines.transcription.engine"


class PassthroughResampler:
    """Samples at the rate and with the sides of the file, said to be 16 kHz mono."""

    def __init__(self, rate: int = 0, layout: str = "mono") -> None:
        self._rate, self._layout = rate, layout

    def feed(self, frame: av.AudioFrame) -> Iterator[bytes]:
        """Decode without resampling, or without mixing."""
        resampler = av.AudioResampler(format="s16", layout=self._layout, rate=self._rate or frame.sample_rate)
        for piece in resampler.resample(frame):
            yield piece.to_ndarray().tobytes()

    def close(self) -> Iterator[bytes]:
        """Hold nothing back."""
        yield from ()


class SingleChannelResampler(PassthroughResampler):
    """The left side alone, or what the left has and the right has not."""

    def __init__(self, right: float) -> None:
        super().__init__(16_000, "stereo")
        self._right_gain = right

    def feed(self, frame: av.AudioFrame) -> Iterator[bytes]:
        """Mix wrongly."""
        for pcm in super().feed(frame):
            sides = np.frombuffer(pcm, "<i2").reshape(-1, 2) @ np.array([1.0, self._right_gain]) / 2
            yield sides.astype("<i2").tobytes()


def change_samples(change: Function) -> Function:
    """Change the samples of a decoded recording."""
    return lambda sound: Audio(sound.sample_rate, change(np.frombuffer(sound.pcm, "<i2")).astype("<i2").tobytes())


def _every_other_frame(frames: Iterator[Any]) -> Iterator[Any]:
    return islice(frames, 0, None, 2)


def _bands_upside_down(spectra: mx.array) -> mx.array:
    return spectra[:, ::-1]


def _one_second_late(segment: Segment) -> Segment:
    words = tuple(replace(word, start=word.start + 1, end=word.end + 1) for word in segment.words)
    return replace(segment, start=segment.start + 1, end=segment.end + 1, words=words)


def _words_one_second_late(segment: Segment) -> Segment:
    return replace(segment, words=_one_second_late(segment).words)


def _window_time(right: Function) -> Function:
    """Times count from the start of the window instead of the recording."""

    def broken(run: Any, span: Any) -> Any:
        piece = right(run, span)
        window_start = run.state.seek / 100
        return piece | {"start": piece["start"] - window_start, "end": piece["end"] - window_start}

    return broken


DECODE, RESAMPLER = f"{AUDIO}.decode_audio", f"{AUDIO}._Resampler"
MUTATIONS = (
    Mutation("48 kHz is taken for 16", RESAMPLER, replace_with(PassthroughResampler), "48 kHz"),
    Mutation("8 kHz is taken for 16", RESAMPLER, replace_with(PassthroughResampler), "a telephone"),
    Mutation(
        "two sides are taken for one",
        RESAMPLER,
        replace_with(lambda: PassthroughResampler(16_000, "stereo")),
        "a stereo FLAC",
    ),
    Mutation(
        "the right side is left out", RESAMPLER, replace_with(lambda: SingleChannelResampler(0.0)), "only on the right"
    ),
    Mutation(
        "one side is taken from the other",
        RESAMPLER,
        replace_with(lambda: SingleChannelResampler(-1.0)),
        "a stereo FLAC",
    ),
    Mutation("every other sample is lost", DECODE, change_result(change_samples(lambda pcm: pcm[::2])), "a sentence"),
    Mutation("bytes are swapped", DECODE, change_result(change_samples(lambda pcm: pcm.byteswap())), "a sentence"),
    Mutation(
        "loud samples wrap around", DECODE, change_result(change_samples(lambda pcm: pcm * np.int16(16))), "a sentence"
    ),
    Mutation("hardly a bit is left", DECODE, change_result(change_samples(lambda pcm: pcm >> 13)), "a sentence"),
    Mutation(
        "the second half is lost", DECODE, change_result(change_samples(lambda pcm: pcm[: len(pcm) // 2])), "a sentence"
    ),
    Mutation("the first second is lost", DECODE, change_result(change_samples(lambda pcm: pcm[16_000:])), "a sentence"),
    Mutation("backwards", DECODE, change_result(change_samples(lambda pcm: pcm[::-1])), "a sentence"),
    Mutation("every other frame is lost", f"{AUDIO}._frames", change_result(_every_other_frame), "an MP3"),
    Mutation(
        "mel bands are upside down",
        f"{TRANSCRIPTION_ENGINE}.LogMelSpectrogram.window",
        change_result(_bands_upside_down),
        "a sentence",
    ),
    Mutation(
        "segments are a second late",
        f"{TRANSCRIPTION_ENGINE}._to_segment",
        change_result(_one_second_late),
        "times of segments",
    ),
    Mutation(
        "words are a second late",
        f"{TRANSCRIPTION_ENGINE}._to_segment",
        change_result(_words_one_second_late),
        "times of words",
    ),
    Mutation(
        "every window begins at zero",
        f"{TRANSCRIPTION_ENGINE}._TranscriptionRun._segment_dict",
        _window_time,
        "after half a minute",
    ),
)
