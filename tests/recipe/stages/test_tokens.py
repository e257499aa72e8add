from __future__ import annotations

from pathlib import Path

import pytest

from espnet_jst.data import kaldi
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.stage import StageError, run_stages
from tests.recipe.stages.one_stage import numbered

OPTIONS = Options.of(fs="8k", token_type="word")
PAIRS = [("one two", "eins zwei"), ("two three", "zwei drei"), ("three one", "drei eins"), ("two", "zwei")] * 5


@pytest.fixture
def dump(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("train", "valid"):
        tables: dict[str, dict[str, object]] = {
            "wav.scp": {},
            "utt2num_samples": {},
            "text.lc.en": {},
            "text.lc.de": {},
        }
        tables |= {"utt2spk": {}, "alignment.ref": {}}
        for number, (source, target) in enumerate(PAIRS):
            key = f"u{number:02d}"
            links = " ".join(f"{i}-{i}" for i in range(len(source.split())))
            for table, value in zip(tables.values(), (f"{key}.wav", 8000, source, target, key, links)):
                table[key] = value
        kaldi.write_data_dir(OPTIONS.data.raw / name, tables)
    return OPTIONS.data.raw


def test_the_token_list_holds_both_languages_and_the_tags(dump):
    run_stages(numbered(OPTIONS, 5), say=str)
    tokens = Path("data/en_de_token_list/tgt_word/tokens.txt").read_text("utf-8").split()
    assert tokens[0] == "<blank>"
    assert tokens[-1] == "<sos/eos>"
    words = {word for pair in PAIRS for text in pair for word in text.split()}
    assert {token.lstrip("\u2581") for token in tokens[1:-1]} == {"<unk>", "<asr>", "<st>", *words}


def test_each_side_can_have_pieces_of_its_own(dump):
    options = OPTIONS.changed(token_joint=False, src_token_type="char", tgt_token_type="bpe", tgt_nbpe=30)
    assert options.text.tag == "en_de_bpe30_char"
    run_stages(numbered(options, 5), say=str)
    source = Path("data/en_de_token_list/src_char/tokens.txt").read_text("utf-8").split()
    target = Path("data/en_de_token_list/tgt_bpe_unigram30/tokens.txt").read_text("utf-8").split()
    assert max(len(token) for token in source if "<" not in token) == 1
    assert 4 < len(target) <= 30


def test_links_are_estimated_for_both_sets_and_compared_with_the_construction(dump):
    said = []
    run_stages(numbered(OPTIONS, 5), say=said.append)
    links = kaldi.read_table(dump / "train" / "alignment")
    assert (links["u00"], links["u03"]) == ("0-0 1-1", "0-0")
    assert kaldi.read_table(dump / "valid" / "alignment") == links
    assert "train: 35 links, AER 0.0000 against alignment.ref" in (dump / "alignment.txt").read_text()
    assert any("AER 0.0000" in line for line in said)


def test_links_that_the_user_gave_are_kept(dump):
    for name in ("train", "valid"):
        given = {f"u{number:02d}": "0-0" for number in range(len(PAIRS))}
        kaldi.write_table(dump / "org" / name / "alignment", given)
        kaldi.write_table(dump / name / "alignment", given)
    run_stages(numbered(OPTIONS, 5), say=str)
    assert set(kaldi.read_table(dump / "train" / "alignment").values()) == {"0-0"}
    assert (dump / "alignment.txt").read_text() == "train: links as given\nvalid: links as given\n"


def test_the_stage_is_up_to_date_until_the_text_changes(dump):
    assert run_stages(numbered(OPTIONS, 5), say=str) == [5, 5, 5, 5]
    assert run_stages(numbered(OPTIONS, 5), say=str) == []
    text = kaldi.read_table(dump / "train" / "text.lc.en")
    kaldi.write_table(dump / "train" / "text.lc.en", {**text, "u00": "one three"})
    assert run_stages(numbered(OPTIONS, 5), say=str) == [5, 5, 5, 5]


def test_another_aligner_runs_the_alignment_again(dump):
    run_stages(numbered(OPTIONS, 5), say=str)
    said: list[str] = []
    with pytest.raises(StageError, match="aligner 'builtin' has no pre-trained model"):
        run_stages(numbered(OPTIONS.changed(aligner_model="bert"), 5), say=said.append)
    assert said == ["stage 5: token list: up to date", "stage 5: word alignment ..."]


def test_what_each_policy_would_cost_is_written_beside_the_alignment(dump):
    said: list[str] = []
    run_stages(numbered(OPTIONS, 5), say=said.append)
    assert "align writes 3.5 tags a sentence, prune_range 3 does for 99 %" in said[-1]
    table = (dump / "diagnosis" / "diagnosis.md").read_text("utf-8")
    assert "20 sentences, bursts in pieces, measured by alignment.ref (AER" in table
    assert (dump / "diagnosis" / "diagnosis.png").is_file()


def test_nothing_is_diagnosed_where_nothing_can_be_serialized(dump):
    said: list[str] = []
    run_stages(numbered(OPTIONS.changed(token_joint=False), 5), say=said.append)
    assert "stage 5: cost of the policies: skip (two token lists: nothing is serialized)" in said


def test_a_language_without_blanks_is_aligned_by_its_characters(dump):
    numbers = dict(zip(["one", "two", "three"], ["一", "二", "三"], strict=True))
    for name in ("train", "valid"):
        table = {
            key: "".join(numbers[word] for word in text.split())
            for key, text in kaldi.read_table(dump / name / "text.lc.en").items()
        }
        kaldi.write_table(dump / name / "text.lc.cmn", table)
    options = OPTIONS.changed(tgt_lang="cmn", token_type="bpe", nbpe=40)
    run_stages(numbered(options, 5), say=str)
    links = kaldi.read_table(dump / "train" / "alignment")
    assert (links["u00"], links["u03"]) == ("0-0 1-1", "0-0")
    tokens = Path("data/en_cmn_token_list/tgt_bpe_unigram40/tokens.txt").read_text("utf-8").split("\n")
    assert {"一", "二", "三"} <= set(tokens)
