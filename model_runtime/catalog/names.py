"""The names of models that clients send. They are checked here before anything looks at the disk."""

import re

_PART = r"[A-Za-z0-9][\w.-]{0,95}"
REPOSITORY_ID = re.compile(f"{_PART}/{_PART}", re.ASCII)
"""owner/name, each of at most 96 characters."""
ALIAS = re.compile(_PART, re.ASCII)


def is_repository_id(name: str) -> bool:
    """Return whether `name` has the form owner/name of a Hugging Face repository id."""
    return REPOSITORY_ID.fullmatch(name) is not None and "--" not in name and ".." not in name


def is_model_name(name: str) -> bool:
    """Return whether `name` has the form of an alias or of a repository id, and so may be an argument of a command."""
    return ALIAS.fullmatch(name) is not None or is_repository_id(name)
