"""Folders of one instance."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import platformdirs

APP_NAME = "Senses"


@dataclass(frozen=True, slots=True)
class InstanceFolders:
    """Folders of one instance. `run` holds its socket and locks."""

    config: Path
    data: Path
    run: Path
    logs: Path
    artifacts: Path
    inbox: Path

    @classmethod
    def of_environment(cls, environ: Mapping[str, str]) -> "InstanceFolders":
        """Return the folders below `SENSES_HOME`, or the platform's own if that is not set."""
        home = environ.get("SENSES_HOME", "")
        return cls.from_home(Path(home).expanduser().absolute()) if home else cls.from_platform()

    @classmethod
    def from_home(cls, home: Path) -> "InstanceFolders":
        """Return folders that keep everything of one instance below `home`."""
        return cls(home, home, home / "run", home / "logs", home / "artifacts", home / "inbox")

    @classmethod
    def from_platform(cls) -> "InstanceFolders":
        """Return the platform's folders of this application for the current user."""
        config = platformdirs.user_config_path(APP_NAME, appauthor=False)
        data = platformdirs.user_data_path(APP_NAME, appauthor=False)
        logs = platformdirs.user_log_path(APP_NAME, appauthor=False)
        return cls(config, data, data / "run", logs, data / "artifacts", data / "inbox")
