"""One WebSocket: what the client says goes to a stream, what the stream writes goes to the client."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from starlette.responses import PlainTextResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from espnet_jst.config import json_text
from espnet_jst.evaluation.files import DecodedUtterance
from espnet_jst.serving.access import check_access
from espnet_jst.serving.conf import GOING_AWAY, INTERNAL, MESSAGE_BYTES, NORMAL, SEND_S, TOO_LONG, RefusedError
from espnet_jst.serving.scheduler import LOG, Scheduler, Stream
from espnet_jst.serving.wire import Message, Wire

REASON_BYTES = 123  # of a close frame


async def converse(socket: WebSocket, protocol: type[Wire], scheduler: Scheduler) -> None:
    """A session in one protocol, from its first message to its last; whatever goes wrong is this client's alone."""
    refusals = scheduler.meters.refusals
    try:
        check_access(scheduler.conf, socket.headers, socket.query_params)
    except RefusedError as error:
        refusals[error.kind] += 1
        await socket.send_denial_response(PlainTextResponse(f"{error}\n", error.status))
        return
    client, wire, stream = _Client(socket), None, None
    try:
        await socket.accept()
        wire = protocol(socket.query_params, scheduler.model)
        stream = scheduler.open(protocol.name)
        await client.say(wire.opening())
        await _session(client, wire, stream, scheduler)
        await asyncio.to_thread(_log_events, wire, stream, scheduler.conf.simulstream_log)
        await client.close(GOING_AWAY if scheduler.draining else NORMAL)
    except RefusedError as error:
        if stream is None or error is not stream.failure:  # that one is counted already
            refusals[error.kind] += 1
            LOG.info("session %s: refused: %s", stream.name if stream else protocol.name, error)
        await client.refuse(wire.refusal(error) if wire else (), error.code, str(error))
    except (WebSocketDisconnect, TimeoutError):
        pass  # gone, or it takes nothing
    except Exception:
        LOG.exception("session %s", stream.name if stream else protocol.name)
        await client.refuse((), INTERNAL, "an error inside of the server")
    finally:
        if stream is not None:
            stream.close()


def _log_events(wire: Wire, stream: Stream, path: str | None) -> None:
    finished = DecodedUtterance(stream.name, stream.duration_s, tuple(stream.words), stream.chunks)
    lines = "".join(json_text(event) + "\n" for event in wire.events(stream.number, finished)) if path else ""
    if path and lines:
        with open(path, "a", encoding="utf-8") as log:
            log.write(lines)


class _Client:
    """The sending side of a WebSocket; a client that takes nothing for a while is a TimeoutError."""

    def __init__(self, socket: WebSocket) -> None:
        self.socket = socket
        self._turn = asyncio.Lock()

    async def say(self, messages: Iterable[Message]) -> None:
        """Send messages of JSON, none in between."""
        async with asyncio.timeout(SEND_S), self._turn:
            for message in messages:
                await self.socket.send_text(json_text(message))

    async def close(self, code: int, reason: str = "") -> None:
        """Close, with a reason that may be cut."""
        async with asyncio.timeout(SEND_S):
            await self.socket.close(code, reason.encode(errors="replace")[:REASON_BYTES].decode("utf-8", "ignore"))

    async def refuse(self, messages: Iterable[Message], code: int, reason: str) -> None:
        """Say why it ends, to a client that may be gone."""
        try:
            await self.say(messages)
            await self.close(code, reason)
        except (WebSocketDisconnect, TimeoutError, RuntimeError):  # starlette's error after the end is a RuntimeError
            pass


async def _session(client: _Client, wire: Wire, stream: Stream, scheduler: Scheduler) -> None:
    """Read and write at the same time, until all is written or either fails."""
    reading = asyncio.create_task(_read(client, wire, stream, scheduler))
    writing = asyncio.create_task(_write(client, wire, stream))
    try:
        await asyncio.wait((reading, writing), return_when=asyncio.FIRST_COMPLETED)
    finally:
        first = writing if writing.done() else reading
        for task in (reading, writing):
            task.cancel()
        await asyncio.gather(reading, writing, return_exceptions=True)
    await first


async def _read(client: _Client, wire: Wire, stream: Stream, scheduler: Scheduler) -> None:
    """Until the client goes: whoever has said the end is still listened to, so that it is known whether it is there."""
    loop, idle_s, begun = asyncio.get_running_loop(), scheduler.conf.idle_s, False
    due = loop.time() + idle_s
    while True:
        message = await _receive(client.socket, None if stream.ended else due, idle_s)
        if stream.ended:
            continue
        if len(message) > MESSAGE_BYTES:
            raise RefusedError(f"a message of over {MESSAGE_BYTES} bytes", code=TOO_LONG, kind="message")
        heard = wire.hear(message)
        if heard.replies:
            await client.say(heard.replies)
        if heard.samples is not None:
            if not begun:
                stream.start(wire.fs, scheduler.model.tgt_lang(wire.tgt_lang))
                begun = True
            await stream.put(heard.samples)
        if heard.samples is not None and len(heard.samples):
            due = loop.time() + idle_s
        else:
            await asyncio.sleep(0)  # others take their turn, however many such messages have come
        if heard.ended:
            stream.end()


async def _receive(socket: WebSocket, due: float | None, idle_s: float) -> str | bytes:
    try:
        async with asyncio.timeout_at(due):
            message = await socket.receive()
    except TimeoutError:
        raise RefusedError(f"no audio came for {idle_s:g} s", code=GOING_AWAY, kind="idle") from None
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", GOING_AWAY))
    text = message.get("text")
    return text if text is not None else message.get("bytes") or b""


async def _write(client: _Client, wire: Wire, stream: Stream) -> None:
    """Whoever reads slowly gets more words at once: nothing but the words themselves waits for it."""
    shown, done = 0, False
    while not done:
        await stream.changed()
        done, words = stream.done, stream.words[shown:]
        shown += len(words)
        await client.say(wire.show(words, stream.progress))
    if stream.failure:
        raise stream.failure
    await client.say(wire.closing())
