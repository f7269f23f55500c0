"""Where in a JSON text an answer is: what is open, and how long it has become."""

from dataclasses import dataclass, field

QUOTE, BACKSLASH, COMMA = b'"\\,'
OPENERS, CLOSERS = b"[{", b"]}"
NUMBER_BYTES = b"+-.0123456789eE"

MAX_STRING_BYTES = 32_768
"""Of one string or key: about 8000 words. A model that repeats itself does not end one."""
MAX_NUMBER_BYTES = 64
"""Of one number; the longest that programs write has 25."""
MAX_ITEMS = 4096
"""Of one list or object."""
MAX_DEPTH = 32
"""Lists and objects in each other."""


@dataclass(slots=True)
class JsonPosition:
    """The end of a part of a JSON text. Text that is no JSON leads to no error, only to a position without meaning."""

    in_string: bool = False
    run_bytes: int = 0
    """The bytes of the string, or outside strings of the number, that is not finished."""
    commas: list[int] = field(default_factory=list)
    """The commas in each open list or object, the innermost last."""
    _is_escaped: bool = False

    def advance(self, text: bytes) -> None:
        """Go on by the next bytes of the text."""
        for byte in text:
            if self.in_string:
                self._advance_in_string(byte)
            else:
                self._advance_outside(byte)

    @property
    def is_overlong(self) -> bool:
        """Whether the innermost of what is open has reached its limit."""
        if self.in_string:
            return self.run_bytes >= MAX_STRING_BYTES
        is_full = bool(self.commas) and self.commas[-1] >= MAX_ITEMS - 1
        return is_full or self.run_bytes >= MAX_NUMBER_BYTES or len(self.commas) >= MAX_DEPTH

    def _advance_in_string(self, byte: int) -> None:
        self.run_bytes += 1
        if self._is_escaped:
            self._is_escaped = False
        elif byte == BACKSLASH:
            self._is_escaped = True
        elif byte == QUOTE:
            self.in_string, self.run_bytes = False, 0

    def _advance_outside(self, byte: int) -> None:
        self.run_bytes = self.run_bytes + 1 if byte in NUMBER_BYTES else 0
        if byte == QUOTE:
            self.in_string, self.run_bytes = True, 0
        elif byte in OPENERS:
            self.commas.append(0)
        elif byte in CLOSERS and self.commas:
            self.commas.pop()
        elif byte == COMMA and self.commas:
            self.commas[-1] += 1
