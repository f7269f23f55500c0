"""Locks on files, which the system releases when their process ends. Standard library only."""

import errno
from fcntl import LOCK_EX, LOCK_NB, flock

UNSUPPORTED_ERRNOS = (errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK)
"""What flock(2) reports on disks without locks, such as network homes; macOS has different numbers for the first two."""


def try_lock(descriptor: int, path: str) -> bool:
    """Lock the open file until it is closed, without waiting; return False if another process has locked it.

    Raises:
        OSError: the disk has no locks; the message says what to do.
    """
    try:
        flock(descriptor, LOCK_EX | LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in UNSUPPORTED_ERRNOS:
            raise
        raise OSError(
            f"{path} is on a disk without file locks, such as a network home: set SENSES_HOME to a folder on a disk of "
            "this machine."
        ) from error
    return True
