"""Whether the size that a header promises is meant: some writers cannot know it, and some count wrongly."""

from __future__ import annotations

from espnet_jst.data.bad_item import AGAIN, BadItem

# Writers to a pipe give the largest size that they know, rounded in one way or another: 2^31 or 2^32 less a header,
# 0x7FFFF000 (SoX), 0x7F000000 (SoX, AIFF), 0x80000000 (arecord).
_PLACEHOLDERS = ((0x7EFF0000, 0x7F010000), (0x7FFF0000, 0x80010000), (0xFFFF0000, 1 << 32), (1 << 62, 1 << 64))


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
