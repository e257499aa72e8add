"""Small conversations, shared by the tests of this folder."""

import json
from dataclasses import replace

from espnet_jst.evaluation.speakers.segments import Segment
from espnet_jst.evaluation.speakers.sessions import Session, SpeakerTexts
from espnet_jst.text.words import Word
from tests.evaluation.decoded import lane_texts

A, B, C = "one two three four five", "six seven eight nine", "ten eleven twelve"


def segments(turns, session="0"):
    """(speaker, text) one after the other, a second a word; (speaker, text, start, end) where they overlap."""
    found, now = [], 0.0
    for speaker, text, *times in turns:
        start_s, end_s = times or (now, now + len(text.split()))
        found.append(Segment(session=session, speaker=speaker, words=text, start_s=start_s, end_s=end_s))
        now = end_s
    return found


def words(turns, lane="transcript", late_s=0.0):
    """The same as words, each of which has its second."""
    pairs = [(speaker, word) for speaker, text in turns for word in text.split()]
    return [
        Word(text, lane, late_s + k, late_s + k + 1, late_s + k + 1, speaker=speaker)
        for k, (speaker, text) in enumerate(pairs)
    ]


def speakers(*sessions, lane="transcript", language="en", late_s=0.0):
    """A lane with one session for each pair of what was said and what was written."""
    found = tuple(
        Session(str(number), tuple(segments(said)), tuple(words(written, lane, late_s)))
        for number, (said, written) in enumerate(sessions)
    )
    texts = lane_texts(["-"] * len(found), ["-"] * len(found), lane=lane, language=language)
    return SpeakerTexts(replace(texts, reference_file=f"text.lc.{language}"), "segments", found)


def write_segments(path, sessions):
    """Session -> its turns, as a file of references."""
    path.write_text(
        "".join(
            json.dumps(
                {
                    "session_id": name,
                    "speaker": segment.speaker,
                    "words": segment.words,
                    "start_time": segment.start_s,
                    "end_time": segment.end_s,
                }
            )
            + "\n"
            for name, turns in sessions.items()
            for segment in segments(turns, name)
        ),
        encoding="utf-8",
    )
