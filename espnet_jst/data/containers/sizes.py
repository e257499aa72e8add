"""Whether the size that a header promises is meant: some writers cannot know it, and some count wrongly."""

from __future__ import annotations

from typing import BinaryIO

from espnet_jst.data.bad_item import AGAIN, BadItem

# Writers to a pipe give the largest size that they know, rounded in one way or another: 2^31 or 2^32 less a header,
# 0x7FFFF000 (SoX), 0x7F000000 (SoX, AIFF), 0x80000000 (arecord).
_PLACEHOLDERS = ((0x7EFF0000, 0x7F010000), (0x7FFF0000, 0x80010000), (0xFFFF0000, 1 << 32), (1 << 62, 1 << 64))

STRAY = 4096  # bytes behind the samples that are no audio: the rest of a disk block
_BLOCK = 1 << 22
# Four bytes with which recordings start, and what stands where behind them: four alone may be samples.
_STARTS = dict.fromkeys((b"RIFF", b"RIFX", b"RF64", b"BW64"), (8, b"WAVE")) | {
    b"FORM": (8, b"AIF"),
    b".snd": (4, b"\0\0"),
    b"caff": (4, b"\0\x01"),
    b"riff": (4, b"\x2e\x91\xcf\x11"),
    b"NIST": (4, b"_1A\n"),
    b"fLaC": (4, b"\0\0\0\x22"),
    b"OggS": (4, b"\0\x02"),
}


def is_placeholder(size: int) -> bool:
    """True for 0 and for the sizes that stand for "not known"."""
    return size <= 0 or any(low <= size < high for low, high in _PLACEHOLDERS)


def empty() -> BadItem:
    """The error of a file without a sample."""
    return BadItem("a header without samples", "copy, download or record it again", "audio-header-only")


def cut_short() -> BadItem:
    """The error of a file that lacks what its header promises."""
    return BadItem("the file ends before its header says", AGAIN, "audio-truncated")


def note(promised: int, there: int) -> str:
    """What is said of a wrong size that does no harm."""
    return f"the header counts {promised} bytes of samples, {there} are there and taken"


def check_size(promised: int, there: int, header: int, *, whole: bool = False) -> str:
    """What to say of a size that the file contradicts.

    Args:
        promised: bytes of samples by the header.
        there: bytes from the first sample to the end of the file.
        header: bytes before the first sample; some writers count them as samples.
        whole: something else says that the file is complete.

    Returns:
        A note; empty where the header is right, or promises less than there is.

    Raises:
        BadItem: there are no samples, or the file was cut short.
    """
    if there <= 0:
        raise empty()
    if 0 < promised <= there:
        return ""
    if is_placeholder(promised) or promised <= there + header or whole:
        return note(promised, there)
    raise cut_short()


def is_stray(stream: BinaryIO, start: int, stop: int, most: int = STRAY) -> bool:
    """True where the bytes from `start` to the end, `stop`, are no audio: not more than `most`, or all zero.

    Raises:
        BadItem: they are another recording.
    """
    if stop - start <= most:
        refuse_another(stream, start, stop)
        return True
    stream.seek(start)
    return not any(block.strip(b"\0") for block in iter(lambda: stream.read(_BLOCK), b""))


def is_name(name: bytes) -> bool:
    """True for what may be the name of a chunk."""
    return len(name) == 4 and all(32 <= byte < 127 for byte in name)


def is_explained(stream: BinaryIO, position: int, stop: int, *, head: int, count: int, align: int = 1) -> bool:
    """True where chunks, or nothing that sounds, follow the samples.

    Args:
        position: the first byte behind the samples.
        stop: the end of the file.
        head: bytes of a chunk's name and size; a name of 16 bytes is Wave64's, whose sizes count it.
        count: bytes of a size.
        align: chunks begin at multiples of so many bytes.
    """
    wave64 = head - count == 16
    position += -position % align
    while position < stop:
        stream.seek(position)
        start = stream.read(head)
        behind = position + int.from_bytes(start[-count:], "little" if wave64 else "big", signed=True)
        behind += 0 if wave64 else head
        if start[:4] in (b"FORM", b"caff", b"riff"):
            return False
        # What fills up the last chunk may be missing.
        if not is_name(start[:4]) or not position + head <= behind <= stop + max(1, align - 1):
            break
        position = behind + -behind % align
    return is_stray(stream, position, stop)


def damaged(position: int) -> BadItem:
    """The error of a file that is not whole in between."""
    return BadItem(f"damaged or missing data at byte {position}", AGAIN, "audio-damaged")


def refuse_another(stream: BinaryIO, start: int, stop: int) -> None:
    """Look for the start of another recording where more is there than a header says (`cat a.au b.au`): in between
    samples it would be heard as noise, perhaps at a wrong rate, and behind them not at all.

    Raises:
        BadItem: there is one.
    """
    for position in range(start, stop, _BLOCK):
        stream.seek(position)
        block = stream.read(min(_BLOCK + 12, stop - position))
        for mark, (behind, rest) in _STARTS.items():
            at = block.find(mark)
            while at >= 0:
                if block.startswith(rest, at + behind):
                    reason = f"another recording starts at byte {position + at}"
                    raise BadItem(reason, "convert them apart", "audio-joined")
                at = block.find(mark, at + 1)
