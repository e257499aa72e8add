"""From single utterances over simulated conversations to texts: what each talker says is what the simulation says."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from espnet_jst.data.conversations.conf import ConversationsConf
from espnet_jst.data.conversations.write import write_conversations
from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.data.simulation.simulate import simulate
from espnet_jst.text.serialize import deserialize_streams
from tests.data.simulation.helpers import small, write_corpus

pytest.importorskip("pyroomacoustics")


def test_texts_hold_what_every_talker_says_and_links_are_those_of_the_utterances(tmp_path: Path) -> None:
    corpus, out = write_corpus(tmp_path / "corpus", speakers=4), tmp_path / "out"
    links = dict.fromkeys(list(read_table(corpus / "wav.scp"))[:-1], "0-1 1-0")  # one utterance has none
    write_table(corpus / "alignment", links)
    simulate(corpus, out, small(speakers=(2, 3), overlap=(0.2, 0.4), turns=(4, 8), max_order=2), num=4, seed=2)
    turns = [
        turn for line in (out / "turns.jsonl").read_text("utf-8").splitlines() for turn in json.loads(line)["turns"]
    ]
    assert {turn["alignment"] for turn in turns} <= {"0-1 1-0", ""}
    conf = ConversationsConf(src_lang="es", tgt_lang="en", src_case="tc", tgt_case="tc")
    made = write_conversations(out, out, conf)
    assert not made.problems and set(made.tags.speakers) <= {"self", "other1", "other2"}
    assert made.links == {
        "given": sum(bool(t["alignment"]) for t in turns),
        "aligned": sum(not t["alignment"] for t in turns),
    }
    for name in ("text.tc.es", "text.tc.en"):
        for key, text in read_table(out / name).items():
            said = deserialize_streams(text.split(), [f"<{speaker}>" for speaker in made.tags.speakers])
            for speaker in made.tags.speakers:
                alone = read_table(out / f"{name}.{speaker}")[key]
                assert " ".join(said[f"<{speaker}>"]) == alone.replace("-", "")
    assert made.quality.backwards == made.quality.outside == {}
