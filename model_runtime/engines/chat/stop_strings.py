"""Stop strings in a text that arrives in pieces."""

from dataclasses import dataclass


@dataclass(slots=True)
class StopStrings:
    """Lets text through up to the first stop string, and holds back an end that may be the start of one.

    Where several match, the one that is complete first wins, the longest of those; so the result does not depend on
    how the text was cut into pieces.
    """

    stops: tuple[str, ...]
    held: str = ""
    met: bool = False

    def push(self, text: str) -> str:
        """Take in the next piece and return what may be shown now; nothing more once a stop string was met."""
        if self.met:
            return ""
        self.held += text
        end = self._first_match()
        if end is not None:
            self.met = True
            shown, self.held = self.held[:end], ""
            return shown
        safe = len(self.held) - self._possible_start()
        shown, self.held = self.held[:safe], self.held[safe:]
        return shown

    def finish(self) -> str:
        """Return what was held back, now that no more text comes."""
        shown, self.held = self.held, ""
        return shown

    def _first_match(self) -> int | None:
        """Where the text before the winning stop string ends."""
        found = ((self.held.find(stop), stop) for stop in self.stops)
        matches = [(start + len(stop), start) for start, stop in found if start >= 0]
        return min(matches)[1] if matches else None

    def _possible_start(self) -> int:
        """Length of the longest end that a stop string begins with."""
        longest = max(map(len, self.stops), default=1) - 1
        for length in range(min(longest, len(self.held)), 0, -1):
            if any(stop.startswith(self.held[-length:]) for stop in self.stops):
                return length
        return 0
