"""Training windows: sound as Whisper's encoder sees it, and the tokens its decoder should say.

A window's transcript holds one segment per sentence. Speech that begins later than `LEAD` comes after a segment whose
text is a line break: decoders drop it, but it carries the time of the first word past Whisper's rule that a window's
first time is at most one second (and, in windows with one segment, past the rule that it starts where the window does).
A sentence cut by the end of the 30 s window is left, with its start, to the next window.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from senses_training.recogniser import vocabulary as v
from senses_training.recogniser.channel import Backgrounds, colour, stretch
from senses_training.recogniser.sounds import MUSIC, NOISES
from senses_training.recogniser.spectrogram import HOP, MELS, log_mel
from senses_training.recogniser.speech import RATE, Utterance

FRAMES, FRAME_RATE = 3000, RATE // HOP
LEAD = 0.3
SLACK, TIME_SLACK = 0.05, 0.15
NOISE = frozenset(NOISES)
ANY_SOUND = NOISE | frozenset(MUSIC)


@dataclass(frozen=True, slots=True)
class Spoken:
    """A sentence in its place: seconds from the start of the window, for the whole and for each word."""

    text: str
    start: float
    end: float
    words: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """Tokens to say, and where in the sound (from, to, in seconds) each is heard; nan where it is nowhere."""

    tokens: list[int]
    heard: list[tuple[float, float]]
    speech: bool = True


@dataclass(frozen=True, slots=True)
class Window:
    """`mel` is frames x 80, shorter than the window where the file ends; `offset` is the frame it begins at."""

    mel: np.ndarray
    offset: int
    transcript: Transcript


NOWHERE = (float("nan"), float("nan"))


def timed(spoken: Sequence[Spoken], cut: float | None = None) -> Transcript:
    """Write the transcript with times; `cut` is the start of a sentence that the window's end cuts."""
    tokens, heard = [v.COMPACT[v.START], v.time(0)], [NOWHERE, NOWHERE]
    starts = [one.start for one in spoken] + ([cut] if cut is not None else [])
    if starts[0] >= LEAD:
        tokens += [v.COMPACT[v.BLANK], v.time(starts[0]), v.time(starts[0])]
        heard += [(0.0, starts[0]), _around(starts[0]), _around(starts[0])]
    for number, one in enumerate(spoken):
        tokens += [*v.encode(one.text), v.time(one.end)]
        heard += _words_heard(one) + [_around(one.end)]
        if number + 1 < len(starts):
            tokens.append(v.time(starts[number + 1]))
            heard.append(_around(starts[number + 1]))
    return Transcript([*tokens, v.COMPACT[v.END]], [*heard, NOWHERE])


def untimed(spoken: Sequence[Spoken], *, blank: bool) -> Transcript:
    """Write the transcript for decoding without times, or (with the blank) for finding when each word is heard."""
    tokens, heard = [v.COMPACT[v.START], v.COMPACT[v.NO_TIMES]], [NOWHERE, NOWHERE]
    if blank:
        tokens.append(v.COMPACT[v.BLANK])
        heard.append((0.0, spoken[0].start))
    for one in spoken:
        tokens += v.encode(one.text)
        heard += _words_heard(one)
    return Transcript([*tokens, v.COMPACT[v.END]], [*heard, NOWHERE])


def no_speech(rng: random.Random) -> Transcript:
    """Write the transcript of sound without words: nothing after any first token the decoder may be forced to pick.

    The trainer spreads what is expected there evenly (`network.loss`), so that the decoder's mean log-probability is
    about -2, below Whisper's threshold of -1, and the window is skipped.
    """
    start, end = v.COMPACT[v.START], v.COMPACT[v.END]
    if rng.random() < 0.2:
        return Transcript([start, v.COMPACT[v.NO_TIMES], rng.choice(v.WORD_NUMBERS), end], [NOWHERE] * 4, speech=False)
    return Transcript([start, rng.choice(v.FIRST_TIMES), end], [NOWHERE] * 3, speech=False)


def prompt(rng: random.Random, corpus: Sequence[Utterance], longest: int) -> list[int]:
    """Write what a decoder may be given as the text before: earlier segments, words, or tokens never learned."""
    tokens: list[int] = []
    length, kind = rng.randint(3, longest), rng.random()
    while len(tokens) < length:
        words = [v.UNKNOWN] * rng.randint(1, 12) if kind < 0.2 else v.encode(rng.choice(corpus).text)
        begin = rng.uniform(0, 27)
        tokens += [v.time(begin), *words, v.time(begin + len(words) / 3)] if kind > 0.4 else words
    return [v.COMPACT[v.PREVIOUS], *tokens[:length]]


def _around(seconds: float) -> tuple[float, float]:
    return seconds - TIME_SLACK, seconds + TIME_SLACK


def _words_heard(one: Spoken) -> list[tuple[float, float]]:
    """Tell when each token of the words is heard."""
    words = zip(one.text.split(), one.words, (*one.words[1:], one.end), strict=True)
    return [(start - SLACK, end + SLACK) for word, start, end in words for _ in v.spelled(word)]


class Composer:
    """Draws windows from spoken sentences and backgrounds."""

    def __init__(self, corpus: Sequence[Utterance], backgrounds: Backgrounds, seed: int) -> None:
        self._corpus, self._backgrounds = corpus, backgrounds
        self._random, self._numbers = random.Random(seed), np.random.default_rng(seed)

    def window(self, frames: int, *, speech: bool = True) -> Window:
        """Draw a window of up to `frames` frames that lies anywhere within the 30 s."""
        offset = self._offset(frames)
        if speech:
            return self._speech(frames, offset)
        return Window(self._without_speech(frames), offset, no_speech(self._random))

    def prompt(self, longest: int) -> list[int]:
        """Draw a prompt."""
        return prompt(self._random, self._corpus, longest)

    def _offset(self, frames: int) -> int:
        """Mostly the start of the 30 s, else anywhere, with some at the very end, where sentences are cut."""
        where = self._random.random()
        if where < 0.45 or frames == FRAMES:
            return 0
        return FRAMES - frames if where > 0.9 else self._random.randrange(0, FRAMES - frames, 2)

    def _speech(self, frames: int, offset: int) -> Window:
        limit, shift = frames / FRAME_RATE, offset / FRAME_RATE
        placed, pieces = self._place(limit)
        whole = [one for one in placed if one.end <= limit - 0.05]
        at_end = offset + frames == FRAMES
        cut = next((one.start for one in placed if one.end > limit - 0.05), None) if at_end else None
        if cut is not None and cut > limit - 0.1 or not whole and (cut is None or cut + shift < LEAD):
            return self._speech(frames, offset)
        sound = np.zeros(int((limit + 8) * RATE), np.float32)
        for one, samples in zip(placed, pieces, strict=True):
            if one in whole or cut == one.start:
                begin = int(one.start * RATE)
                sound[begin : begin + len(samples)] += samples[: len(sound) - begin]
        length = limit if cut is not None else min(limit, whole[-1].end + self._trail(limit))
        mel = self._recorded(sound[: int(length * RATE) // HOP * HOP])
        moved = [_moved(one, shift) for one in whole]
        if cut is None and self._random.random() < 0.2:
            blank = moved[0].start >= LEAD and self._random.random() < 0.5
            return Window(mel, offset, untimed(moved, blank=blank))
        return Window(mel, offset, timed(moved, None if cut is None else cut + shift))

    def _place(self, limit: float) -> tuple[list[Spoken], list[np.ndarray]]:
        """Set sentences one after the other, at most until the first that does not fit."""
        rng = self._random
        placed: list[Spoken] = []
        pieces: list[np.ndarray] = []
        at = rng.uniform(0, 0.25) if rng.random() < 0.4 else rng.uniform(0.1, min(limit * 0.4, 8))
        most = 1 if limit < 3 or rng.random() < 0.3 else rng.randint(1, 10)
        while len(placed) < most and at < limit:
            one = rng.choice(self._corpus)
            one = stretch(one, rng.uniform(0.9, 1.12)) if rng.random() < 0.5 else one
            placed.append(Spoken(one.text, at, at + one.seconds, tuple(at + start for start in one.starts)))
            pieces.append(one.samples.astype(np.float32) / 32768 * 10 ** (rng.uniform(-4, 4) / 20))
            at += one.seconds + (rng.uniform(0.3, 1.5) if rng.random() < 0.8 else rng.uniform(1.5, 6))
        return placed, pieces

    def _trail(self, limit: float) -> float:
        kind = self._random.random()
        return limit if kind < 0.15 else self._random.uniform(0.02, 0.4 if kind < 0.5 else 2.5)

    def _recorded(self, sound: np.ndarray) -> np.ndarray:
        """Record speech with a random microphone, background and level, and blind a few mel bands now and then."""
        rng, numbers = self._random, self._numbers
        if rng.random() < 0.7:
            sound = colour(numbers, sound)
        loud = np.abs(sound) > 0.02 * np.abs(sound).max()
        power = float(np.sqrt((sound[loud] ** 2).mean()))
        if rng.random() < 0.7:
            kinds = NOISE if rng.random() < 0.8 else ANY_SOUND
            ratio = rng.uniform(5, 35) if kinds is NOISE else rng.uniform(14, 40)
            sound = sound + self._backgrounds.cut(numbers, len(sound), kinds) * power * 10 ** (-ratio / 20)
        sound = sound / np.abs(sound).max() * 10 ** (rng.uniform(-41, -0.2) / 20)
        return self._blinded(self._log_mel(sound))

    def _without_speech(self, frames: int) -> np.ndarray:
        rng, numbers = self._random, self._numbers
        length = rng.randint(frames // 8, frames) if rng.random() < 0.6 else frames
        kind = rng.random()
        sound = np.zeros(length * HOP, np.float32)
        if kind > 0.08:
            sound += self._backgrounds.cut(numbers, len(sound))
            if kind > 0.75:
                sound += self._backgrounds.cut(numbers, len(sound)) * rng.uniform(0.05, 1)
            if kind > 0.5:
                sound = colour(numbers, sound)
            sound = sound / max(1e-6, np.abs(sound).max()) * 10 ** (rng.uniform(-70, -0.1) / 20)
        return self._log_mel(sound)

    def _log_mel(self, sound: np.ndarray) -> np.ndarray:
        if self._random.random() < 0.5:
            sound = sound + self._numbers.standard_normal(len(sound), np.float32) * 10 ** self._random.uniform(-5, -3.7)
        rounded = np.round(sound.clip(-1, 1) * 32767).astype(np.float32) / 32768
        return log_mel(rounded, self._random.uniform(0, 3) if self._random.random() < 0.15 else 0.0)

    def _blinded(self, mel: np.ndarray) -> np.ndarray:
        if self._random.random() < 0.3:
            first = self._random.randrange(MELS)
            mel[:, first : first + self._random.randint(1, 10)] = mel.min()
        return mel


def _moved(one: Spoken, shift: float) -> Spoken:
    return Spoken(one.text, one.start + shift, one.end + shift, tuple(start + shift for start in one.words))
