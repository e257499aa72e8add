"""A folder with turns.jsonl: two speakers who count, the second one while the first still speaks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

TURN = {
    "speaker": "self",
    "utterance": "u1",
    "language": "",
    "start_s": 0.5,
    "end_s": 2.5,
    "delay_s": 0.0,
    "texts": {"text.lc.en": "four two seven", "text.lc.de": "zwei und vierzig sieben"},
    "times": {"word_times": "1.0 1.5 2.5"},
    "alignment": "0-2 1-0 2-3",
}
ANSWER = {
    "speaker": "other",
    "utterance": "u2",
    "language": "",
    "start_s": 1.0,
    "end_s": 2.2,
    "delay_s": 0.0,
    "texts": {"text.lc.en": "nine one", "text.lc.de": "neun eins"},
    "times": {"word_times": "1.4 2.2"},
    "alignment": "0-0 1-1",
}
SAID = "<self> four <other> nine <self> two <other> one <self> seven"
TRANSLATED = "<other> neun <self> zwei und vierzig <other> eins <self> sieben"


def write(folder: Path, conversations: dict[str, list[dict[str, Any]]]) -> Path:
    """Turns of conversations by name."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps({"conversation": name, "turns": turns}) for name, turns in conversations.items()]
    (folder / "turns.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (folder / "wav.scp").write_text("".join(f"{name} {name}.wav\n" for name in conversations), encoding="utf-8")
    return folder


def turn(base: dict[str, Any] = TURN, **changes: Any) -> dict[str, Any]:
    """A turn with other values; None takes a key out."""
    return {key: value for key, value in {**base, **changes}.items() if value is not None}
