"""Buffers of Unix sockets. Standard library only."""

import socket

BUFFER_BYTES = 1 << 20


def enlarge_buffers(connection: socket.socket) -> None:
    """Let 1 MiB wait in each direction of a socket, or as much as the system allows.

    A Unix socket of macOS begins with 8 KiB (PIPSIZ of xnu, bsd/kern/uipc_usrreq.c).
    """
    for option in (socket.SO_SNDBUF, socket.SO_RCVBUF):
        try:
            connection.setsockopt(socket.SOL_SOCKET, option, BUFFER_BYTES)
        except OSError:  # ENOBUFS: more than kern.ipc.maxsockbuf
            return


def connected_pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected sockets with large buffers.

    Raises:
        OSError: the system has no descriptor left.
    """
    pair = socket.socketpair()
    for end in pair:
        enlarge_buffers(end)
    return pair
