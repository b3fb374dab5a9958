"""Where the servers of tests listen."""

from __future__ import annotations

import socket


def listening() -> socket.socket:
    """A free port of loopback, whose connections send at once.

    asyncio asks for that only where a socket names its protocol; without it, the second packet of
    every answer waits 40 ms for the client to acknowledge the first.
    """
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
