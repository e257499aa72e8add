"""Depositing a pack at Zenodo through its REST API: a draft with a record number, which its owner then publishes."""

from __future__ import annotations

import hashlib
import html
import json
import os
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from espnet_jst.config import json_text
from espnet_jst.errors import ConfigError, UploadError

SITE = "https://zenodo.org"
SANDBOX = "https://sandbox.zenodo.org"
TOKEN_VARIABLE = "ZENODO_TOKEN"
NO_TOKEN = f"no token for Zenodo: make one under Account, Applications, with deposit:write, and set {TOKEN_VARIABLE}"
_TIMEOUT_S = 600.0


@dataclass(frozen=True, kw_only=True)
class Deposit:
    """A draft at Zenodo.

    Attributes:
        record: its number, which it keeps when it is published.
        page: where its owner looks it over and publishes it.
        url: where its file will be.
    """

    record: int
    page: str
    url: str


def find_token() -> str | None:
    """The token of the environment; never shown."""
    return os.environ.get(TOKEN_VARIABLE) or None


def file_url(site: str, record: int | str, name: str) -> str:
    """Where a file of a published record is, in the form that espnet_model_zoo's table has."""
    return f"{site}/record/{record}/files/{quote(name)}?download=1"


def metadata(*, title: str, creator: str, license: str, card: str, languages: Sequence[str] = ()) -> dict[str, Any]:
    """What Zenodo says about the deposit.

    Args:
        license: of the weights, as an identifier such as cc-by-sa-4.0.
        card: the model card; shown as text without its front matter.

    Raises:
        ConfigError: Zenodo needs a creator, and would choose a licence where none is named.
    """
    for name, value in (("creator", creator), ("license", license)):
        if not value.strip():
            raise ConfigError(f"--{name} must be given: a record at Zenodo has one")
    body = card.split("---\n", 2)[-1] if card.startswith("---\n") else card
    return {
        "upload_type": "other",
        "title": title,
        "creators": [{"name": creator}],
        "license": license.lower(),
        "description": f"<pre>{html.escape(body.strip())}</pre>",
        "keywords": ["ESPnet", "espnet_jst", "speech-recognition", "speech-translation", "streaming", *languages],
    }


def deposit(file: Path, about: dict[str, Any], *, token: str, site: str = SITE) -> Deposit:
    """Make a draft and put the file into it.

    Raises:
        UploadError: Zenodo refused, could not be reached, or has other bytes than were sent; the message names the
            draft where one was made, which stays and can be deleted there.
    """
    made = _call("POST", f"{site}/api/deposit/depositions", token, {})
    draft = Deposit(record=made["id"], page=made["links"]["html"], url=file_url(site, made["id"], file.name))
    try:
        _call("PUT", f"{site}/api/deposit/depositions/{draft.record}", token, {"metadata": about})
        bucket = made["links"]["bucket"]
        if urlsplit(bucket).netloc != urlsplit(site).netloc:
            raise UploadError(f"{site} names another server to send the file to: {bucket}")
        taken = _call("PUT", f"{bucket}/{quote(file.name)}", token, file)
        if taken.get("checksum") != f"md5:{_md5(file)}":
            raise UploadError(f"{file.name}: Zenodo received other bytes than were sent")
    except UploadError as error:
        raise UploadError(f"{error}; the unfinished draft is {draft.page}: delete it there and try again") from error
    return draft


def _call(method: str, url: str, token: str, body: dict[str, Any] | Path) -> dict[str, Any]:
    """One request; the body is JSON, or the bytes of a file read piece by piece. The token is in no address."""
    headers = {"Accept": "application/json"}
    try:
        if isinstance(body, Path):
            headers |= {"Content-Type": "application/octet-stream", "Content-Length": str(body.stat().st_size)}
            with open(body, "rb") as file:
                return _answer(urllib.request.Request(url, file, headers, method=method), token)
        headers["Content-Type"] = "application/json"
        return _answer(urllib.request.Request(url, json_text(body).encode(), headers, method=method), token)
    except urllib.error.HTTPError as error:
        said = error.read(2000).decode("utf-8", "replace").replace(token, "***").strip()
        raise UploadError(f"{method} {url}: Zenodo answers {error.code} {error.reason}: {said}") from error
    except (OSError, ValueError) as error:
        raise UploadError(f"{method} {url}: {type(error).__name__}: {error}") from error


def _answer(request: urllib.request.Request, token: str) -> dict[str, Any]:
    request.add_unredirected_header("Authorization", f"Bearer {token}")  # another server must not see it
    with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as response:
        return json.load(response)


def _md5(file: Path) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    with open(file, "rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()
