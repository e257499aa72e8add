"""Words that a page holds, as subtitles: `POST /v1/subtitles?format=srt`, cut into cues as `transcribe` cuts them."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from espnet_jst.serving.access import check_access
from espnet_jst.serving.body import parts
from espnet_jst.serving.conf import RefusedError
from espnet_jst.serving.recordings import TYPES, form_of, refused
from espnet_jst.serving.scheduler import Scheduler
from espnet_jst.serving.wire import entry, read_json
from espnet_jst.text.subtitles import format_words
from espnet_jst.text.words import Word

MAX_BYTES = 4 << 20  # of words in JSON: those of some hours, which are read at once
MAX_TEXT = 1000  # characters of a word
MAX_S = 1e6
FORMS = [form for form in TYPES if form != "json"]


async def subtitles(request: Request, scheduler: Scheduler) -> Response:
    """`{"words": [...]}`, each with fields of `Word`: text, lane, start_s, end_s, language, speaker, glued."""
    try:
        check_access(scheduler.conf, request.headers, request.query_params)
        form = form_of(request, FORMS)
        body = await _body(request, scheduler)
        async with scheduler.documents:
            text = await asyncio.to_thread(_document, body, form, scheduler.model.languages)
        return Response(text, media_type=TYPES[form])
    except RefusedError as error:
        scheduler.meters.refusals[error.kind] += 1
        return refused(error)
    except ClientDisconnect:
        return Response(status_code=400)


async def _body(request: Request, scheduler: Scheduler) -> bytes:
    too_long = f"words of over {MAX_BYTES >> 20} MiB"
    return b"".join([part async for part in parts(request, MAX_BYTES, too_long, scheduler.conf.idle_s)])


def _document(body: bytes, form: str, languages: Mapping[str, str]) -> str:
    values = entry(read_json(body.decode("utf-8", "replace")), "words")
    if not isinstance(values, list):
        raise RefusedError("words: a list of them", kind="message")
    return format_words([_word(value) for value in values], form, languages=languages)


def _word(value: Any) -> Word:
    """A word that a page was sent before; of its times those of its audio."""
    text, lane, *named = (entry(value, key) for key in ("text", "lane", "language", "speaker"))
    start_s, end_s = times = [entry(value, key) for key in ("start_s", "end_s")]
    texts = [text, lane, *(name for name in named if name is not None)]
    if not all(isinstance(text, str) and len(text) <= MAX_TEXT for text in texts):
        raise RefusedError(f"text, lane, language and speaker of a word: texts of up to {MAX_TEXT} characters")
    if not all(type(time) in (int, float) and 0 <= time <= MAX_S for time in times):
        raise RefusedError("start_s and end_s of a word: seconds")
    glued = entry(value, "glued")
    said = {"language": named[0], "speaker": named[1], "glued": glued if isinstance(glued, bool) else None}
    return Word(text, lane, float(start_s), float(end_s), float(end_s), **said)
