"""A data directory with everything that can be wrong with one, and what each item must be called."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from espnet_jst.data import kaldi

FS = 16000
TEXTS = ("text.lc.en", "text.lc.de")
SOURCE, TARGET, LINKS, TIMES = "one two", "eins zwei", "0-0 1-1", "0.4 0.9"
TOKENS = ["<blank>", "<unk>", *"abcdefghijklmnopqrstuvwxyzäöüß", "<space>", "<asr>", "<st>", "<sos/eos>"]

ERRORS = {
    "zero_bytes": "audio-empty",
    "header_only": "audio-header-only",
    "cut_wav": "audio-truncated",
    "cut_ogg": "audio-truncated",
    "cut_aiff": "audio-truncated",
    "cut_flac": "audio-damaged",
    "hole_flac": "audio-damaged",
    "cut_nist": "audio-truncated",
    "hole_mp3": "audio-damaged",
    "lost_ogg_page": "audio-damaged",
    "nan": "audio-nan",
    "infinite": "audio-nan",
    "absurd": "audio-nan",
    "spike": "audio-nan",
    "channels_cancel": "audio-silent",
    "channels_nearly_cancel": "audio-silent",
    "16_in_32_bits": "audio-quiet",
    "one_sample": "audio-short",
    "click": "audio-short",
    "twenty_minutes": "audio-long",
    "half_a_minute": "audio-long",
    "text_named_wav": "audio-unreadable",
    "mp4_named_wav": "audio-unreadable",
    "lfs_pointer": "audio-unreadable",
    "random_bytes": "audio-unreadable",
    "no_file": "audio-missing",
    "command": "audio-command",
    "empty_source": "text-empty",
    "empty_target": "text-empty",
    "no_target": "text-missing",
    "no_texts": "text-missing",
    "no_audio": "keys-differ",
    "long_source": "text-long",
    "long_target": "text-long",
    "too_many_words": "text-over-frames",
    "latin1": "not-utf8",
    "half_a_character": "not-utf8",
    "twice": "key-twice",
    "tag": "text-reserved-symbol",
    "link_past_source": "links-out-of-range",
    "link_past_target": "links-out-of-range",
    "broken_link": "links-invalid",
    "no_link": "links-missing",
    "times_backwards": "times-backwards",
    "times_too_few": "times-count",
    "times_in_words": "times-invalid",
}
"""Utterances that must be left out, each for this reason."""

WARNINGS = {
    "stereo": {"audio-stereo"},
    "8_khz": {"audio-rate"},
    "48_khz": {"audio-rate"},
    "24_bit": {"audio-depth"},
    "studio": {"audio-rate", "audio-stereo", "audio-depth"},
    "mp3_named_wav": {"audio-mislabelled"},
    "flac_named_wav": {"audio-mislabelled"},
    "silent": {"audio-silent"},
    "loud": {"audio-loud", "audio-depth"},
    "constant": {"audio-silent"},
    "16_in_24_bits": {"audio-quiet", "audio-depth"},
    "wav_to_a_pipe": {"audio-header"},
    "crashed_recorder": {"audio-header"},
    "flac_of_unknown_length": {"audio-header"},
    "mp3_without_count": {"audio-header"},
    "joined_mp3": {"audio-header"},
    "joined_ogg": {"audio-header"},
    "joined_wav": {"audio-header"},
    "times_of_another": {"times-outside"},
    "no_speaker": {"keys-differ"},
    "only_links": {"keys-differ"},
}
"""Utterances that are used, and what is said of them."""

WITH_TOKENS_ERRORS = {"too_many_letters": "text-over-frames"}
WITH_TOKENS_WARNINGS = {"unknown_in_source": {"unknown-character"}, "unknown_in_target": {"unknown-character"}}
GOOD = ("good", "good_flac", "good_ogg", "thirty_seconds")


def noise(seconds: float, fs: int = FS, channels: int = 1) -> np.ndarray:
    """White noise (N, C) that compresses badly, so that a cut file loses samples."""
    wave = 0.1 * np.random.default_rng(0).standard_normal((int(seconds * fs), channels))
    return np.clip(wave, -0.9, 0.9).astype(np.float32)


class Torture:
    """Writes the items of the tables above into `path`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(parents=True)
        self.tables: dict[str, dict[str, str]] = {
            name: {} for name in ("wav.scp", *TEXTS, "alignment", "word_times", "utt2spk")
        }
        self._good()
        self._broken_files()
        self._wrong_headers()
        self._audio_outside_limits()
        self._doubtful_audio()
        self._texts()
        self._links_and_times()
        for name, table in self.tables.items():
            kaldi.write_table(path / name, table)
        self._broken_lines()
        (path.parent / "tokens.txt").write_text("".join(f"{token}\n" for token in TOKENS), encoding="utf-8")

    def add(
        self, key: str, *, suffix: str = "wav", source: str = SOURCE, target: str = TARGET,
        links: str = LINKS, times: str = TIMES,
    ) -> Path:  # fmt: skip
        """Lines for an utterance in every table. Returns where its audio is to be."""
        audio = self.path / f"{key}.{suffix}"
        values = (audio.as_posix(), source, target, links, times, "speaker")
        for table, value in zip(self.tables.values(), values, strict=True):
            table[key] = value
        return audio

    def sound(self, key: str, wave: np.ndarray | None = None, *, fs: int = FS, suffix: str = "wav", **lines) -> Path:
        """The same with a file of one second, or of `wave`."""
        path = self.add(key, suffix=suffix, **lines)
        soundfile.write(path, noise(1.0, fs) if wave is None else wave, fs)
        return path

    def _good(self) -> None:
        for key, suffix in zip(GOOD, ("wav", "flac", "ogg", "wav")):
            self.sound(key, suffix=suffix)
        soundfile.write(self.path / "thirty_seconds.wav", noise(30.0), FS)

    def _broken_files(self) -> None:
        for key, content in {
            "zero_bytes": b"",
            "text_named_wav": b"this is a transcript, not a recording\n" * 20,
            "mp4_named_wav": b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(500),
            "lfs_pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0123\nsize 32044\n",
            "random_bytes": np.random.default_rng(1).bytes(3000),
        }.items():
            self.add(key).write_bytes(content)
        self.add("no_file")
        self.add("command")
        self.tables["wav.scp"]["command"] = "sox talk.mp3 -t wav - |"
        self.sound("header_only", noise(0.0))
        for suffix in ("wav", "ogg", "aiff", "flac", "nist"):
            path = self.sound(f"cut_{suffix}", noise(4.0), suffix=suffix)
            content = path.read_bytes()
            path.write_bytes(content[: len(content) * 6 // 10])
        path = self.sound("hole_flac", noise(4.0), suffix="flac")
        content = path.read_bytes()
        middle = len(content) // 2
        path.write_bytes(content[:middle] + bytes(4000) + content[middle + 4000 :])
        path = self.sound("hole_mp3", noise(4.0), suffix="mp3")
        content = path.read_bytes()
        path.write_bytes(content[:9000] + bytes(900) + content[9900:])
        path = self.sound("lost_ogg_page", noise(4.0), suffix="ogg")
        first, second, _, *others = path.read_bytes().split(b"OggS")[1:]
        path.write_bytes(b"".join(b"OggS" + page for page in (first, second, *others)))
        for key, value in (("nan", np.nan), ("infinite", np.inf), ("absurd", 1e30), ("spike", 1e5)):
            wave = noise(1.0)
            wave[100] = value
            soundfile.write(self.add(key), wave, FS, subtype="FLOAT")
        left = noise(1.0)
        for key, right in (("channels_cancel", -left), ("channels_nearly_cancel", 0.001 * noise(1.0)[::-1] - left)):
            self.sound(key, np.concatenate([left, right], axis=1))
        soundfile.write(self.add("16_in_32_bits"), (noise(1.0) * 32768).astype(np.int32), FS, subtype="PCM_32")

    def _wrong_headers(self) -> None:
        for key, riff, data in (("wav_to_a_pipe", 0x7FFFF024, 0x7FFFF000), ("crashed_recorder", 0, 0)):
            path = self.sound(key)
            content = path.read_bytes()
            sizes = [size.to_bytes(4, "little") for size in (riff, data)]
            path.write_bytes(content[:4] + sizes[0] + content[8:40] + sizes[1] + content[44:])
        path = self.sound("flac_of_unknown_length", suffix="flac")
        content = path.read_bytes()
        path.write_bytes(content[:21] + bytes([content[21] & 0xF0]) + bytes(4) + content[26:])
        path = self.sound("mp3_without_count", suffix="mp3")
        content = path.read_bytes()
        path.write_bytes(content[content.find(content[:2], content.find(b"Xing")) :])
        for suffix in ("mp3", "ogg", "wav"):
            path = self.sound(f"joined_{suffix}", noise(0.5), suffix=suffix)
            path.write_bytes(path.read_bytes() * 2)

    def _audio_outside_limits(self) -> None:
        self.sound("one_sample", noise(1.0)[:1])
        self.sound("click", noise(0.05))
        self.sound("twenty_minutes", np.zeros(20 * 60 * 8000, np.int16), fs=8000, suffix="flac")
        self.sound("half_a_minute", noise(30.1))

    def _doubtful_audio(self) -> None:
        self.sound("stereo", noise(1.0, channels=2))
        self.sound("8_khz", fs=8000)
        self.sound("48_khz", fs=48000)
        soundfile.write(self.add("24_bit"), noise(1.0), FS, subtype="PCM_24")
        soundfile.write(self.add("studio"), noise(1.0, 48000, 2), 48000, subtype="PCM_24")
        for form in ("MP3", "FLAC"):
            soundfile.write(self.add(f"{form.lower()}_named_wav"), noise(1.0), FS, format=form)
        self.sound("silent", np.zeros(FS, np.int16))
        soundfile.write(self.add("loud"), noise(1.0) * 32768, FS, subtype="FLOAT")
        self.sound("constant", np.full(FS, 3000, np.int16))
        soundfile.write(self.add("16_in_24_bits"), noise(1.0) / 256, FS, subtype="PCM_24")

    def _texts(self) -> None:
        self.sound("empty_source", source="")
        self.sound("empty_target", target="")
        for key, tables in {"no_target": TEXTS[1:], "no_texts": TEXTS, "no_audio": ("wav.scp",)}.items():
            self.sound(key)
            for table in tables:
                del self.tables[table][key]
        self.sound("long_source", noise(29.0), source="onetwo " * 571 + "one", times="-")
        self.sound("long_target", target="neun " * 800, times="-")
        self.sound("too_many_words", noise(0.5), source="a b c d e f g h i j k l m n", times="-")
        self.sound("tag", source="one <st>")
        self.sound("too_many_letters", noise(0.5), source="abcdefghij klmnop")
        self.sound("unknown_in_source", source="one ☃")
        self.sound("unknown_in_target", target="eins Ελλάδα")
        self.sound("no_speaker")
        del self.tables["utt2spk"]["no_speaker"]

    def _links_and_times(self) -> None:
        self.sound("link_past_source", links="0-0 2-1")
        self.sound("link_past_target", links="0-0 1-2")
        self.sound("broken_link", links="0-0 1:1")
        self.sound("no_link", links="-")
        self.sound("times_backwards", times="0.9 0.4")
        self.sound("times_too_few", times="0.4")
        self.sound("times_in_words", times="0.4 end")
        self.sound("times_of_another", times="7.4 7.9")
        self.tables["alignment"]["only_links"] = LINKS

    def _broken_lines(self) -> None:
        for key in ("latin1", "half_a_character", "twice"):
            path = self.sound(key)
            for name, value in zip(self.tables, (path.as_posix(), SOURCE, TARGET, LINKS, TIMES, "speaker")):
                content = f"{key} {value}\n".encode()
                if (key, name) == ("latin1", TEXTS[1]):
                    content = "latin1 fünf\n".encode("latin1")
                if (key, name) == ("half_a_character", TEXTS[0]):
                    content = "half_a_character fünf".encode()[:-3] + b"\n"
                if (key, name) == ("twice", TEXTS[1]):
                    content += b"twice noch einmal\n"
                with open(self.path / name, "ab") as stream:
                    stream.write(content)
