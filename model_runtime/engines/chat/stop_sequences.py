"""Stop strings in a text that arrives in pieces."""

from dataclasses import dataclass


@dataclass(slots=True)
class StopSequenceMatcher:
    """Lets text through up to the first stop string, and holds back an end that may be the start of one.

    Where several match, the one that is complete first wins, the longest of those; so the result does not depend on
    how the text was cut into pieces.
    """

    stop_sequences: tuple[str, ...]
    held_back: str = ""
    matched: bool = False

    def push(self, text: str) -> str:
        """Take in the next piece and return what may be shown now; nothing more once a stop string was met."""
        if self.matched:
            return ""
        self.held_back += text
        end = self._match_start()
        if end is not None:
            self.matched = True
            visible, self.held_back = self.held_back[:end], ""
            return visible
        safe_length = len(self.held_back) - self._partial_match_length()
        visible, self.held_back = self.held_back[:safe_length], self.held_back[safe_length:]
        return visible

    def flush(self) -> str:
        """Return what was held back, now that no more text comes."""
        visible, self.held_back = self.held_back, ""
        return visible

    def _match_start(self) -> int | None:
        """Where the text before the winning stop string ends."""
        occurrences = ((self.held_back.find(stop), stop) for stop in self.stop_sequences)
        matches = [(start + len(stop), start) for start, stop in occurrences if start >= 0]
        return min(matches)[1] if matches else None

    def _partial_match_length(self) -> int:
        """Length of the longest end that a stop string begins with."""
        longest = max(map(len, self.stop_sequences), default=1) - 1
        for length in range(min(longest, len(self.held_back)), 0, -1):
            if any(stop.startswith(self.held_back[-length:]) for stop in self.stop_sequences):
                return length
        return 0
