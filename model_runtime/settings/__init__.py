"""Settings, parsed once from `config.toml` and `SENSES_*` variables and passed down frozen.

`SENSES_HOME` keeps everything of one instance in one folder; without it the platform's own folders are used.
"""

from model_runtime.settings.config_file import dotted
from model_runtime.settings.errors import SettingsError
from model_runtime.settings.folders import APP_NAME, InstanceFolders
from model_runtime.settings.load import load_settings
from model_runtime.settings.table import Settings

__all__ = ["APP_NAME", "InstanceFolders", "Settings", "SettingsError", "dotted", "load_settings"]
