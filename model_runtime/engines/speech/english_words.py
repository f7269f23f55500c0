"""English sentences as words with their parts of speech: enough for a pronouncing dictionary to choose by, no more.

The dictionary asks whether "used" or "record" is a verb, and little else; a few closed classes and endings answer that.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

_CLOSED: Mapping[str, str] = {
    **dict.fromkeys("a an the this that these those every each some any no".split(), "DT"),  # noqa: SIM905
    **dict.fromkeys(
        "in on at by for with from of about into over under after before as if than because while through between "  # noqa: SIM905
        "without against during vs".split(),
        "IN",
    ),
    **dict.fromkeys("i you he she it we they me him her us them".split(), "PRP"),  # noqa: SIM905
    **dict.fromkeys("will would can could may might must shall should".split(), "MD"),  # noqa: SIM905
    "to": "TO",
    "am": "VBP",
}
_PUNCTUATION: Mapping[str, str] = {
    **dict.fromkeys(".!?", "."),
    **dict.fromkeys((";", ":", "—", "–", "-", "…", "..."), ":"),
    ",": ",",
    "(": "-LRB-",
    ")": "-RRB-",
    "[": "-LRB-",
    "]": "-RRB-",
    "“": "``",
    "”": "''",
    **dict.fromkeys("$£€", "$"),
    "#": "#",
}
_ENDINGS: Mapping[str, str] = {"ly": "RB", "ing": "VBG", "ed": "VBD"}
_NUMBER = re.compile(r"[-+]?\d[\d,.]*")

_WORD = re.compile(
    r"(?:Dr|Mr|Mrs|Ms|Prof|St|Jr|Sr|vs|etc|e\.g|i\.e)\."
    r"|\.\.\.|[$£€#]"
    r"|\d+(?:[.,]\d+)*(?:st|nd|rd|th|s|%)?(?![^\W\d_])"
    r"|(?:[A-Za-z]\.){2,}"
    r"|['’]s\b"
    r"|[^\W\d_]+(?:['’](?!s\b)[^\W\d_]+)*(?!\w)"
    r"|[^\W_]+|[^\w\s]|_+"
)


def split(text: str) -> Iterator[tuple[str, str]]:
    """Give words and punctuation, each with the space after it."""
    found = list(_WORD.finditer(text))
    for word, following in zip_longest(found, found[1:]):
        gap = text[word.end() : following.start()] if following else ""
        yield word.group(), " " if gap else ""


def tags(words: Sequence[str]) -> list[str]:
    """Give each word its Penn Treebank tag, nouns where nothing speaks for another."""
    found: list[str] = []
    quoted = False
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        if word == '"':
            found.append("''" if quoted else "``")
            quoted = not quoted
        else:
            found.append(_tag(word, found[-1] if found else "", following.lower()))
    return found


def _tag(word: str, before: str, following: str) -> str:
    lower = word.lower()
    if closed := _PUNCTUATION.get(word) or _CLOSED.get(lower):
        return closed
    if _NUMBER.fullmatch(word):
        return "CD"
    if lower == "used":
        return "VBD" if following == "to" and before in ("NN", "PRP", "NNP") else "VBN"
    if word.isupper() and len(word) > 1:
        return "NNP"
    if before in ("TO", "MD", "PRP"):  # "to record", "I live"
        return "VB"
    return next((tag for ending, tag in _ENDINGS.items() if lower.endswith(ending)), "NN")
