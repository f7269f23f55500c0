"""What is raised for settings that cannot be used."""

from model_runtime.errors import SensesError


class SettingsError(SensesError):
    """A setting cannot be used; the message names it, its value and what is accepted."""

    code = "bad_settings"
