"""Playing a recording on this machine's speakers, one at a time, without holding up the call that asked for it."""

import logging
import shutil
import subprocess
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

logger = logging.getLogger(__name__)

PLAYER_COMMANDS = (("afplay",), ("pw-play",), ("paplay",), ("aplay", "-q"))
"""macOS, PipeWire, PulseAudio, ALSA."""


class AudioPlayer:
    """Plays WAV files in the order they come, in `tasks`."""

    def __init__(self, task_group: TaskGroup, commands: tuple[tuple[str, ...], ...] = PLAYER_COMMANDS) -> None:
        self._task_group = task_group
        self._commands = commands
        self._lock = anyio.Lock()

    def play(self, path: Path) -> bool:
        """Start to play a file once those before it ended; False where no program can."""
        command = next((program for program in self._commands if shutil.which(program[0])), None)
        if command is None:
            return False
        self._task_group.start_soon(self._play, [*command, str(path)])
        return True

    async def _play(self, command: list[str]) -> None:
        async with self._lock:
            try:
                completed = await anyio.run_process(command, check=False, stdout=subprocess.DEVNULL)
            except OSError as error:
                logger.warning("%s could not be started: %s", command[0], error)
                return
            if completed.returncode:
                logger.warning(
                    "%s ended with %d: %s", command[0], completed.returncode, completed.stderr.decode(errors="replace")
                )
