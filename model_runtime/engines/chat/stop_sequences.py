"""Find stop sequences in a text that arrives in pieces."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(slots=True)
class StopSequenceMatcher:
    """Pass text through up to the first stop sequence; hold back an end that may be the start of one.

    If several match, the one that is complete first wins, then the longest, so the result does not depend on how the
    text is cut into pieces.
    """

    stop_sequences: tuple[str, ...]
    held_back: str = ""
    matched: str = ""
    """The stop sequence that was found."""

    def push(self, text: str) -> str:
        """Append the next piece and return the text that can be shown now; "" after a stop sequence."""
        if self.matched:
            return ""
        self.held_back += text
        if match := self._first_match():
            start, self.matched = match
            visible, self.held_back = self.held_back[:start], ""
            return visible
        safe_length = len(self.held_back) - partial_match_length(self.held_back, self.stop_sequences)
        visible, self.held_back = self.held_back[:safe_length], self.held_back[safe_length:]
        return visible

    def flush(self) -> str:
        """Return the text that is held back, at the end of the answer."""
        visible, self.held_back = self.held_back, ""
        return visible

    def _first_match(self) -> tuple[int, str] | None:
        """Return the index of the matching stop sequence and itself, if any."""
        occurrences = ((self.held_back.find(stop), stop) for stop in self.stop_sequences)
        matches = [(start + len(stop), start, stop) for start, stop in occurrences if start >= 0]
        return min(matches)[1:] if matches else None


def partial_match_length(text: str, sequences: Sequence[str]) -> int:
    """Return the length of the longest end of a text that begins one of the sequences and is not all of it."""
    longest = max(map(len, sequences), default=1) - 1
    for length in range(min(longest, len(text)), 0, -1):
        if any(sequence.startswith(text[-length:]) for sequence in sequences):
            return length
    return 0
