"""What a server allows, and where it listens."""

from __future__ import annotations

from dataclasses import dataclass

from espnet_jst.errors import ConfigError, JSTError
from espnet_jst.keys import Conf, key

LOOPBACK = ("127.0.0.1", "::1", "localhost")
MESSAGE_BYTES = 1 << 20  # of a message of a client; a longer one ends its session
PACKETS = 32  # of a session that wait at once, whatever their size
SEND_S = 20.0  # a client that takes nothing for so long is gone
# Closing codes of a WebSocket.
NORMAL, GOING_AWAY, UNUSABLE, TOO_LONG, INTERNAL, TRY_AGAIN = 1000, 1001, 1008, 1009, 1011, 1013


@dataclass(frozen=True, kw_only=True)
class ServeConf(Conf):
    """Limits of a server, and where it listens."""

    host: str = key("127.0.0.1", "address to listen on; for any but this machine's own a token is needed")
    port: int = key(8000, "port; 0: any that is free", low=0, high=65535)
    token: str | None = key(None, "what clients must show: Authorization: Bearer TOKEN, or ?token=TOKEN")
    origins: tuple[str, ...] = key((), "pages of other hosts that may use the server, as https://example.org")
    max_sessions: int = key(8, "sessions at once, recordings that are sent to be transcribed among them", low=1)
    ahead_s: float = key(10.0, "seconds of audio of a session that wait; a faster client has to wait too", low=1)
    session_s: float = key(14400.0, "longest session, in seconds of audio", low=1)
    upload_mb: float = key(512.0, "largest recording that is sent to be transcribed, in MB", low=1)
    gather_s: float = key(0.005, "how long a complete chunk waits for those of others", low=0, high=1)
    max_batch: int = key(64, "sessions computed at once; of more, those that have waited longest", low=1)
    idle_s: float = key(300.0, "a client that sends no audio for so long is let go", low=0.1)
    simulstream_log: str | None = key(None, "file that sessions of simulstream are added to, for its metrics")
    grace_s: float = key(60.0, "how long sessions may take to finish when the server is told to end", low=0)

    def check(self) -> None:
        if self.token is not None and (not self.token or not self.token.isascii() or not self.token.isprintable()):
            raise ConfigError("token: printable ASCII characters, at least one")
        if not self.loopback and self.token is None:
            raise ConfigError(
                f"host {self.host}: other machines could use the server: give a --token, or put it into "
                "JST_SERVE_TOKEN, that its clients have to show"
            )

    @property
    def loopback(self) -> bool:
        """Whether only this machine reaches the server."""
        return self.host in LOOPBACK


class RefusedError(JSTError):
    """A client cannot be served, or no longer; the message is for it.

    Args:
        message: why, and what to do.
        code: with which a WebSocket is closed.
        status: of an HTTP response.
        kind: what the refusals are counted as.
    """

    def __init__(self, message: str, *, code: int = UNUSABLE, status: int = 400, kind: str = "unusable") -> None:
        super().__init__(message)
        self.code, self.status, self.kind = code, status, kind


class BusyError(RefusedError):
    """No place is free; the same request may succeed later."""

    def __init__(self, message: str, *, kind: str = "busy") -> None:
        super().__init__(message, code=TRY_AGAIN, status=503, kind=kind)
