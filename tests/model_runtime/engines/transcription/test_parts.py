"""The parts of recognition one by one: cutting tokens into segments, rules for times, sampling, spectra, alignment."""

import math
from types import SimpleNamespace

import mlx.core as mx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from model_runtime.engines.transcription.decoding import (
    MAX_PERIOD_TOKENS,
    REPEATED_TOKENS,
    RandomKeys,
    RepetitionEnd,
    SamplingDecoder,
    TimestampRules,
    is_silent,
    needs_fallback,
    repeats_itself,
    suppressed_ranges,
)
from model_runtime.engines.transcription.mel import FRAMES_PER_SECOND, SAMPLE_RATE, WINDOW_FRAMES, LogMelSpectrogram
from model_runtime.engines.transcription.mlx_whisper_patches import decoding
from model_runtime.engines.transcription.windows import SegmentSpan, WindowSplit, split_window
from model_runtime.engines.transcription.word_timestamps import distribute_evenly, dtw, median_filter
from tests.checkpoints.tone_whisper import MIDDLE
from tests.checkpoints.tone_whisper import sound as tone
from tests.model_runtime.engines.job_engine_driver import CancelAfter, audio_of, never_cancelled

pytestmark = pytest.mark.engines

CLOCK, END, VOCABULARY = 100, 90, 150
WORDS = SimpleNamespace(timestamp_begin=CLOCK, eot=END, no_timestamps=99)


def at(step: int) -> int:
    """The token of a time."""
    return CLOCK + step


@pytest.mark.parametrize(
    ("tokens", "expected"),
    [
        ([], WindowSplit((), 200, ends_open=False)),
        ([at(0), 1, 2, at(50)], WindowSplit((SegmentSpan((at(0), 1, 2, at(50)), 0, 50),), 200, ends_open=False)),
        (
            [at(0), 1, at(20), at(25), 2, at(60), at(60)],
            WindowSplit(
                (SegmentSpan((at(0), 1, at(20)), 0, 20), SegmentSpan((at(25), 2, at(60)), 25, 60)), 120, ends_open=True
            ),
        ),
        (
            [at(0), 1, at(20), at(25), 2, at(60)],
            WindowSplit(
                (SegmentSpan((at(0), 1, at(20)), 0, 20), SegmentSpan((at(25), 2, at(60)), 25, 60)), 200, ends_open=False
            ),
        ),
        ([at(0), 1, at(20), at(25), 2], WindowSplit((SegmentSpan((at(0), 1, at(20)), 0, 20),), 40, ends_open=True)),
        ([1, 2], WindowSplit((SegmentSpan((1, 2), 0, 100),), 200, ends_open=False)),
    ],
    ids=["nothing", "one stretch", "two and an open end", "two closed", "an unfinished one", "no times"],
)
def test_tokens_are_cut_where_times_meet(tokens: list[int], expected: WindowSplit) -> None:
    assert split_window(tokens, CLOCK, 200) == expected


@given(st.lists(st.integers(0, VOCABULARY - 1), max_size=30), st.integers(1, 3000))
def test_any_tokens_are_cut_into_stretches_in_their_order(tokens: list[int], frames: int) -> None:
    found = split_window(tokens, CLOCK, frames)

    said = [token for stretch in found.spans for token in stretch.tokens]
    assert said == tokens[: len(said)]
    assert 0 <= found.consumed_frames <= frames
    assert found.ends_open or said == tokens


@given(st.lists(st.integers(0, VOCABULARY - 1), max_size=8), st.one_of(st.none(), st.integers(0, 49)))
def test_the_rules_always_leave_something_to_say(sampled: list[int], latest_first: int | None) -> None:
    """But where times have run out after a lone last one, which nothing but the end may follow."""
    allowed = set(range(VOCABULARY))
    for start, end in suppressed_ranges(sampled, CLOCK, END, latest_first):
        allowed -= set(range(start, VOCABULARY if end is None else end))

    assert allowed


@given(st.lists(st.integers(0, 49), min_size=1, max_size=6))
def test_times_never_go_back(steps: list[int]) -> None:
    sampled = [token for step in steps for token in (at(step), 1)]

    allowed = set(range(CLOCK, VOCABULARY))
    for start, end in suppressed_ranges(sampled, CLOCK, END, None):
        allowed -= set(range(start, VOCABULARY if end is None else end))

    assert all(token > at(steps[-1]) for token in allowed)


def times_rule() -> TimestampRules:
    """The rule with the shape the decoder gives it."""
    return TimestampRules(WORDS, 1, 49)


def allowed_after(sampled: list[int], logits: np.ndarray) -> set[int]:
    """What the rule leaves possible."""
    found = times_rule().apply(mx.array(logits)[None], mx.array([[0, *sampled]]))
    return set(np.flatnonzero(np.isfinite(np.array(found)[0])).tolist())


@pytest.mark.parametrize("library", [False, True], ids=["ours", "the library's"])
def test_a_likely_time_that_is_forbidden_does_not_forbid_the_words(*, library: bool) -> None:
    """mlx-whisper 0.4.3 compares before it masks, and then nothing at all is possible. Once it does not, drop ours."""
    logits = np.zeros(VOCABULARY, np.float32)
    logits[CLOCK + 5 :] = 20.0
    sampled = [at(0)]

    rule = decoding.ApplyTimestampRules(WORDS, 1, 49) if library else times_rule()
    found = np.array(rule.apply(mx.array(logits)[None], mx.array([[0, *sampled]])))[0]

    assert np.isfinite(found).any() != library


def test_words_are_dropped_where_a_time_is_likelier() -> None:
    logits = np.zeros(VOCABULARY, np.float32)
    logits[CLOCK:] = 1.0

    assert allowed_after([at(0), 1], logits) == set(range(at(1), VOCABULARY))


@pytest.mark.parametrize("library", [False, True], ids=["ours", "the library's"])
def test_at_a_temperature_tokens_differ(*, library: bool) -> None:
    """mlx-whisper 0.4.3 draws the same token again and again. Once it does not, drop ours."""
    mx.random.seed(0)
    sampler = decoding.GreedyDecoder(1.0, END) if library else sampling_decoder(1.0)
    mx.enable_compile()  # as in a worker; tests run without

    drawn = {str(sampler.update(mx.array([[0]]), mx.zeros((1, 50_000)), mx.zeros(1))[0].tolist()) for _ in range(5)}

    mx.disable_compile()
    assert (len(drawn) == 1) == library


def sampling_decoder(temperature: float, end: int = END) -> SamplingDecoder:
    return SamplingDecoder(temperature, end, RandomKeys(seed=0))


def test_the_random_keys_of_a_transcription_are_those_of_its_seed_whatever_others_draw() -> None:
    mx.random.seed(0)
    expected = [mx.random.categorical(mx.zeros((1, 1000))).item() for _ in range(4)]
    keys, others = RandomKeys(seed=0), RandomKeys(seed=1)

    drawn = []
    for _ in range(4):
        drawn.append(mx.random.categorical(mx.zeros((1, 1000)), key=keys.next()).item())
        mx.random.normal(key=others.next())
        mx.random.normal()

    assert drawn == expected


def test_without_temperature_the_likeliest_token_is_taken() -> None:
    tokens, ended, total = sampling_decoder(0.0).update(mx.array([[0]]), mx.array([[0.0, 3.0, 1.0]]), mx.zeros(1))

    assert (tokens.tolist(), ended.item()) == ([[0, 1]], False)
    assert total.item() == pytest.approx(3 - np.log(np.exp([0, 3, 1]).sum()), abs=1e-5)


def test_a_row_that_has_ended_stays_ended() -> None:
    tokens, ended, total = sampling_decoder(0.0, end=2).update(
        mx.array([[2]]), mx.array([[0.0, 3.0, 1.0]]), mx.array([-1.0])
    )

    assert (tokens.tolist(), ended.item(), total.item()) == ([[2, 2]], True, -1.0)


@pytest.mark.parametrize(
    ("no_speech", "likelihood", "ratio", "silent", "doubtful"),
    [
        (0.1, -0.2, 1.2, False, False),
        (0.1, -0.2, 3.0, False, True),
        (0.1, -1.5, 1.2, False, True),
        (0.9, -1.5, 1.2, True, True),
        (0.9, -0.2, 1.2, False, False),
        (0.93, -0.2, 1.2, True, False),
        (0.1, float("nan"), 1.2, False, True),
        (0.9, float("nan"), 1.2, True, True),
    ],
)
def test_silence_and_doubt(no_speech: float, likelihood: float, ratio: float, *, silent: bool, doubtful: bool) -> None:
    result = SimpleNamespace(no_speech_prob=no_speech, avg_logprob=likelihood, compression_ratio=ratio)

    assert (is_silent(result), needs_fallback(result)) == (silent, doubtful)


def test_a_model_that_is_sure_of_silence_is_believed_however_likely_its_text() -> None:
    noise, speech = (SimpleNamespace(no_speech_prob=chance, avg_logprob=-0.2) for chance in (0.3, 0.1))

    assert (is_silent(noise, trust_no_speech=True), is_silent(speech, trust_no_speech=True)) == (True, False)


@pytest.mark.parametrize("mels", [80, 128])
@pytest.mark.parametrize("seconds", [0.05, 0.7, 31.5])
def test_spectra_are_those_of_the_library(mels: int, seconds: float) -> None:
    from mlx_whisper.audio import N_SAMPLES, log_mel_spectrogram

    noise = np.random.default_rng(0).standard_normal(int(seconds * 16_000)) * 0.01
    samples = tone(MIDDLE, seconds) + noise.astype(np.float32)
    recording = audio_of(samples)
    exact = np.frombuffer(recording.pcm, "<i2").astype(np.float32) / 32768

    ours = LogMelSpectrogram(recording.pcm, mels)
    pauses = list(ours.find_peak_level(never_cancelled))
    theirs = np.array(log_mel_spectrogram(exact, mels, padding=N_SAMPLES))

    assert len(pauses) == (ours.frames - 1) // WINDOW_FRAMES
    for first in range(0, ours.frames, WINDOW_FRAMES):
        frames = min(WINDOW_FRAMES, ours.frames - first)
        window = np.array(ours.window(first, frames))
        assert window.shape == (WINDOW_FRAMES, mels)
        assert np.abs(window[:frames] - theirs[first : first + frames]).max() < 1e-5
        assert not window[frames:].any()


def test_looking_for_the_loudest_moment_can_be_cancelled() -> None:
    check = CancelAfter(3)

    with pytest.raises(Exception, match="enough"):
        list(LogMelSpectrogram(bytes(2 * 16_000 * 300), 80).find_peak_level(check))


@settings(max_examples=40)
@given(st.integers(1, 12), st.integers(1, 15), st.integers(0, 2**32 - 1))
def test_the_warped_path_is_the_cheapest(rows: int, columns: int, seed: int) -> None:
    costs = np.random.default_rng(seed).standard_normal((rows, columns)).astype(np.float32)

    path = dtw(costs)

    steps = np.diff(path, axis=1).T.tolist()
    assert path[:, 0].tolist() == [0, 0]
    assert path[:, -1].tolist() == [rows - 1, columns - 1]
    assert all(step in ([1, 1], [1, 0], [0, 1]) for step in steps)
    assert costs[tuple(path)].sum() == pytest.approx(cheapest(costs), abs=1e-4)


def cheapest(costs: np.ndarray) -> float:
    """The cost of the best path, cell by cell."""
    total = np.full((costs.shape[0] + 1, costs.shape[1] + 1), np.inf)
    total[0, 0] = 0
    for row in range(1, costs.shape[0] + 1):
        for column in range(1, costs.shape[1] + 1):
            before = min(total[row - 1, column - 1], total[row - 1, column], total[row, column - 1])
            total[row, column] = costs[row - 1, column - 1] + before
    return float(total[-1, -1])


def test_words_without_times_share_those_of_their_segment() -> None:
    words = [{"word": " one", "start": 0.0, "end": 0.0}, {"word": " eleven", "start": 0.0, "end": 0.0}]

    distribute_evenly(words, 2.0, 3.1)

    assert [(word["start"], word["end"]) for word in words] == [
        (2.0, pytest.approx(2.4)),
        (pytest.approx(2.4), pytest.approx(3.1)),
    ]


def test_the_median_of_seven_mirrors_the_ends() -> None:
    values = np.array([[5.0, 1.0, 9.0, 2.0, 8.0, 3.0, 7.0, 4.0]])

    assert median_filter(values, 7)[0].tolist() == [2.0, 5.0, 3.0, 5.0, 4.0, 7.0, 4.0, 7.0]
    assert median_filter(values[:, :3], 7).tolist() == values[:, :3].tolist()


@pytest.mark.parametrize(
    ("quiet_seconds", "goes_on_at"), [(0.0, 0.0), (1.9, 0.0), (2.1, 1.9), (31.0, 30.8), (3600.0, 3599.8)]
)
def test_a_pause_is_passed_over_until_shortly_before_the_next_sound(quiet_seconds: float, goes_on_at: float) -> None:
    quiet = np.full(int(quiet_seconds * SAMPLE_RATE), 9, np.int16)
    loud = np.tile(np.array([200, -200], np.int16), SAMPLE_RATE)
    spectrogram = LogMelSpectrogram(np.concatenate([quiet, loud]).tobytes(), 80)

    assert spectrogram.after_pause(0) / FRAMES_PER_SECOND == pytest.approx(goes_on_at)


def test_after_the_last_sound_comes_the_end() -> None:
    spectrogram = LogMelSpectrogram(bytes(2 * 40 * SAMPLE_RATE), 80)

    assert spectrogram.after_pause(0) == spectrogram.frames


@pytest.mark.parametrize("period", [1, 2, MAX_PERIOD_TOKENS])
def test_a_text_that_only_repeats_itself_ends(period: int) -> None:
    loop = list(range(period))
    repeated = [99, *loop * REPEATED_TOKENS][: REPEATED_TOKENS + 1]

    assert repeats_itself(repeated)
    assert not repeats_itself(repeated[:REPEATED_TOKENS])
    assert not repeats_itself([*repeated, 99])
    end_only = RepetitionEnd(eot=2, sample_begin=1).apply(mx.zeros((1, 4)), mx.array([[7, *repeated]]))
    assert end_only.tolist() == [[-math.inf, -math.inf, 0.0, -math.inf]]


def test_a_list_of_many_alike_lines_is_no_repetition() -> None:
    lines = [token for line in range(20) for token in (50, 51, 52, line)]

    assert not repeats_itself(lines)
