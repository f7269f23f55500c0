"""`senses install`: add Senses to the configuration file and the skills of an MCP client, or remove it."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from mcp_server.client_setup import config_files
from mcp_server.client_setup.clients import CLIENT_CONFIGS, SERVER_NAME, ClientConfig
from mcp_server.client_setup.location import current_warning
from mcp_server.client_setup.skill_files import remove_skill, skill_files, write_skill


def install_text(client_name: str, folders: Sequence[Path], *, undo: bool, dry_run: bool, link: bool) -> str:
    """Add Senses to a client's file and its skill to the client's skills, or with `undo` remove them; return what happened.

    With `link` return an install link instead, with `dry_run` the new file and the names of others.

    Raises:
        ClientConfigError: the file cannot be edited, or the client has no links.
        OSError: a file cannot be written.
    """
    client, home = CLIENT_CONFIGS[client_name], Path.home()
    absolute_folders = [str(folder.expanduser().absolute()) for folder in folders]
    entry = config_files.server_entry(client, config_files.shim_command(), absolute_folders, home)
    if link:
        return config_files.install_link(client, entry)
    change = config_files.plan_edit(client, home, None if undo else entry)
    skill_folder = client.skills_folder(home) / SERVER_NAME if client.skills_folder else None
    skill = skill_files(skill_folder, is_plugin=client.has_plugins) if skill_folder else {}
    if dry_run:
        others = [f"# {'without' if undo else 'with'} {path}" for path in skill]
        return "\n".join([f"# {change.path}", (change.new_text or "# no file").rstrip("\n"), *others])
    done = [_apply(client, change), "" if undo else current_warning()]
    if skill_folder is not None:
        done.append(_apply_skill(skill, skill_folder, undo=undo))
    return "\n".join(filter(None, done))


def _apply(client: ClientConfig, change: config_files.ConfigChange) -> str:
    """Write the file if that changes anything; return what happened."""
    if not change.is_needed:
        return f"{client.title} is already set up this way ({change.path}); nothing changed."
    backup = change.write()
    done = f"Removed {change.path}." if change.new_text is None else f"Wrote {change.path}."
    backup_text = f" The old file is {backup}." if backup else ""
    return f"{done}{backup_text} {client.next_step or f'Restart {client.title}.'}"


def _apply_skill(files: Mapping[Path, str], folder: Path, *, undo: bool) -> str:
    """Write or remove the skill; return what happened."""
    if undo:
        return f"Removed the skill in {folder}." if remove_skill(files, folder) else ""
    write_skill(files)
    return f"The skill that tells the agent when to call what is in {folder}."
