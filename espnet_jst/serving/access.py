"""Who may use the server: the token, pages of other hosts, and names that only seem to be this machine's."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from espnet_jst.serving.conf import LOOPBACK, RefusedError, ServeConf


def check_access(conf: ServeConf, headers: Mapping[str, str], query: Mapping[str, str]) -> None:
    """Let a request in.

    A browser says with `Origin` whose page it shows. A page of another host is kept out unless it is in `origins`, and
    on the loopback interface so is one that has made its own name point to this machine.

    Raises:
        RefusedError: it may not be served.
    """
    host = headers.get("host", "")
    if conf.loopback and _hostname(f"//{host}") not in LOOPBACK:
        raise RefusedError("this host name is not the server's: use 127.0.0.1 or localhost", status=403, kind="host")
    origin = headers.get("origin")
    own = (f"http://{host}", f"https://{host}")
    if origin is not None and origin not in (*own, *conf.origins):
        raise RefusedError("pages of this origin may not use the server: see --origin", status=403, kind="origin")
    if conf.token is not None:
        scheme, _, shown = headers.get("authorization", "").partition(" ")
        shown = shown.strip() if scheme.lower() == "bearer" else query.get("token", "")
        if not hmac.compare_digest(shown.encode("utf-8", "replace"), conf.token.encode()):
            raise RefusedError("the token is missing or wrong", status=401, kind="token")


def _hostname(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None
