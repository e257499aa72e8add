"""The process: a socket, a web server on it, and an end in which sessions are finished."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from types import FrameType

import uvicorn

from espnet_jst.errors import ConfigError
from espnet_jst.serving.about import ServedModel
from espnet_jst.serving.app import create_app
from espnet_jst.serving.conf import MESSAGE_BYTES, ServeConf
from espnet_jst.serving.prompt import PromptRequests
from espnet_jst.serving.scheduler import LOG, Scheduler
from espnet_jst.serving.sockets import BoundedSockets

PING_S = 20.0
GONE_MS = 60_000  # a peer that acknowledges nothing for so long is dead, whatever waits in buffers
CLOSE_S = 5  # for connections that are being closed when the server ends


class Server(uvicorn.Server):
    """On a first signal sessions are finished and nobody else is let in; a second one cuts them.

    Args:
        model: what is served.
        conf: limits.
        listener: the socket; see `listen`.
    """

    def __init__(self, model: ServedModel, conf: ServeConf, listener: socket.socket) -> None:
        app = create_app(model, conf)
        self.scheduler: Scheduler = app.state.scheduler
        self.listener = listener
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ending: asyncio.Task | None = None
        super().__init__(
            uvicorn.Config(
                app,
                http=PromptRequests,
                ws=BoundedSockets,
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                ws_max_size=MESSAGE_BYTES,
                ws_ping_interval=PING_S,
                ws_ping_timeout=None,  # an answer may stand behind much audio; GONE_MS finds the dead
                ws_per_message_deflate=False,
                timeout_graceful_shutdown=CLOSE_S,
            )
        )

    def serve_forever(self) -> None:
        """Until a signal comes."""
        self.run(sockets=[self.listener])

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self.finish()

    def finish(self) -> None:
        """Let sessions finish and end then; may be called from any thread. Called again, it cuts them."""
        if self._loop is None or self._ending is not None:
            self.should_exit = self.force_exit = True
        else:
            self._loop.call_soon_threadsafe(self._begin_end)

    def _begin_end(self) -> None:
        if self._ending is None:
            self._ending = asyncio.create_task(self._end())

    async def _end(self) -> None:
        LOG.info("ending: %d sessions are finished first", len(self.scheduler.streams))
        await self.scheduler.drain()
        self.should_exit = True


def _is_news(record: logging.LogRecord) -> bool:
    """A WebSocket that is denied is counted; uvicorn takes it for an application that has forgotten to answer. A text
    that is no UTF-8 is its client's fault: a line, and no traceback.
    """
    if "Invalid UTF-8" in record.getMessage():
        record.exc_info = None
    return "without completing handshake" not in record.getMessage()


def listen(host: str, port: int) -> socket.socket:
    """A listening socket that notices dead peers.

    Raises:
        ConfigError: the address cannot be used.
    """
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise ConfigError(f"--host {host} --port {port}: {error.strerror or error}") from error
    if sys.platform == "linux":  # what is accepted inherits it
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, GONE_MS)
    return listener


def address(listener: socket.socket) -> str:
    """Of the server, as clients write it."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def serve(model: ServedModel, conf: ServeConf) -> None:
    """Serve a model until a signal ends it.

    Raises:
        ConfigError: the address cannot be used.
    """
    listener = listen(conf.host, conf.port)
    if not logging.getLogger().handlers:
        logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s")
    LOG.setLevel(logging.INFO)
    LOG.info("serving %s at %s, %d sessions", model.name, address(listener), conf.max_sessions)
    Server(model, conf, listener).serve_forever()
