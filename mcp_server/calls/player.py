"""Play recordings on this machine's speakers, one at a time, in the background."""

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
    """Plays WAV files in order, in `task_group`, with the first of `commands` that is installed."""

    def __init__(self, task_group: TaskGroup, commands: tuple[tuple[str, ...], ...] = PLAYER_COMMANDS) -> None:
        self._task_group = task_group
        self._commands = commands
        self._lock = anyio.Lock()

    def play(self, path: Path) -> bool:
        """Play a file after the earlier ones. Return False if no player is installed."""
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
                logger.warning("%s cannot be started: %s", command[0], error)
                return
            if completed.returncode:
                stderr = completed.stderr.decode(errors="replace")
                logger.warning("%s exited with status %d: %s", command[0], completed.returncode, stderr)
