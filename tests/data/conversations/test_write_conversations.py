"""Texts of conversations: order by time, what each speaker said, references, times and what they are worth."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest

from espnet_jst.bin import cli
from espnet_jst.data.conversations.conf import ConversationsConf
from espnet_jst.data.conversations.write import write_conversations
from espnet_jst.data.kaldi import read_table
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.evaluation.speakers.segments import read_segments
from espnet_jst.text.align.pharaoh import parse_pharaoh
from espnet_jst.text.serialize import deserialize_streams
from tests.data.conversations.talks import ANSWER, SAID, TRANSLATED, TURN, turn, write


def made(folder: Path, **conf: Any) -> Path:
    write_conversations(folder, folder, ConversationsConf(**conf))
    return folder


def line(folder: Path, name: str, conversation: str = "a") -> str:
    return read_table(folder / name)[conversation]


def test_words_come_by_their_ends_and_translations_with_the_words_they_stand_for(tmp_path: Path) -> None:
    made(write(tmp_path, {"a": [ANSWER, TURN]}))
    assert line(tmp_path, "text.lc.en") == SAID
    assert line(tmp_path, "text.lc.de") == TRANSLATED
    assert line(tmp_path, "word_times") == "1.000 1.000 1.400 1.400 1.500 1.500 2.200 2.200 2.500 2.500"
    assert line(tmp_path, "alignment") == "1-5 3-1 5-3 7-7 9-9"
    said = read_segments(tmp_path / "segments.lc.de.jsonl")["a"]
    assert [(segment.speaker, segment.words, segment.start_s, segment.end_s) for segment in said] == [
        ("self", "zwei und vierzig sieben", 0.5, 2.5),
        ("other", "neun eins", 1.0, 2.2),
    ]


@pytest.mark.parametrize("seed", range(20))
def test_what_each_speaker_said_is_in_the_text_in_order(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    turns, at = [], 0.0
    for number in range(rng.randint(1, 8)):
        words = [str(rng.randint(0, 9)) for _ in range(rng.randint(1, 5))]
        ends = sorted(round(at + rng.random() * 3, 3) for _ in words)
        targets = [str(rng.randint(0, 9)) for _ in range(rng.randint(1, 5))]
        links = " ".join(f"{rng.randrange(len(words))}-{rng.randrange(len(targets))}" for _ in words)
        texts = {"text.lc.en": " ".join(words), "text.lc.de": " ".join(targets)}
        speaker = ("self", "other1", "other2")[number % 3]
        turns.append(
            turn(speaker=speaker, start_s=at, end_s=ends[-1], texts=texts, alignment=links)
            | {"times": {"word_times": " ".join(map(str, ends))}}
        )
        at = round(ends[-1] - 0.3 * rng.random(), 3) if number % 2 else ends[-1]
    made(write(tmp_path, {"a": turns}), backwards_s=5)
    for name in ("text.lc.en", "text.lc.de"):
        speakers = {entry["speaker"] for entry in turns}
        found = deserialize_streams(line(tmp_path, name).split(), [f"<{speaker}>" for speaker in sorted(speakers)])
        for speaker in speakers:
            own = [entry["texts"][name] for entry in turns if entry["speaker"] == speaker]
            assert " ".join(found[f"<{speaker}>"]) == " ".join(own)
    source, target = line(tmp_path, "text.lc.en").split(), line(tmp_path, "text.lc.de").split()
    linked = [(source[i], target[j]) for i, j in parse_pharaoh(line(tmp_path, "alignment"))]
    given = [(entry, link) for entry in turns for link in parse_pharaoh(entry["alignment"])]
    words = [[entry["texts"][name].split() for name in ("text.lc.en", "text.lc.de")] for entry, _ in given]
    assert sorted(linked) == sorted((said[i], into[j]) for (said, into), (_, (i, j)) in zip(words, given, strict=True))
    units, times = line(tmp_path, "text.lc.en").split(), [float(t) for t in line(tmp_path, "word_times").split()]
    assert len(units) == len(times) and times == sorted(times)


def test_a_text_without_blanks_is_cut_where_the_speaker_changes(tmp_path: Path) -> None:
    texts = [{"text.lc.zh": "四二七", "text.lc.en": "four two seven"}, {"text.lc.zh": "九一", "text.lc.en": "nine one"}]
    first, second = turn(texts=texts[0], alignment="0-0 1-1 2-2"), turn(ANSWER, texts=texts[1])
    made(write(tmp_path, {"a": [first, second]}), src_lang="zh", tgt_lang="en")
    assert line(tmp_path, "text.lc.zh") == "<self> 四 <other> 九 <self>二 <other>一 <self>七"
    assert len(line(tmp_path, "word_times").split()) == 10


def test_without_links_of_their_own_turns_are_aligned_together(tmp_path: Path) -> None:
    words = {"one": "eins", "two": "zwei", "three": "drei", "four": "vier"}
    turns = [
        turn(
            texts={"text.lc.en": f"{a} {b}", "text.lc.de": f"{words[b]} {words[a]}"},
            times={"word_times": f"{n + 0.5} {n + 1}"},
            start_s=n,
            end_s=n + 1,
            alignment=None,
        )
        for n, (a, b) in enumerate((a, b) for a in words for b in words if a != b)
    ]
    other = turn(ANSWER, start_s=0.0, times={"word_times": "0.4 0.7"})
    folder = made(write(tmp_path, {"a": [*turns, other]}))
    # "zwei" stands for the second word of "one two", which ends at 1.0 s, behind both words of the other.
    assert line(folder, "text.lc.de").startswith("<other> neun eins <self> zwei eins")
    assert json.loads((folder / "conversations.json").read_text())["links"] == {"given": 1, "aligned": len(turns)}


def test_a_translation_may_wait_for_the_end_of_its_turn(tmp_path: Path) -> None:
    made(write(tmp_path, {"a": [TURN, ANSWER]}), translation="turn")
    assert line(tmp_path, "text.lc.de") == "<other> neun eins <self> zwei und vierzig sieben"


@pytest.mark.parametrize(
    ("times", "text"),
    [
        ("spread", "<self> four two <other> nine one <self> seven"),
        ("end", "<other> nine one <self> four two seven"),
    ],
)
def test_times_by_turn_are_made_when_they_are_asked_for(tmp_path: Path, times: str, text: str) -> None:
    folder = write(tmp_path, {"a": [turn(times={}), turn(ANSWER, times={})]})
    with pytest.raises(DataError, match=r"none of 1 conversations.*turn 1 \(u1\): it has no word_times"):
        made(folder)
    assert line(made(folder, times=times), "text.lc.en") == text


def test_speakers_of_two_languages_translate_each_other(tmp_path: Path) -> None:
    texts = [("four two seven", "vier zwei sieben"), ("neun eins", "nine one")]
    first, second = ({"text.lc.mul": said, "text.lc.mul-x-tgt": target} for said, target in texts)
    turns = [turn(texts=first, language="en", alignment=None), turn(ANSWER, texts=second, language="de")]
    made(write(tmp_path, {"a": turns}), src_lang="mul", tgt_lang="mul-x-tgt")
    assert line(tmp_path, "text.lc.mul") == "<self> four <other> neun <self> two <other> eins <self> seven"
    assert line(tmp_path, "text.lc.mul-x-tgt").split()[-2:] == ["<self>", "sieben"]
    assert "<other> nine" in line(tmp_path, "text.lc.mul-x-tgt")


def test_transcripts_alone_need_no_links(tmp_path: Path) -> None:
    folder = made(write(tmp_path, {"a": [turn(alignment=None), ANSWER]}), tgt_lang="none")
    assert line(folder, "text.lc.en") == SAID and not (folder / "text.lc.de").exists()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no speaker": ({"speaker": None}, r"turn 1: speaker is None"),
    "a tag as speaker": ({"speaker": "<self>"}, r"turn 1: speaker is '<self>'"),
    "times backwards": (
        {"times": {"word_times": "1.5 1.0 2.5"}},
        r"times of self run backwards: a word ends at 1 s, the one before at 1.5 s",
    ),
    "a tag": (
        {"texts": {"text.lc.en": "four <other> seven", "text.lc.de": "vier a b sieben"}},
        r"says the word '<other>'",
    ),
    "no translation": ({"texts": {"text.lc.en": "four two seven"}}, r"turn 1 \(u1\): it has no text.lc.de"),
    "too few times": ({"times": {"word_times": "1.0"}}, r"word_times has 1 times for 3 words"),
    "no number": ({"times": {"word_times": "1.0 x 2"}}, r"are not numbers"),
    "links of others": ({"alignment": "7-0"}, r"turn 1 \(u1\): word link 7-0 does not fit"),
    "no start": ({"start_s": None}, r"turn 1: start_s is None"),
    "no end": ({"end_s": 0.1}, r"turn 1 ends at 0.1 s, before its start"),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_conversation_is_named_and_the_others_are_kept(tmp_path: Path, what: str) -> None:
    changes, message = BAD[what]
    folder = write(tmp_path, {"bad": [turn(**changes), ANSWER], "a": [TURN, ANSWER]})
    done = write_conversations(folder, folder, ConversationsConf())
    problems = [json.loads(text) for text in (folder / "conversations_skipped.jsonl").read_text().splitlines()]
    assert len(problems) == 1 and problems[0]["utt_id"] == "bad"
    assert re.search(message, str(done.problems[0]))
    assert list(read_table(folder / "text.lc.en")) == ["a"]
    assert set(read_segments(folder / "segments.lc.en.jsonl")) == {"a"}


def test_a_line_that_is_no_conversation_is_named_by_its_number(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a": [TURN, ANSWER]})
    with open(folder / "turns.jsonl", "a") as stream:
        stream.write('{"conversation": "b"\n{"conversation": "a", "turns": []}\n{"conversation": "c", "turns": []}\n')
    done = write_conversations(folder, folder, ConversationsConf())
    assert [problem.utt_id for problem in done.problems] == ["turns.jsonl:2", "a", "c"]


def test_times_that_run_backwards_a_little_are_counted_and_put_behind(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a": [turn(times={"word_times": "1.0 0.95 2.5"}), ANSWER]})
    done = write_conversations(folder, folder, ConversationsConf())
    assert line(folder, "text.lc.en").startswith("<self> four two <other> nine")
    assert done.quality.entry()["backwards"] == {"words": 1, "conversations": 1, "most": ["a"]}


def test_two_times_of_the_words_are_compared(tmp_path: Path) -> None:
    spans = {"word_times": "1.0 1.5 2.5", "word_times.ref": "0.5:1.0 1.0:1.35 1.6:2.1"}
    both = turn(ANSWER, times={"word_times": "1.4 2.2", "word_times.ref": "1.0:1.4 1.5:2.2"})
    folder = write(tmp_path, {"a": [turn(times=spans), both]})
    done = write_conversations(folder, folder, ConversationsConf())
    # Ends differ by 0, 0.15, 0.4, 0, 0; of four changes nine-two and one-seven turn.
    assert done.quality.entry()["agreement"] == {
        "against": "word_times.ref",
        "words": 5,
        "median_s": 0.0,
        "over_0.1_s": 0.4,
        "over_0.3_s": 0.2,
        "neighbours": 4,
        "other_order": 0.5,
    }
    (tmp_path / "second").write_text("u1 0.5 1.0 2.0\nu2 0.4 1.2\n")  # from the starts of the utterances
    done = write_conversations(folder, folder, ConversationsConf(), against=tmp_path / "second")
    assert done.quality.entry()["agreement"]["over_0.1_s"] == 0 and str(tmp_path / "second") in str(done)


def test_jitter_is_seeded_and_leaves_what_is_said(tmp_path: Path) -> None:
    folder = write(tmp_path / "in", {f"c{n}": [TURN, ANSWER] for n in range(20)})
    lines = {}
    noisy = {"jitter_s": 0.5}
    for name, conf in {"0": {}, "1": noisy, "2": noisy, "3": {**noisy, "seed": 1}}.items():
        out = tmp_path / name
        done = write_conversations(folder, out, ConversationsConf(**conf))
        turned = done.quality.entry().get("agreement", {}).get("other_order", 0.0)
        assert (turned > 0) == bool(conf)
        lines[name] = read_table(out / "text.lc.en")
        assert read_table(out / "wav.scp") == read_table(folder / "wav.scp")
    assert lines["1"] == lines["2"] and lines["1"] != lines["3"] and lines["1"] != lines["0"]
    assert not (folder / "text.lc.en").exists()
    for text in lines["1"].values():
        said = deserialize_streams(text.split(), ["<self>", "<other>"])
        assert said == {"<self>": ["four", "two", "seven"], "<other>": ["nine", "one"]}


def test_one_channel_may_be_named(tmp_path: Path) -> None:
    made(write(tmp_path, {"a": [TURN, ANSWER]}), channel=1)
    assert line(tmp_path, "reco2file_and_channel") == "a B"


def test_the_command_says_how_and_how_good(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    folder = write(tmp_path, {"a": [TURN, ANSWER], "bad": [turn(speaker=None)]})
    assert cli.main(["conversations", "--data_dir", str(folder), "--jitter_s", "0.01"]) == 0
    said = capsys.readouterr().out
    assert "1 conversations" in said and "speakers: [self, other]" in said and "jitter of 0.01 s" in said
    assert "links of 2 turns given" in said and "1 left out, listed in conversations_skipped.jsonl; first: bad" in said
    assert cli.main(["conversations", "--data_dir", str(tmp_path / "none")]) == 1
    assert "run espnet-jst simulate" in capsys.readouterr().err


def test_a_speaker_whose_tag_means_something_else_is_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, {"a": [turn(speaker="asr"), ANSWER]})
    with pytest.raises(ConfigError, match="two meanings"):
        made(folder)
