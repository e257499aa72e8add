"""WebSockets of clients that flood: what they send costs others no time, and what they do not read no memory."""

from __future__ import annotations

from asyncio import BaseTransport

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

READ_BYTES = 8192  # at once: of frames without a payload 256 KiB would be 40,000 messages, which nothing counts


class BoundedSockets(WebSocketsSansIOProtocol):
    """uvicorn's protocol with smaller reads; a ping is answered unless earlier answers wait for their reader."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        if hasattr(transport, "max_size"):  # asyncio's own
            transport.max_size = READ_BYTES

    def handle_ping(self) -> None:
        if self.writable.is_set():
            super().handle_ping()
        else:
            self.conn.data_to_send()  # the answer alone: everything else is written at once
