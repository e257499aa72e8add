"""Protocols of live sessions, a file each; `PROTOCOLS` lists them."""

from __future__ import annotations

from espnet_jst.serving.protocols.openai_realtime import OpenAIRealtime
from espnet_jst.serving.protocols.page import Page
from espnet_jst.serving.protocols.simulstream import Simulstream
from espnet_jst.serving.protocols.whisperlivekit import WhisperLiveKit
from espnet_jst.serving.wire import Wire

PROTOCOLS: tuple[type[Wire], ...] = (OpenAIRealtime, Simulstream, WhisperLiveKit, Page)
