"""Zenodo and a Hugging Face hub on this machine: the routes that an upload takes, and what they received."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Receiver(ThreadingHTTPServer):
    """A server that keeps its requests and files."""

    def __init__(self, handler: type[BaseHTTPRequestHandler]) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self.requests: list[tuple[str, str]] = []
        self.tokens: set[str | None] = set()
        self.files: dict[str, bytes] = {}
        self.large: dict[str, bytes] = {}
        self.metadata: dict[str, Any] = {}
        self.refuse = False
        self.garble = False

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def _receive(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.requests.append((self.command, self.path))
        return body

    def _answer(self, value: Any, status: int = 200) -> None:
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


class Zenodo(_Handler):
    """Depositions of Zenodo's REST API."""

    def do_POST(self) -> None:
        body = self._receive()
        self.server.tokens.add(self.headers["Authorization"])
        if self.server.refuse:
            self._answer({"message": f"no right, {self.headers['Authorization']}"}, 403)
            return
        assert (self.path, json.loads(body)) == ("/api/deposit/depositions", {})
        site = self.server.address
        self._answer({"id": 77, "links": {"bucket": f"{site}/api/files/b1", "html": f"{site}/deposit/77"}}, 201)

    def do_PUT(self) -> None:
        body = self._receive()
        self.server.tokens.add(self.headers["Authorization"])
        if self.path == "/api/deposit/depositions/77":
            self.server.metadata = json.loads(body)["metadata"]
            self._answer({})
            return
        self.server.files[self.path.removeprefix("/api/files/b1/")] = body
        digest = hashlib.md5(body + (b"!" if self.server.garble else b"")).hexdigest()
        self._answer({"checksum": f"md5:{digest}"}, 201)


class HuggingFace(_Handler):
    """Repositories and commits of the hub; `.pth` and `.safetensors` go the way of large files."""

    def do_POST(self) -> None:
        body = self._receive()
        self.server.tokens.add(self.headers["Authorization"])
        site = self.server.address
        if self.server.refuse:
            self._answer({"error": "no right"}, 403)
        elif self.path == "/api/repos/create":
            asked = json.loads(body)
            self._answer({"url": f"{site}/{asked['organization']}/{asked['name']}", "id": "x"})
        elif self.path == "/api/validate-yaml":
            self._answer({"warnings": [], "errors": []})
        elif self.path.endswith("/preupload/main"):
            names = [entry["path"] for entry in json.loads(body)["files"]]
            self._answer(
                {"files": [{"path": name, "uploadMode": _mode(name), "shouldIgnore": False} for name in names]}
            )
        elif self.path.endswith(".git/info/lfs/objects/batch"):
            wanted = json.loads(body)["objects"]
            actions = [{**e, "actions": {"upload": {"href": f"{site}/large/{e['oid']}"}}} for e in wanted]
            self._answer({"transfer": "basic", "objects": actions})
        elif self.path.endswith("/commit/main"):
            self._commit([json.loads(line) for line in body.splitlines()])
            self._answer({"commitUrl": f"{site}/org/name/commit/abc123", "commitOid": "abc123"})
        else:
            self._answer({"error": self.path}, 404)

    def do_PUT(self) -> None:
        self.server.large[self.path.removeprefix("/large/")] = self._receive()
        self._answer({})

    def _commit(self, lines: list[dict]) -> None:
        for line in lines:
            value = line["value"]
            if line["key"] == "file":
                self.server.files[value["path"]] = base64.b64decode(value["content"])
            elif line["key"] == "lfsFile":
                self.server.files[value["path"]] = self.server.large[value["oid"]]


def _mode(name: str) -> str:
    return "lfs" if name.endswith((".pth", ".safetensors")) else "regular"


@contextmanager
def running(handler: type[_Handler]) -> Iterator[Receiver]:
    """The server, until the end of the block."""
    server = Receiver(handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
