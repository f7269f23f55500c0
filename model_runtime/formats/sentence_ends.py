"""Where sentences end: in a text that is spoken, and in one that is still being written."""

import re

NOT_AFTER_ABBREVIATION = r"(?<!\b[A-Z]\.)(?<!\b(?:Dr|Mr|Ms|St|vs)\.)(?<!\b(?:Mrs|etc|e\.g|i\.e|a\.m|p\.m)\.)"
"""Regular expression that matches after a full stop unless it ends an abbreviation."""

SENTENCE_END = re.compile(rf"(?<=[.!?…]){NOT_AFTER_ABBREVIATION}[\"'”’)\]]*\s+|(?<=[।。！？])[」』”’]*\s*|\s*\n\s*")
"""What is between two sentences, with the closing quotes of the first."""

_LIST_NUMBER = re.compile(r"(?:^|\s)\d+\.$")
_LIST_NUMBER_CHARACTERS = 8


def split_off_sentences(text: str, max_characters: int) -> tuple[str, str]:
    """Return the whole sentences that a text begins with, at most `max_characters` of them, and the rest.

    The number of a list entry ends no sentence. A sentence that is longer than the limit is cut at a space, or anywhere.
    """
    gaps = SENTENCE_END.finditer(text, 0, max_characters)
    length = max((gap.end() for gap in gaps if not _ends_list_number(text, gap.start())), default=0)
    if not length and len(text) > max_characters:
        length = text.rfind(" ", 0, max_characters) + 1 or max_characters
    return text[:length], text[length:]


def _ends_list_number(text: str, end: int) -> bool:
    return bool(_LIST_NUMBER.search(text, max(end - _LIST_NUMBER_CHARACTERS, 0), end))
