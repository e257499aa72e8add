"""The addresses of the server."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from espnet_jst.serving.about import ServedModel
from espnet_jst.serving.access import check_access
from espnet_jst.serving.conf import RefusedError, ServeConf
from espnet_jst.serving.connection import converse
from espnet_jst.serving.description import description
from espnet_jst.serving.page.routes import page_routes
from espnet_jst.serving.protocols import PROTOCOLS
from espnet_jst.serving.recordings import refused, transcribe
from espnet_jst.serving.scheduler import LOG, Scheduler
from espnet_jst.serving.subtitles import subtitles
from espnet_jst.serving.wire import Wire
from espnet_jst.version import __version__


def create_app(model: ServedModel, conf: ServeConf) -> Starlette:
    """An application whose scheduler runs as long as it does; it is `app.state.scheduler`."""
    scheduler = Scheduler(model, conf)
    said = description(model, scheduler.longest_s)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        steps = asyncio.create_task(scheduler.run())
        steps.add_done_callback(partial(_report, scheduler))
        try:
            yield
        finally:
            steps.cancel()
            await asyncio.gather(steps, return_exceptions=True)

    async def health(request: Request) -> Response:
        state = "broken" if scheduler.broken else "draining" if scheduler.draining else "ok"
        free = conf.max_sessions - len(scheduler.streams)
        about = {"status": state, "model": model.name, "lanes": [*model.speech2text.lanes], "version": __version__}
        return JSONResponse({**about, "sessions": len(scheduler.streams), "free": free}, 200 if state == "ok" else 503)

    async def metrics(request: Request) -> Response:
        try:
            check_access(conf, request.headers, request.query_params)
        except RefusedError as error:
            return refused(error)
        waiting_s = sum(stream.waiting_s for stream in scheduler.streams)
        text = scheduler.meters.text(len(scheduler.streams), waiting_s)
        return PlainTextResponse(text, media_type="text/plain; version=0.0.4")

    async def about(request: Request) -> Response:
        try:
            check_access(conf, request.headers, request.query_params)
        except RefusedError as error:
            return refused(error)
        return JSONResponse(said)

    async def recordings(request: Request) -> Response:
        return await transcribe(request, scheduler)

    async def documents(request: Request) -> Response:
        return await subtitles(request, scheduler)

    routes = [
        Route("/health", health),
        Route("/metrics", metrics),
        Route("/v1/model", about),
        Route("/v1/recordings", recordings, methods=["POST"]),
        Route("/v1/subtitles", documents, methods=["POST"]),
        *page_routes(),
        *(WebSocketRoute(path, _endpoint(protocol, scheduler)) for protocol in PROTOCOLS for path in protocol.paths),
    ]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.scheduler = scheduler
    return app


def _endpoint(protocol: type[Wire], scheduler: Scheduler) -> Callable[[WebSocket], Awaitable[None]]:
    async def endpoint(socket: WebSocket) -> None:
        await converse(socket, protocol, scheduler)

    return endpoint


def _report(scheduler: Scheduler, steps: asyncio.Task) -> None:
    """A scheduler that ends by itself is a fault that must not stay unseen: /health says it from then on."""
    if not steps.cancelled():
        scheduler.broken = True
        LOG.critical("the scheduler ended", exc_info=steps.exception())
