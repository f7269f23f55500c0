"""How short of memory the system says that the machine is, and since when it has said so."""

from dataclasses import dataclass
from enum import IntEnum


class Pressure(IntEnum):
    """Levels with the numbers of macOS: NOTE_MEMORYSTATUS_PRESSURE_NORMAL, …_WARN and …_CRITICAL (XNU, sys/event.h)."""

    NORMAL = 1
    WARNING = 2
    CRITICAL = 4

    @classmethod
    def from_level(cls, level: int) -> "Pressure":
        """Return the highest level that is not above this number; NORMAL for one that is below all."""
        return max((each for each in cls if each <= level), default=cls.NORMAL)


@dataclass(frozen=True, slots=True)
class LastingPressure:
    """A level, and when the system first reported it without a break, in seconds of the runtime's clock."""

    level: Pressure = Pressure.NORMAL
    since: float = 0.0

    def updated(self, level: Pressure, now: float) -> "LastingPressure":
        """Return the pressure after another reading."""
        return self if level is self.level else LastingPressure(level, now)
