"""The files of the page, as they are in the package: nothing is built, and the page asks no other host for anything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

START, PALETTE = "index.html", "palette.css"  # the colours are those of the report
TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "media-src blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-cache",  # a newer server has newer files
}


def page_routes() -> list[Route]:
    """The page at `/`, its files below `/page/`. They are anybody's: what they ask the server for needs the token."""
    files = {file.name: file.read_bytes() for file in resources.files(__package__).iterdir() if _type(file.name)}
    files[PALETTE] = (resources.files("espnet_jst.evaluation.report") / PALETTE).read_bytes()
    start = files.pop(START)
    return [Route("/", _sends(start, START)), *(Route(f"/page/{name}", _sends(files[name], name)) for name in files)]


def _type(name: str) -> str | None:
    return TYPES.get(name[name.rfind(".") :])


def _sends(content: bytes, name: str) -> Callable[[Request], Awaitable[Response]]:
    async def send(request: Request) -> Response:
        return Response(content, headers=HEADERS, media_type=_type(name))

    return send
