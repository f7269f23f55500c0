"""The skill that tells an agent when to call which tool, in the folder where its client looks for skills.

A skill is a folder with SKILL.md (agentskills.io). Seen to be loaded by Claude Code 2.1.330 (`claude plugin init` makes a
plugin in ~/.claude/skills; `claude plugin list`), Codex 0.171.0 (`codex debug prompt-input`), opencode 1.18.33
(`opencode debug skill`) and Gemini CLI 0.61.0 (`gemini skills list`). Cursor's folder is from cursor.com/docs/skills; it
was not run.
"""

from collections.abc import Mapping
from pathlib import Path

from model_runtime.atomic_file import write_atomically

AGENT_FILES = Path(__file__).parent / "agents"
"""Links into `packaging/agents`, so that an installed wheel has the files as well."""
SKILL, PLUGIN = ("SKILL.md",), (".claude-plugin", "plugin.json")


def skill_files(folder: Path, *, is_plugin: bool) -> dict[Path, str]:
    """Return the files of the skill by their paths in its `folder`; a plugin of Claude Code has a manifest, too."""
    parts = [SKILL, PLUGIN] if is_plugin else [SKILL]
    return {folder.joinpath(*names): (AGENT_FILES / names[-1]).read_text(encoding="utf-8") for names in parts}


def write_skill(files: Mapping[Path, str]) -> None:
    """Write the files; older ones of Senses are replaced.

    Raises:
        OSError: a file cannot be written.
    """
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())


def remove_skill(files: Mapping[Path, str], folder: Path) -> bool:
    """Remove the files, and their folders unless they hold other files; return whether there were any.

    Raises:
        OSError: a file cannot be removed.
    """
    present = [path for path in files if path.exists()]
    for path in present:
        path.unlink()
    for parent in sorted({path.parent for path in files} | {folder}, key=lambda one: -len(one.parts)):
        if parent.is_dir() and not any(parent.iterdir()):
            parent.rmdir()
    return bool(present)
