"""The page in a real Chromium; without one these tests are skipped, and say so."""

from __future__ import annotations

import json
import wave
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import pytest

from espnet_jst.serving.conf import ServeConf
from espnet_jst.serving.protocols.page import Page
from espnet_jst.serving.server import Server
from espnet_jst.text.subtitles import format_words
from espnet_jst.text.words import Word
from tests.serving import served
from tests.serving.browser import Tab, browser
from tests.serving.relay import Relay

pytestmark = pytest.mark.slow
FS = 8000
SPOKEN_S = 3.0
# What the page saves is caught where it becomes a file.
CATCH = """
const made = URL.createObjectURL;
URL.createObjectURL = (blob) => { blob.text().then((text) => { window.saved = text; }); return made(blob); };
"""
FINISHED = "document.getElementById('state').textContent === 'Finished.'"


def write(path: Path, data: bytes, fs: int) -> Path:
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, fs, 0, "NONE", ""))
        file.writeframes(data)
    return path


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tab]:
    spoken = write(tmp_path_factory.mktemp("spoken") / "spoken.wav", served.pcm(SPOKEN_S, fs=48_000, seed=9), 48_000)
    with browser([f"--use-file-for-fake-audio-capture={spoken}%noloop"]) as tab:
        yield tab


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with served.running() as server:
        yield server


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> list[bytearray]:
    """The samples that the server gets in each session of a page."""
    sessions: list[bytearray] = []
    of_wire: dict[Page, bytearray] = {}
    hear = Page.hear

    def kept(self: Page, message: str | bytes):
        if self not in of_wire:
            of_wire[self] = bytearray()
            sessions.append(of_wire[self])
        if isinstance(message, bytes):
            of_wire[self] += message
        return hear(self, message)

    monkeypatch.setattr(Page, "hear", kept)
    return sessions


def open_page(tab: Tab, address: str) -> None:
    tab.open("about:blank")  # so that another fragment alone is another page, too
    tab.requested.clear()
    tab.open(address)
    tab.wait("!document.getElementById('open').disabled")
    tab.value(CATCH)


def shown(tab: Tab, lane: str) -> str:
    """The words of a lane on the page, in their order."""
    return tab.value(f"[...document.querySelectorAll('.line.{lane} .word')].map((w) => w.textContent).join(' ')")


def saved(tab: Tab, form: str) -> str:
    tab.value("window.saved = null")
    tab.click(f"[data-form={form}]")
    return tab.wait("window.saved")


def test_a_dropped_recording_has_the_words_of_speech2text(tab: Tab, server: Server, tmp_path: Path) -> None:
    data = served.pcm(6.0, fs=FS, seed=1)
    open_page(tab, served.http(server))
    tab.drop(write(tmp_path / "talk.wav", data, FS))
    tab.wait(FINISHED)
    words = served.expected(data, FS)
    assert shown(tab, "transcript") == served.text(words, "transcript") != ""
    assert shown(tab, "translation") == served.text(words, "translation") != ""
    for form in ("srt", "vtt"):
        assert saved(tab, form) == format_words(words, form, languages=served.model().languages)
    document = json.loads(saved(tab, "json"))
    assert document["text"]["transcript"] == served.text(words, "transcript")
    spans = [(word["start_s"], word["end_s"], word["emission_s"]) for word in document["words"]]
    assert spans == [(word.start_s, word.end_s, word.emission_s) for word in words]
    assert {urlsplit(address).netloc for address in tab.requested} == {urlsplit(served.http(server)).netloc}


def test_words_are_reached_by_keys_and_nothing_is_cut_on_a_phone(tab: Tab, server: Server, tmp_path: Path) -> None:
    tab.resize(360, 780, dark=True)
    open_page(tab, served.http(server))
    tab.choose("#file", write(tmp_path / "talk.wav", served.pcm(6.0, fs=FS, seed=1), FS))
    tab.wait(FINISHED)
    assert tab.value("document.documentElement.scrollWidth") == 360
    assert tab.value("document.querySelectorAll('.word[tabindex=\"0\"]').length") == 1
    tab.value("document.querySelector('.word[tabindex=\"0\"]').focus()")
    for key in ("Home", "ArrowRight"):
        tab.press(key)
    about = tab.text("#about-word")
    assert "audio" in about and "delay" in about
    assert tab.value("document.activeElement.getAttribute('aria-describedby')") == "about-word"
    tab.press("Escape")
    assert tab.value("document.getElementById('about-word').hidden")
    tab.resize(1280, 900)


def test_the_microphone_has_the_words_of_what_was_captured(tab: Tab, server: Server, heard: list[bytearray]) -> None:
    """The browser resamples what its device captures, so the claim is about the samples that it has sent."""
    open_page(tab, served.http(server))
    rate = tab.value("new AudioContext().sampleRate")
    tab.click("#microphone")
    tab.wait(f"parseFloat(document.querySelector('#meters > div:last-child dd').textContent) > {SPOKEN_S}")
    tab.click("#stop")
    tab.wait(FINISHED)
    [data] = heard
    assert len(data) > 2 * SPOKEN_S * rate and np.abs(served.samples_of(bytes(data))).max() > 300
    words = served.expected(bytes(data), rate)
    assert shown(tab, "transcript") == served.text(words, "transcript") != ""
    assert shown(tab, "translation") == served.text(words, "translation")


def test_a_lost_connection_is_said_and_taken_up_again(
    tab: Tab, server: Server, heard: list[bytearray], tmp_path: Path
) -> None:
    data = served.pcm(20.0, fs=FS, seed=3)
    with Relay(server.listener.getsockname()[1]) as relay:
        open_page(tab, f"http://127.0.0.1:{relay.port}")
        tab.click("#realtime")
        tab.choose("#file", write(tmp_path / "talk.wav", data, FS))
        tab.wait("document.querySelectorAll('.word').length > 3")
        relay.cut()
        tab.wait("document.getElementById('state').textContent.startsWith('The connection is lost.')")
        count = tab.value("document.querySelectorAll('.word').length")
        relay.mend()
        tab.wait(FINISHED)
    assert tab.text(".seam").startswith("Connection lost at 0:")
    first, second = heard[0], heard[-1]
    assert data.startswith(first) and data.endswith(second)  # nothing between them is missing
    assert len(first) + len(second) >= len(data)
    from_s = (len(data) - len(second)) / 2 / FS
    words = [Word(**word) for word in json.loads(saved(tab, "json"))["words"]]
    stood, came = served.plain(words[:count]), words[count:]
    assert stood == served.expected(data, FS)[:count]
    seam = {word.lane: max(w.end_s for w in stood if w.lane == word.lane) for word in stood}
    again = served.expected(bytes(second), FS)
    fresh = [w for w in again if (w.start_s + w.end_s) / 2 + from_s >= seam.get(w.lane, 0.0)]
    assert [(word.text, word.lane) for word in came] == [(word.text, word.lane) for word in fresh] != []
    assert [word.start_s for word in came] == pytest.approx([word.start_s + from_s for word in fresh], abs=1e-6)


def test_a_token_stands_behind_the_hash_or_is_asked_for(tab: Tab) -> None:
    with served.running(ServeConf(token="secret")) as server:
        tab.open(served.http(server))
        tab.wait("!document.getElementById('token-form').hidden")
        assert "token is missing" in tab.text("#state")
        open_page(tab, f"{served.http(server)}/#token=secret")
        assert tab.value("location.href") == f"{served.http(server)}/"
