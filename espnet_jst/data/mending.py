"""Texts, links and times of a data directory as the stages use them, with a statement for each that was changed."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from espnet_jst.data.checks import WARNING, Problem
from espnet_jst.data.text_checks import marked_lines, mend
from espnet_jst.data.texts import Texts
from espnet_jst.data.unit_links import LINKS, Tables, carry_over

_FIXES = {
    "text-invisible": "nothing, or clean the text yourself",
    "text-blank": "nothing, or write plain blanks",
    "text-form": "nothing, or bring all texts of the corpus to NFC",
}
_COUNTED = (*LINKS, "word_times", "word_times.ref")


def mend_tables(directory: str | Path, tables: Tables, texts: Texts) -> tuple[list[Problem], list[Problem]]:
    """Mend the texts of a data directory in place, and bring links and times to the units that they have then.

    Returns:
        Warnings on what was mended; errors on names that no file may have, and where links or times no longer fit
        what they count.
    """
    remarks, errors = _marks(Path(directory), texts.names), _blank_keys(tables["wav.scp"])
    for name in texts.names:
        table = tables[name]
        for key, text in table.items():
            mended = mend(text)
            if not mended.changes:
                continue
            counted = [other for other in _COUNTED if key in tables.get(other, ())]
            if counted and len(mended.text.split()) != len(text.split()):
                reason = f"{name}: a word of invisible characters, which {counted[0]} counts"
                fix = "remove it from the text and make that file again"
                errors.append(Problem(key, reason, fix, "text-invisible"))
            for kind, change in mended.changes:
                remarks.append(Problem(key, f"{name}: {change}", _FIXES[kind], kind, WARNING))
            table[key] = mended.text
    for key in carry_over(tables, texts):
        reason = "links or times count words between blanks: carried over to characters"
        fix = "nothing, or align the text again"
        remarks.append(Problem(key, reason, fix, "links-by-words", WARNING))
    return remarks, errors


def _blank_keys(wav: Iterable[str]) -> list[Problem]:
    reason, fix = "its name holds a blank that is not U+0020, at which other programs cut it", "rename the utterance"
    return [Problem(key, reason, fix, "key-blank") for key in wav if len(key.split()) != 1]


def _marks(directory: Path, names: Iterable[str]) -> list[Problem]:
    fix = "nothing, or remove the bytes EF BB BF: files were joined, or saved by an editor on Windows"
    return [
        Problem(
            key, f"{name}: a byte order mark before the line, no part of its key", fix, "text-byte-order-mark", WARNING
        )
        for name in ("wav.scp", *names)
        for key in marked_lines(directory / name)
    ]
