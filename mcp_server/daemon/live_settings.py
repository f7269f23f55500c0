"""The settings in force: config.toml is read again when it changes, and what can change while the daemon runs does.

A config.toml that cannot be used changes nothing; health and the log say why.
"""

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

import anyio
from anyio import to_thread

from model_runtime.errors import InvalidInput, OperationFailed
from model_runtime.problems import Problems
from model_runtime.settings import Settings, SettingsError, load_settings
from model_runtime.settings.config_file import ConfigFile
from model_runtime.settings.edit import remove_setting, write_setting
from model_runtime.settings.table import SETTINGS, Setting
from model_runtime.settings.values import changed_fields, setting_values, why_not_editable

POLL_SECONDS = 2.0
PROBLEM = "config.toml"

log = logging.getLogger(__name__)


class LiveSettings:
    """Owns the settings in force; `apply` is called with them after a change."""

    def __init__(
        self, settings: Settings, environ: Mapping[str, str], apply: Callable[[Settings], None], problems: Problems
    ) -> None:
        self.current = settings
        self.file = settings.folders.config / "config.toml"
        self.error = ""
        """Why config.toml cannot be used at present."""
        self._environ = environ
        self._apply = apply
        self._problems = problems
        self._at_start: Settings | None = None
        self._loaded: Settings | None = None
        """What config.toml and the variables said when they could last be used."""
        self._listed: list[dict[str, Any]] = []
        self._fingerprint: tuple[int, ...] | None = None
        self._lock = anyio.Lock()

    async def watch(self) -> None:
        """Read config.toml again whenever it has changed, until cancelled."""
        while True:
            async with self._lock:
                if self._loaded is None or await to_thread.run_sync(self._look) != self._fingerprint:
                    await self._reload()
            await anyio.sleep(POLL_SECONDS)

    async def listed(self) -> list[dict[str, Any]]:
        """Return every setting as JSON; see `SettingValue`."""
        if not self._listed:
            async with self._lock:
                await self._reload()
        return self._listed

    async def change(self, key: str, value: Any) -> dict[str, Any]:
        """Write a setting into config.toml, use it from now on, and return it as JSON.

        Raises:
            InvalidInput: there is no such setting, it cannot be changed now, or the value is not accepted.
            OperationFailed: config.toml cannot be written.
        """
        row = self._editable(key)
        try:
            row.kind.parse(value)
        except (LookupError, TypeError, ValueError):
            raise InvalidInput(f"{key} is {value!r:.100}. It must be {row.kind.accepted}.", param="value") from None
        return await self._edit(key, lambda: write_setting(self.file, tuple(key.split(".")), value))

    async def reset(self, key: str) -> dict[str, Any]:
        """Remove a setting from config.toml, use its default from now on, and return it as JSON.

        Raises:
            InvalidInput: there is no such setting, or it cannot be changed now.
            OperationFailed: config.toml cannot be written.
        """
        self._editable(key)
        return await self._edit(key, lambda: remove_setting(self.file, tuple(key.split("."))))

    async def _edit(self, key: str, edit: Callable[[], None]) -> dict[str, Any]:
        async with self._lock:
            await self._reload()
            if self.error:
                raise InvalidInput(
                    f"config.toml cannot be changed before it can be used again: {self.error}", param="key"
                )
            try:
                await to_thread.run_sync(edit)
            except SettingsError as error:
                raise InvalidInput(error.message, param="key") from error
            except OSError as error:
                raise OperationFailed(f"{self.file} cannot be written: {error.strerror}.") from error
            await self._reload()
        return next(setting for setting in self._listed if setting["key"] == key)

    def _editable(self, key: str) -> Setting:
        row = SETTINGS.get(key)
        if row is None or not row.variable:
            raise InvalidInput(f"There is no setting {key!r:.100}.", param="key", code="not_found")
        if why_not := why_not_editable(row, self._environ):
            raise InvalidInput(f"{key} cannot be changed here. {why_not}", param="key", code="not_editable")
        return row

    async def _reload(self) -> None:
        """Read config.toml and the variables; the lock is held."""
        self._fingerprint = await to_thread.run_sync(self._look)
        try:
            config, loaded = await to_thread.run_sync(self._load)
        except SettingsError as error:
            self.error = error.message
            self._problems.report(PROBLEM, f"{error.message} Until that is corrected, the settings before it are used.")
            return
        self.error = ""
        self._problems.clear(PROBLEM)
        before, self._loaded = self._loaded or loaded, loaded
        self._at_start = self._at_start or loaded
        self._use(changed_fields(SETTINGS.values(), before, loaded))
        values = setting_values(self.current, self._at_start, loaded, config, self._environ)
        self._listed = [asdict(value) for value in values]

    def _use(self, changed: dict[str, Any]) -> None:
        if changed:
            self.current = replace(self.current, **changed)
            log.info("Changed settings are used from now on: %s", ", ".join(changed))
            self._apply(self.current)

    def _look(self) -> tuple[int, ...] | None:
        try:
            file_stat = os.stat(self.file)  # noqa: PTH116 - of the file that a link leads to
        except OSError:
            return None
        return file_stat.st_mtime_ns, file_stat.st_size, file_stat.st_ino

    def _load(self) -> tuple[ConfigFile, Settings]:
        return ConfigFile.read(self.file), load_settings(self._environ, self.current.folders)
