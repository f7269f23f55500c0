"""Where one instance keeps its things."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

APP = "Senses"


@dataclass(frozen=True, slots=True)
class Folders:
    """Where one instance keeps its things. Sockets and locks are in `run`."""

    config: Path
    data: Path
    run: Path
    logs: Path
    artifacts: Path
    inbox: Path

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> "Folders":
        """Return the folders of the instance that `environ` describes."""
        home = environ.get("SENSES_HOME", "")
        return cls.under(Path(home).expanduser().absolute()) if home else cls.of_platform()

    @classmethod
    def under(cls, home: Path) -> "Folders":
        """Return folders that keep everything of one instance in `home`."""
        return cls(home, home, home / "run", home / "logs", home / "artifacts", home / "inbox")

    @classmethod
    def of_platform(cls) -> "Folders":
        """Return the platform's own places for this user."""
        data = platformdirs.user_data_path(APP, appauthor=False)
        return cls(
            config=platformdirs.user_config_path(APP, appauthor=False),
            data=data,
            run=data / "run",
            logs=platformdirs.user_log_path(APP, appauthor=False),
            artifacts=data / "artifacts",
            inbox=data / "inbox",
        )
