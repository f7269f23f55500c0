"""The few of Whisper's 51 864 English tokens that the starter knows, under compact numbers for training.

Every word of the world is one GPT-2 token with its leading space. Times come in tenths of a second; only the first
second is finer, because on sound without speech the first time is trained to be uniform over all the decoder may pick
there (see `windows.no_speech`).
"""

from training import world

N_VOCAB = 51864
END, START, PREVIOUS, NO_SPEECH, NO_TIMES, ZERO = 50256, 50257, 50360, 50361, 50362, 50363
BLANK = 198
"""A line break. A blank would do for segments, but the library's word times would join it to the word after it."""

WORDS = {
    "a": 257, "above": 2029, "background": 4469, "below": 2174, "black": 2042, "blue": 4171, "circle": 9197,
    "describe": 6901, "draw": 3197, "eight": 3624, "five": 1936, "four": 1440, "gray": 12768, "green": 4077,
    "heart": 2612, "large": 1588, "left": 1364, "me": 502, "nine": 5193, "of": 286, "on": 319, "one": 530,
    "orange": 10912, "pink": 11398, "purple": 14032, "read": 1100, "red": 2266, "right": 826, "seven": 3598,
    "show": 905, "six": 2237, "small": 1402, "square": 6616, "star": 3491, "three": 1115, "triangle": 22950,
    "two": 734, "white": 2330, "yellow": 7872, "zero": 6632,
}  # fmt: skip

STEPS_PER_SECOND = 50
FIRST_SECOND = range(51)
TENTHS = range(55, 1501, 5)

TOKENS: tuple[int, ...] = (
    END, START, PREVIOUS, NO_SPEECH, NO_TIMES, BLANK, *WORDS.values(), *(ZERO + n for n in (*FIRST_SECOND, *TENTHS)),
)  # fmt: skip
"""Whisper's number of each trained token, by its compact number."""

COMPACT = {token: number for number, token in enumerate(TOKENS)}
UNKNOWN = len(TOKENS)
"""The compact number that stands for every token the starter never learned; it occurs in prompts only."""

FIRST_TIMES = tuple(COMPACT[ZERO + n] for n in FIRST_SECOND)
WORD_NUMBERS = tuple(COMPACT[token] for token in WORDS.values())


def encode(text: str) -> list[int]:
    """Give the compact numbers of a sentence of the world."""
    return [COMPACT[WORDS[word]] for word in text.split()]


def time(seconds: float) -> int:
    """Give the compact number of the nearest tenth of a second in the window."""
    return COMPACT[ZERO + 5 * min(300, max(0, round(seconds * 10)))]


def words_missing() -> set[str]:
    """Name the words of the world that have no token here; empty while grammar and table agree."""
    phrases = (*world.COLORS, *world.SHAPES, *world.SIZES, *world.RELATIONS, *world.DIGITS, *world.VERBS)
    return set(" ".join((*phrases, "a on background")).split()) - set(WORDS)
