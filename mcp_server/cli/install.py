"""`senses install`: add Senses to the configuration file of an MCP client, or remove it."""

from collections.abc import Sequence
from pathlib import Path

from mcp_server.client_setup import config_files
from mcp_server.client_setup.location import current_warning


def install_text(client_name: str, folders: Sequence[Path], *, undo: bool, dry_run: bool, link: bool) -> str:
    """Add Senses to a client's file, or with `undo` remove it; return what happened.

    With `link` return an install link instead, with `dry_run` the new file.

    Raises:
        ClientConfigError: the file cannot be edited, or the client has no links.
        OSError: the file cannot be written.
    """
    client, home = config_files.CLIENT_CONFIGS[client_name], Path.home()
    absolute_folders = [str(folder.expanduser().absolute()) for folder in folders]
    entry = config_files.server_entry(client, config_files.shim_command(), absolute_folders, home)
    if link:
        return config_files.install_link(client, entry)
    change = config_files.plan_edit(client, home, None if undo else entry)
    if dry_run:
        return f"# {change.path}\n{change.new_text}".rstrip("\n")
    return "\n".join(filter(None, (_apply(client, change), "" if undo else current_warning())))


def _apply(client: config_files.ClientConfig, change: config_files.ConfigChange) -> str:
    """Write the file if that changes anything; return what happened."""
    if not change.is_needed:
        return f"{client.title} is already set up this way ({change.path}); nothing changed."
    backup = change.write()
    backup_text = f" The old file is {backup}." if backup else ""
    return f"Wrote {change.path}.{backup_text} {client.next_step or f'Restart {client.title}.'}"
