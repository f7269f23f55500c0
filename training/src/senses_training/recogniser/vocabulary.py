"""The few of Whisper's 51 864 English tokens that the starter knows, under compact numbers for training.

Nearly every word of the world is one GPT-2 token with its leading space. Times come in tenths of a second; only the first
second is finer, because on sound without speech the first time is trained to be uniform over all the decoder may pick
there (see `windows.no_speech`).
"""

from itertools import chain

N_VOCAB = 51864
END, START, PREVIOUS, NO_SPEECH, NO_TIMES, ZERO = 50256, 50257, 50360, 50361, 50362, 50363
BLANK = 198
"""A line break. A blank would do for segments, but the library's word times would join it to the word after it."""

WORDS = {
    "a": 257, "above": 2029, "again": 757, "alarm": 10436, "are": 389, "b": 275, "back": 736, "background": 4469,
    "below": 2174, "black": 2042, "blue": 4171, "c": 269, "call": 869, "camera": 4676, "cancel": 14241,
    "circle": 9197, "circles": 13332, "close": 1969, "copy": 4866, "d": 288, "dad": 9955, "delete": 12233,
    "describe": 6901, "diamond": 15291, "diamonds": 30984, "door": 3420, "down": 866, "draw": 3197, "e": 304,
    "eight": 3624, "eighteen": 29095, "eighty": 37516, "eleven": 22216, "evening": 6180, "f": 277, "fifteen": 17280,
    "fifty": 15334, "file": 2393, "find": 1064, "five": 1936, "forty": 16571, "forward": 2651, "four": 1440,
    "fourteen": 29167, "g": 308, "go": 467, "good": 922, "goodbye": 24829, "gray": 12768, "green": 4077, "h": 289,
    "heart": 2612, "hearts": 11954, "hello": 23748, "help": 1037, "here": 994, "home": 1363, "i": 1312, "j": 474,
    "k": 479, "l": 300, "lamp": 20450, "large": 1588, "later": 1568, "left": 1364, "letter": 3850, "lights": 7588,
    "list": 1351, "m": 285, "me": 502, "menu": 6859, "message": 3275, "mom": 1995, "morning": 3329, "music": 2647,
    "n": 299, "next": 1306, "night": 1755, "nine": 5193, "nineteen": 43063, "ninety": 37989, "no": 645, "note": 3465,
    "now": 783, "number": 1271, "o": 267, "of": 286, "off": 572, "okay": 8788, "on": 319, "one": 530, "open": 1280,
    "orange": 10912, "p": 279, "page": 2443, "pause": 14985, "photo": 4590, "pink": 11398, "play": 711,
    "please": 3387, "previous": 2180, "print": 3601, "purple": 14032, "q": 10662, "r": 374, "read": 1100,
    "rectangle": 35991, "red": 2266, "repeat": 9585, "right": 826, "ring": 5858, "rings": 13917, "s": 264,
    "save": 3613, "search": 2989, "send": 3758, "seven": 3598, "seventeen": 38741, "seventy": 31989, "show": 905,
    "six": 2237, "sixteen": 27913, "sixty": 24742, "small": 1402, "song": 3496, "sorry": 7926, "square": 6616,
    "squares": 24438, "star": 3491, "stars": 5788, "start": 923, "stop": 2245, "t": 256, "ten": 3478, "thank": 5875,
    "the": 262, "thirteen": 28306, "thirty": 12277, "three": 1115, "timer": 19781, "triangle": 22950,
    "triangles": 44360, "turn": 1210, "twelve": 14104, "twenty": 8208, "two": 734, "u": 334, "undo": 23981, "up": 510,
    "v": 410, "video": 2008, "volume": 6115, "w": 266, "wait": 4043, "welcome": 7062, "white": 2330, "window": 4324,
    "x": 2124, "y": 331, "yellow": 7872, "yes": 3763, "you": 345, "z": 1976, "zero": 6632,
}  # fmt: skip
"""Whisper's number of each word that is one token with the blank before it."""

PIECES = {"rectangles": (13621, 27787)}
"""The words of several tokens."""

FIRST_SECOND = range(51)
TENTHS = range(55, 1501, 5)

TOKENS: tuple[int, ...] = (
    END, START, PREVIOUS, NO_SPEECH, NO_TIMES, BLANK, *WORDS.values(), *chain(*PIECES.values()),
    *(ZERO + n for n in (*FIRST_SECOND, *TENTHS)),
)  # fmt: skip
"""Whisper's number of each trained token, by its compact number."""

COMPACT = {token: number for number, token in enumerate(TOKENS)}
UNKNOWN = len(TOKENS)
"""The compact number that stands for every token the starter never learned; it occurs in prompts only."""

FIRST_TIMES = tuple(COMPACT[ZERO + n] for n in FIRST_SECOND)
WORD_NUMBERS = tuple(COMPACT[token] for token in (*WORDS.values(), *chain(*PIECES.values())))


def spelled(word: str) -> tuple[int, ...]:
    """Give the compact numbers of a word of the world."""
    return tuple(COMPACT[token] for token in PIECES.get(word) or (WORDS[word],))


def encode(text: str) -> list[int]:
    """Give the compact numbers of a sentence of the world."""
    return [number for word in text.split() for number in spelled(word)]


def time(seconds: float) -> int:
    """Give the compact number of the nearest tenth of a second in the window."""
    return COMPACT[ZERO + 5 * min(300, max(0, round(seconds * 10)))]
