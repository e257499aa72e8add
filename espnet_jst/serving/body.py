"""The body of a request, as long as it is allowed to be, from a client that sends it in good time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from starlette.requests import Request

from espnet_jst.serving.conf import RefusedError

SLOWEST = 4096  # bytes per second, beyond the time that a client may be silent: whoever sends less holds a place


async def parts(request: Request, most: int, what: str, idle_s: float) -> AsyncIterator[bytes]:
    """The parts of a body.

    Args:
        most: bytes.
        what: "a recording of over 5 MB", for the message.

    Raises:
        RefusedError: there are more, or they come too slowly.
        ClientDisconnect: the client is gone.
    """
    loop, count = asyncio.get_running_loop(), 0
    said, begun, stream = request.headers.get("content-length", "0"), loop.time(), request.stream()
    if said.isdigit() and int(said) > most:
        raise RefusedError(what, status=413, kind="length")
    while True:
        try:
            async with asyncio.timeout_at(begun + idle_s + count / SLOWEST):
                part = await anext(stream, None)
        except TimeoutError:
            reason = f"{count} bytes came in {loop.time() - begun:.0f} s, which is too slow"
            raise RefusedError(reason, status=408, kind="idle") from None
        if part is None:
            return
        count += len(part)
        if count > most:
            raise RefusedError(what, status=413, kind="length")
        yield part
