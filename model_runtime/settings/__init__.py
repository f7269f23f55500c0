"""Settings of one instance, parsed once from `config.toml` and the `SENSES_*` variables, then passed down frozen."""

from model_runtime.errors import SettingsError
from model_runtime.settings.config_file import dotted
from model_runtime.settings.folders import APP_NAME, InstanceFolders
from model_runtime.settings.load import load_settings
from model_runtime.settings.table import Settings

__all__ = ["APP_NAME", "InstanceFolders", "Settings", "SettingsError", "dotted", "load_settings"]
