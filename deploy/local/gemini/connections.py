"""The TCP connections behind the requests, so that an answer can be cut off the way networks do it."""

import asyncio
import socket
import struct
from typing import Literal

from uvicorn.protocols.http.h11_impl import H11Protocol

How = Literal["reset", "close"]
Peer = tuple[str, int]


class Connections:
    """Open connections by the client's address."""

    def __init__(self) -> None:
        self._open: dict[Peer, tuple[asyncio.Transport, asyncio.Event]] = {}

    def opened(self, peer: Peer, transport: asyncio.Transport) -> None:
        self._open[peer] = (transport, asyncio.Event())

    def closed(self, peer: Peer) -> None:
        _, gone = self._open.pop(peer)
        gone.set()

    async def cut(self, peer: Peer, how: How) -> None:
        """Send RST (what is not yet sent is lost) or FIN (it is sent first); returns when it has happened."""
        if peer not in self._open:
            return
        transport, gone = self._open[peer]
        if how == "reset":
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()
        else:
            transport.close()
        await gone.wait()

    async def left(self, peer: Peer) -> None:
        """Wait until the client has gone."""
        if peer in self._open:
            await self._open[peer][1].wait()


def protocol_for(connections: Connections) -> type[H11Protocol]:
    """uvicorn's HTTP protocol, keeping `connections` up to date."""

    class WatchedProtocol(H11Protocol):
        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            if self.client is not None:
                connections.opened(self.client, transport)

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            if self.client is not None:
                connections.closed(self.client)

    return WatchedProtocol
