"""A recording by HTTP: its bytes come in, run through the scheduler as a stream, and go out as a document."""

from __future__ import annotations

import asyncio
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any, BinaryIO, TypeVar

import numpy as np
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from espnet_jst.errors import DataError, JSTError
from espnet_jst.inference.audio.recording import Recording, packets
from espnet_jst.inference.documents import Document
from espnet_jst.inference.remarks import item_error
from espnet_jst.serving.access import check_access
from espnet_jst.serving.body import parts
from espnet_jst.serving.conf import RefusedError, ServeConf
from espnet_jst.serving.scheduler import LOG, Scheduler, Stream
from espnet_jst.serving.wire import language_code

R = TypeVar("R")
NAME = "recording"
TYPES = {
    "json": "application/json",
    "srt": "application/x-subrip",
    "vtt": "text/vtt",
    "ttml": "application/ttml+xml",
    "txt": "text/plain",
}
PACKET_S = 1.0
RETRY_S = "5"  # after which a client may ask again


async def transcribe(request: Request, scheduler: Scheduler) -> Response:
    """`POST /v1/recordings?format=srt&tgt_lang=de` with the bytes of an audio file as its body."""
    try:
        check_access(scheduler.conf, request.headers, request.query_params)
        return await _transcribe(request, scheduler)
    except RefusedError as error:
        scheduler.meters.refusals[error.kind] += 1
        return refused(error)
    except DataError as error:
        scheduler.meters.refusals["audio"] += 1
        return refused(RefusedError(str(error)))
    except ClientDisconnect:
        return Response(status_code=400)


def form_of(request: Request, forms: Sequence[str]) -> str:
    """The format that is asked for, by default the first one.

    Raises:
        RefusedError: it is none of them.
    """
    form: str = request.query_params.get("format", forms[0])
    if form not in forms:
        raise RefusedError(f"format {form[:20]!r}: one of {', '.join(forms)}")
    return form


def refused(error: RefusedError) -> Response:
    """A reason as JSON."""
    headers = {"Retry-After": RETRY_S} if error.status == 503 else {}
    return JSONResponse({"error": str(error)}, error.status, headers)


async def _transcribe(request: Request, scheduler: Scheduler) -> Response:
    form = form_of(request, list(TYPES))
    tgt_lang = scheduler.model.tgt_lang(language_code(request.query_params.get("tgt_lang")))
    stream = scheduler.open("recording", live=False)
    try:
        with tempfile.TemporaryFile() as file:
            await _receive(request, file, scheduler.conf)
            working = asyncio.create_task(_hear(file, stream, tgt_lang))
            leaving = asyncio.create_task(_leave(request))
            await asyncio.wait((working, leaving), return_when=asyncio.FIRST_COMPLETED)
            leaving.cancel()
            if not working.done():
                working.cancel()
                await asyncio.gather(working, leaving, return_exceptions=True)
                raise ClientDisconnect
            await working
        text = await asyncio.to_thread(_document, scheduler, stream, form)
        return Response(text, media_type=TYPES[form])
    finally:
        stream.close()


async def _receive(request: Request, file: BinaryIO, conf: ServeConf) -> None:
    """The body into a file that has no name."""
    too_long = f"a recording of over {conf.upload_mb:g} MB"
    async for part in parts(request, int(conf.upload_mb * 1e6), too_long, conf.idle_s):
        await asyncio.to_thread(file.write, part)


async def _leave(request: Request) -> None:
    """Until the client is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _hear(file: BinaryIO, stream: Stream, tgt_lang: str | None) -> None:
    file.seek(0)
    recording = await _in_thread(_opened, file)
    try:
        stream.start(recording.fs, tgt_lang)
        pieces = packets(recording.blocks(), max(1, round(PACKET_S * recording.fs)))
        while (piece := await _in_thread(_next, pieces)) is not None and not stream.ended:
            await stream.put(piece)
    finally:
        recording.close()
    stream.end()
    while not stream.done:
        await stream.changed()
    if stream.failure:
        raise stream.failure


async def _in_thread(work: Callable[[Any], R], argument: Any) -> R:
    """The result of work in a thread, which has ended in any case: nothing is closed under its hands."""
    working = asyncio.ensure_future(asyncio.to_thread(work, argument))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.wait((working,))
        raise


def _opened(file: BinaryIO) -> Recording:
    return Recording(file, name=NAME, notify=lambda name, remark: None, convert=False)


def _next(pieces: Iterator[np.ndarray]) -> np.ndarray | None:
    """A block, None at the end; whatever a decoder makes of strange bytes is an error of the recording."""
    try:
        return next(pieces, None)
    except JSTError:
        raise
    except Exception as error:
        LOG.exception("a recording could not be read")
        raise DataError(item_error(error)) from error


def _document(scheduler: Scheduler, stream: Stream, form: str) -> str:
    model, text = scheduler.model, io.StringIO()
    document = Document(text, form, lanes=list(model.speech2text.lanes), languages=dict(model.languages))
    document.add(NAME, stream.result, stream.duration_s)
    document.close()
    return text.getvalue()
