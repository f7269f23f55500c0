"""Where somebody talks, and that nothing else is taken for a voice."""

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_runtime.media.audio import decode_audio
from model_runtime.media.speech_turns import TurnDetector, TurnEvent, TurnStarted, TurnStopped
from model_runtime.media.voice_activity import FRAME_SAMPLES, HOP_SAMPLES, FrameActivity, VoiceActivityDetector
from tests.model_runtime.media.noises import NOISES, RATE, to_pcm

CLIPS = Path(__file__).parents[2] / "clips"
SPOKEN = [clip for clip in json.loads((CLIPS / "index.json").read_text(encoding="utf-8")) if clip["text"]]
SILENT = [clip for clip in json.loads((CLIPS / "index.json").read_text(encoding="utf-8")) if not clip["text"]]
PAUSE = b"\0\0" * RATE
QUIET, LOUD, VOICE = FrameActivity(False, False), FrameActivity(True, False), FrameActivity(True, True)


def turns_in(pcm: bytes, *, threshold: float = 0.5, silence_seconds: float = 0.5) -> list[TurnEvent]:
    """Return the turns of a sound."""
    detector, turns = VoiceActivityDetector(threshold), TurnDetector(silence_seconds)
    return list(turns.feed(detector.feed(pcm)))


def clip_pcm(clip: dict[str, object]) -> bytes:
    return bytes(decode_audio((CLIPS / str(clip["file"])).read_bytes()).pcm)


@pytest.mark.promise("openai:voice-activity")
@pytest.mark.parametrize("name", NOISES)
def test_a_sound_without_a_voice_begins_no_turn(name: str) -> None:
    assert turns_in(to_pcm(NOISES[name]())) == []


@pytest.mark.parametrize("clip", SILENT, ids=lambda clip: str(clip["file"]))
def test_a_recording_without_speech_begins_no_turn(clip: dict[str, object]) -> None:
    assert turns_in(clip_pcm(clip)) == []


@pytest.mark.promise("openai:voice-activity")
@pytest.mark.parametrize("clip", SPOKEN, ids=lambda clip: str(clip["file"]))
def test_speech_begins_a_turn_shortly_before_its_first_word_and_ends_it_after_the_last(clip: dict[str, object]) -> None:
    segments = clip["segments"]
    assert isinstance(segments, list)

    events = turns_in(clip_pcm(clip) + PAUSE)

    assert isinstance(events[0], TurnStarted)
    assert isinstance(events[-1], TurnStopped)
    earliest = 0 if "noise" in str(clip["file"]) else segments[0]["start"] - 0.4  # noise becomes known in two seconds
    assert earliest <= events[0].sample / RATE <= segments[0]["start"] + 0.1
    assert segments[-1]["end"] <= events[-1].sample / RATE + 0.05 <= segments[-1]["end"] + 1.3


@pytest.mark.promise("openai:voice-activity")
@pytest.mark.parametrize("noise", ["white noise", "a fan", "mains hum of 50 Hz"])
def test_speech_is_found_in_noise(noise: str) -> None:
    speech = np.frombuffer(clip_pcm(SPOKEN[0]), "<i2") / 32768
    loudness = np.sqrt(np.square(speech).mean())
    background = NOISES[noise]()
    background *= loudness / 6 / np.sqrt(np.square(background).mean())
    sound = background[: len(speech) + 3 * RATE].copy()
    sound[RATE * 2 :][: len(speech)] += speech[: len(sound) - RATE * 2]

    events = turns_in(to_pcm(sound))

    assert [type(event) for event in events[:1]] == [TurnStarted]
    assert 1.9 < events[0].sample / RATE < 2.7


def test_a_higher_threshold_asks_for_more() -> None:
    frames = {threshold: VoiceActivityDetector(threshold).feed(clip_pcm(SPOKEN[0])) for threshold in (0.0, 0.5, 1.0)}

    voiced = [sum(frame.is_voice for frame in found) for found in frames.values()]

    assert voiced[0] > voiced[1] > voiced[2]


@given(cuts=st.lists(st.integers(0, 40_000), max_size=12))
@settings(max_examples=25)
def test_a_sound_is_heard_alike_in_any_pieces(cuts: list[int]) -> None:
    pcm = clip_pcm(SPOKEN[1])
    edges = [0, *sorted(cut * 2 for cut in cuts if cut * 2 < len(pcm)), len(pcm)]
    detector = VoiceActivityDetector()

    pieces = [frame for start, end in pairwise(edges) for frame in detector.feed(pcm[start:end])]

    assert pieces == VoiceActivityDetector().feed(pcm)
    assert len(pieces) == (len(pcm) // 2 - FRAME_SAMPLES) // HOP_SAMPLES + 1


@given(pcm=st.binary(max_size=8000).map(lambda data: data[: len(data) // 2 * 2]), threshold=st.floats(0, 1))
@settings(max_examples=30)
def test_any_samples_are_heard(pcm: bytes, threshold: float) -> None:
    frames = VoiceActivityDetector(threshold).feed(pcm)

    assert all(frame.is_loud for frame in frames if frame.is_voice)


@given(frames=st.lists(st.sampled_from([QUIET, LOUD, VOICE]), max_size=400), silence=st.floats(0.05, 1))
def test_turns_begin_and_end_in_turn(frames: Sequence[FrameActivity], silence: float) -> None:
    events = list(TurnDetector(silence).feed(frames))

    assert [isinstance(event, TurnStarted) for event in events] == [index % 2 == 0 for index in range(len(events))]
    assert [event.sample for event in events] == sorted(event.sample for event in events)


def test_a_knock_is_no_turn_and_a_short_pause_no_end() -> None:
    turns = TurnDetector(0.5)

    assert list(turns.feed([VOICE] * 4 + [QUIET] * 60)) == []
    assert [type(event) for event in turns.feed([VOICE] * 10 + [QUIET] * 25 + [VOICE] * 10)] == [TurnStarted]
    assert [type(event) for event in turns.feed([QUIET] * 32)] == [TurnStopped]


def test_noise_that_begins_while_somebody_talks_does_not_hold_the_turn_open() -> None:
    turns = TurnDetector(0.5)
    list(turns.feed([VOICE] * 10))

    assert list(turns.feed([LOUD] * 100)) == []
    assert [type(event) for event in turns.feed([LOUD] * 30)] == [TurnStopped]


def test_a_turn_that_was_committed_begins_anew_while_somebody_talks_on() -> None:
    turns = TurnDetector(0.5)
    list(turns.feed([VOICE] * 10))

    turns.reset()

    assert [type(event) for event in turns.feed([VOICE] * 10)] == [TurnStarted]
