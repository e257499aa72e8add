"""MP3: frames in a row. Their number stands in a first frame of its own (Xing, LAME), of one recording of many, or not
at all; decoders then guess from the size of the file, and stop early."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import BinaryIO

from espnet_jst.data.bad_item import BadItem
from espnet_jst.data.containers import sizes
from espnet_jst.data.containers.splice import Layout
from espnet_jst.data.containers.tags import after_tags

SEARCHED = 1 << 16  # bytes that are searched for a frame, and that may follow the last one
PADDING = 4  # frames of a recording that may hold none of it: the encoder's delay, and what fills the last one
_RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}
_KBITS = {
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}


@dataclass(frozen=True)
class _Frame:
    """The head of a frame: its kind, which all frames of a recording share, kbit/s, and its size in bytes."""

    version: int
    layer: int
    fs: int
    mono: bool
    kbits: int
    size: int

    @property
    def kind(self) -> tuple:
        return self.version, self.layer, self.fs, self.mono

    @property
    def samples(self) -> int:
        if self.layer == 1:
            return 384
        return 1152 if self.version == 3 or self.layer == 2 else 576

    @property
    def info_at(self) -> int:
        """Where the number of frames stands in a first frame of its own."""
        if self.version == 3:
            return 4 + (17 if self.mono else 32)
        return 4 + (9 if self.mono else 17)


@dataclass
class _Recording:
    """Frames of one recording.

    Attributes:
        counted: how many its header counts; 0 where it does not.
        understood: libsndfile reads that header.
    """

    counted: int = 0
    understood: bool = False
    frames: int = 0
    runs: list[tuple[int, int]] = field(default_factory=list)
    kbits: set[int] = field(default_factory=set)

    def add(self, start: int, frame: _Frame) -> None:
        stop = start + frame.size
        self.frames += 1
        self.kbits.add(frame.kbits)
        if self.runs and self.runs[-1][1] == start:
            start = self.runs.pop()[0]
        self.runs.append((start, stop))


def mpeg_layout(stream: BinaryIO, size: int) -> Layout:
    """All frames of a file, behind a first frame that counts them where the file's own does not.

    Raises:
        BadItem: cut short, damaged, or joined from recordings that do not fit together.
    """
    first = _find_frame(stream, after_tags(stream, 0), size)
    if first is None:
        return Layout(known=False)
    start, model = first
    recordings, position = [_Recording()], start
    while position < size:
        head = _read(stream, position)
        frame = _parse(head)
        if frame is None or (frame.kind != model.kind and not _follows(stream, position, frame, size)):
            position = _skip(stream, position, size)
            continue
        if frame.kind != model.kind:
            raise BadItem("recordings of different kinds in one file", "convert them apart", "audio-joined")
        if position + frame.size > size:
            raise sizes.cut_short()
        header = _header(head, frame)
        if header is not None:
            recordings.append(header)
        else:
            recordings[-1].add(position, frame)
        position += frame.size
    recordings = [recording for recording in recordings if recording.frames or recording.counted]
    return _laid_out(stream, start, model, recordings)


def _laid_out(stream: BinaryIO, start: int, model: _Frame, recordings: list[_Recording]) -> Layout:
    for recording in recordings:
        # Some count the frame that holds the number, too.
        if recording.counted > recording.frames + 1 and not sizes.is_placeholder(recording.counted):
            raise sizes.cut_short()
    frames = sum(recording.frames for recording in recordings)
    if not frames:
        raise sizes.empty()
    first = recordings[0]
    in_a_row = len(recordings) == 1 and len(first.runs) == 1 and start == after_tags(stream, 0)
    least = (frames - PADDING) * model.samples
    if in_a_row and first.understood and first.counted == frames:
        return Layout(least=least)
    runs = [run for recording in recordings for run in recording.runs]
    if model.layer != 3:
        # No header counts these; libsndfile divides the size of the file, tags and all, by that of a frame.
        if len(set().union(*(recording.kbits for recording in recordings))) > 1:
            reason = f"MPEG layer {model.layer} of changing bit rate, of which libsndfile reads a part"
            raise BadItem(reason, "convert it to WAV or FLAC", "audio-unreadable")
        return Layout((tuple(runs),), (), least)
    note = f"the header counts {first.counted} frames, {frames} are there and taken"
    if len(recordings) > 1:
        note = f"{len(recordings)} recordings one after the other, all are taken"
    return Layout(((_info_frame(stream, runs[0][0], model, frames), *runs),), (note,), least)


def _info_frame(stream: BinaryIO, position: int, model: _Frame, frames: int) -> bytes:
    """A silent frame like the one at `position` that holds the number of frames."""
    head = bytearray(_read(stream, position)[:4])
    head[1] |= 1  # no checksum
    head[2] = head[2] & 0x0F | 0x80  # large enough
    frame = _parse(bytes(head))
    assert frame is not None
    content = b"Xing" + (1).to_bytes(4, "big") + frames.to_bytes(4, "big")
    return (bytes(head) + bytes(model.info_at - 4) + content).ljust(frame.size, b"\0")


def _header(head: bytes, frame: _Frame) -> _Recording | None:
    """The recording that starts with a frame which counts the others; None for a frame of audio."""
    tag = head[frame.info_at : frame.info_at + 12]
    if tag[:4] in (b"Xing", b"Info"):
        # Decoders take it for audio where something stands before.
        alone = not any(head[4 : frame.info_at])
        return _Recording(int.from_bytes(tag[8:12], "big") if tag[7] & 1 else 0, understood=alone)
    return _Recording(int.from_bytes(head[50:54], "big")) if head[36:40] == b"VBRI" else None


def _skip(stream: BinaryIO, position: int, size: int) -> int:
    """Where the frames go on behind tags; the end of the file where nothing follows but rubbish."""
    behind = after_tags(stream, position)
    if position < behind <= size:  # a tag that would be longer than the file is none
        return behind
    if size - position <= SEARCHED and _find_frame(stream, position, size) is None:
        sizes.refuse_another(stream, position, size)
        return size
    raise sizes.damaged(position)


def _find_frame(stream: BinaryIO, position: int, size: int) -> tuple[int, _Frame] | None:
    """The first frame that another one follows."""
    stream.seek(position)
    window = stream.read(SEARCHED)
    at = window.find(b"\xff")
    while at >= 0:
        frame = _parse(window[at : at + 4])
        if frame is not None and _follows(stream, position + at, frame, size):
            return position + at, frame
        at = window.find(b"\xff", at + 1)
    return None


def _follows(stream: BinaryIO, position: int, frame: _Frame, size: int) -> bool:
    """True where two more frames of the same kind follow, or the file ends with this one."""
    for _ in range(2):
        position += frame.size
        if position == size:
            return True
        following = _parse(_read(stream, position))
        if following is None or following.kind != frame.kind:
            return after_tags(stream, position) > position
        frame = following
    return True


def _read(stream: BinaryIO, position: int) -> bytes:
    stream.seek(position)
    return stream.read(64)


def _parse(head: bytes) -> _Frame | None:
    if len(head) < 4 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:
        return None
    version, layer = head[1] >> 3 & 3, 4 - (head[1] >> 1 & 3)
    bits, rate, padding = head[2] >> 4, head[2] >> 2 & 3, head[2] >> 1 & 1
    if version == 1 or layer == 4 or bits in (0, 15) or rate == 3:
        return None
    fs, kbits = _RATES[version][rate], _KBITS[version == 3, layer][bits - 1]
    if layer == 1:
        size = (12000 * kbits // fs + padding) * 4
    else:
        size = (144000 if version == 3 or layer == 2 else 72000) * kbits // fs + padding
    return _Frame(version, layer, fs, head[3] >> 6 == 3, kbits, size)
