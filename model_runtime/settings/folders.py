"""Where one instance keeps its things."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

APP_NAME = "Senses"


@dataclass(frozen=True, slots=True)
class InstanceFolders:
    """Where one instance keeps its things. Sockets and locks are in `run`."""

    config: Path
    data: Path
    run: Path
    logs: Path
    artifacts: Path
    inbox: Path

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> "InstanceFolders":
        """Return the folders of the instance that `environ` describes."""
        home = environ.get("SENSES_HOME", "")
        return cls.from_home(Path(home).expanduser().absolute()) if home else cls.from_platform()

    @classmethod
    def from_home(cls, home: Path) -> "InstanceFolders":
        """Return folders that keep everything of one instance in `home`."""
        return cls(home, home, home / "run", home / "logs", home / "artifacts", home / "inbox")

    @classmethod
    def from_platform(cls) -> "InstanceFolders":
        """Return the platform's own places for this user."""
        data = platformdirs.user_data_path(APP_NAME, appauthor=False)
        return cls(
            config=platformdirs.user_config_path(APP_NAME, appauthor=False),
            data=data,
            run=data / "run",
            logs=platformdirs.user_log_path(APP_NAME, appauthor=False),
            artifacts=data / "artifacts",
            inbox=data / "inbox",
        )
