"""Execute one file request: by the shim with the client's rights, or by the daemon with its own. Standard library only.

A request is {"do": "open" | "create" | "stat" | "resolve" | "similar" | "rename" | "unlink", "path": …}; "rename" also has "to".
"""

import os

READ_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
CREATE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def execute(request: dict[str, str]) -> dict[str, int | str]:
    """Execute a request and return the fields of its answer: "fd" (an open descriptor), "mode" (st_mode) or "name".

    Raises:
        OSError: the system refuses.
        ValueError, KeyError, TypeError, AttributeError: the request is unknown or malformed.
    """
    path = request["path"]
    match request["do"]:
        case "open":
            return {"fd": os.open(path, READ_FLAGS)}
        case "create":
            return {"fd": os.open(path, CREATE_FLAGS, 0o666)}
        case "stat":
            return {"mode": os.lstat(path).st_mode}
        case "resolve":
            return {"name": os.path.realpath(path)}
        case "similar":
            return {"name": _similar_name(path)}
        case "rename":
            os.replace(path, request["to"])  # noqa: PTH105
        case "unlink":
            os.unlink(path)  # noqa: PTH108
        case unknown:
            raise ValueError(unknown)
    return {}


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
