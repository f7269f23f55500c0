"""The versions of a model that a pull can ask for."""

from enum import StrEnum


class Version(StrEnum):
    """Which commit of a repository a pull downloads."""

    KEPT = "kept"
    """The one that was pulled before; at first the shipped one."""
    NEWEST = "newest"
    """The newest one of the branch, or of `main` for a model that is pinned to a commit."""
    SHIPPED = "shipped"
    """The one that this Senses, or config.toml, names."""
