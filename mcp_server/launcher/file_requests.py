"""Execute one file request: by the shim with the client's rights, or by the daemon with its own. Standard library only.

A request is {"do": …, "path": …}. "open", "stat", "resolve", "similar" and "newest" look at a path. "create" makes a new file below
"root" and answers with it and with the number of its folder, which stays open; one of "commit" (rename to "to") and
"discard" must follow, with that number as "folder", and closes it.
"""

import os

READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".gif", ".tif", ".tiff", ".bmp", ".heic")
SEARCH = getattr(os, "O_PATH", getattr(os, "O_SEARCH", os.O_RDONLY))
"""Opens a folder that may be entered but not listed: O_PATH of Linux, O_SEARCH of macOS, where Python has it."""
FOLDER_FLAGS = SEARCH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def execute(request: dict[str, str]) -> dict[str, int | str]:
    """Execute a request and return the fields of its answer: "fd" (an open file), "folder", "mode"
    (st_mode) or "name".

    Raises:
        OSError: the system refuses.
        ValueError, KeyError, TypeError, AttributeError: the request is unknown or malformed.
    """
    path = request["path"]
    match request["do"]:
        case "open":
            return {"fd": os.open(path, READ_FLAGS)}
        case "stat":
            return {"mode": os.lstat(path).st_mode}
        case "resolve":
            return {"name": os.path.realpath(path)}
        case "similar":
            return {"name": _similar_name(path)}
        case "newest":
            return {"name": _newest_picture(path)}
        case "create":
            return _create(path, request["root"])
        case "commit":
            _commit(int(request["folder"]), path, request["to"])
        case "discard":
            _discard(int(request["folder"]), path)
        case unknown:
            raise ValueError(unknown)
    return {}


def _create(path: str, root: str) -> dict[str, int | str]:
    parent, name = os.path.split(path)
    folder = open_folder(parent, root)
    try:
        return {"fd": os.open(name, CREATE_FLAGS, 0o666, dir_fd=folder), "folder": folder}
    except BaseException:
        os.close(folder)
        raise


def _commit(folder: int, name: str, final_name: str) -> None:
    try:
        os.replace(name, final_name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        _discard(folder, name)
        raise
    os.close(folder)


def _discard(folder: int, name: str) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except FileNotFoundError:
        pass  # someone else has deleted it
    finally:
        os.close(folder)


def open_folder(path: str, root: str) -> int:
    """Open a folder and make what is missing of it, from `root` on; both paths are absolute, and no link is followed.

    It is opened step by step from "/": a folder that becomes a link meanwhile leads nowhere.

    Raises:
        OSError: a part of the path is a link or a file, is missing above `root`, or cannot be made.
    """
    above_root = len(_names(os.path.dirname(root)))  # noqa: PTH120
    descriptor = os.open("/", FOLDER_FLAGS)
    for depth, name in enumerate(_names(path)):
        try:
            entered = _enter(descriptor, name, may_make=depth >= above_root)
        finally:
            os.close(descriptor)
        descriptor = entered
    return descriptor


def _names(path: str) -> list[str]:
    return [name for name in path.split("/") if name]


def _enter(folder: int, name: str, *, may_make: bool) -> int:
    try:
        return os.open(name, FOLDER_FLAGS, dir_fd=folder)
    except FileNotFoundError:
        if not may_make:
            raise
    try:
        os.mkdir(name, dir_fd=folder)
    except FileExistsError:
        pass  # another call has made it
    return os.open(name, FOLDER_FLAGS, dir_fd=folder)


def _similar_name(path: str) -> str:
    """Return the one visible file of the folder whose name differs only in case or ending; "" if there is not one.

    Raises:
        OSError: the folder cannot be listed.
    """
    folder, name = os.path.split(path)
    stem = os.path.splitext(name)[0].lower()  # noqa: PTH122
    names = [other for other in os.listdir(folder) if not other.startswith(".")]  # noqa: PTH208
    similar = [other for other in names if os.path.splitext(other)[0].lower() == stem]  # noqa: PTH122
    return similar[0] if len(similar) == 1 else ""


def _newest_picture(folder: str) -> str:
    """Return the name of the visible picture in a folder that was changed last; "" if there is none.

    Raises:
        OSError: the folder cannot be listed.
    """
    with os.scandir(folder) as entries:
        pictures = [
            (entry.stat(follow_symlinks=False).st_mtime, entry.name)
            for entry in entries
            if entry.name.lower().endswith(PICTURE_SUFFIXES)
            and not entry.name.startswith(".")
            and entry.is_file(follow_symlinks=False)
        ]
    return max(pictures, default=(0.0, ""))[1]
