"""Split English sentences into words and tag their parts of speech, as far as misaki's dictionary needs them.

The dictionary uses tags to choose between pronunciations such as the noun and the verb "record". A few closed word
classes and suffixes are enough for that.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import zip_longest

_CLOSED_CLASS_TAGS: Mapping[str, str] = {
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
_PUNCTUATION_TAGS: Mapping[str, str] = {
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
_SUFFIX_TAGS: Mapping[str, str] = {"ly": "RB", "ing": "VBG", "ed": "VBD"}
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


def split_words(text: str) -> Iterator[tuple[str, str]]:
    """Yield words and punctuation, each with the space after it: " " or ""."""
    matches = list(_WORD.finditer(text))
    for word, following in zip_longest(matches, matches[1:]):
        gap = text[word.end() : following.start()] if following else ""
        yield word.group(), " " if gap else ""


def tag_words(words: Sequence[str]) -> list[str]:
    """Return the Penn Treebank tag of each word; the default is a noun."""
    tags: list[str] = []
    is_inside_quotes = False
    for word, following in zip_longest(words, words[1:], fillvalue=""):
        if word == '"':
            tags.append("''" if is_inside_quotes else "``")
            is_inside_quotes = not is_inside_quotes
        else:
            tags.append(_tag_word(word, tags[-1] if tags else "", following.lower()))
    return tags


def _tag_word(word: str, previous_tag: str, next_word: str) -> str:
    lower = word.lower()
    if fixed_tag := _PUNCTUATION_TAGS.get(word) or _CLOSED_CLASS_TAGS.get(lower):
        return fixed_tag
    if _NUMBER.fullmatch(word):
        return "CD"
    if lower == "used":
        return "VBD" if next_word == "to" and previous_tag in ("NN", "PRP", "NNP") else "VBN"
    if word.isupper() and len(word) > 1:
        return "NNP"
    if previous_tag in ("TO", "MD", "PRP"):  # "to record", "I live"
        return "VB"
    return next((tag for ending, tag in _SUFFIX_TAGS.items() if lower.endswith(ending)), "NN")
