"""The Corpus of Spontaneous Japanese on a miniature of its layout, with sentences that are not the corpus's."""

import pytest

from espnet_jst.data.checks import read_skipped
from espnet_jst.data.corpora import csj
from espnet_jst.data.corpora.csj_tags import resolved, wording
from espnet_jst.data.corpora.turns import write_set
from espnet_jst.data.kaldi import read_table
from espnet_jst.errors import ConfigError, DataError
from tests.data.corpora.miniature import lines
from tests.data.corpora.test_recognition_corpora import tone

WORDS = ["はい", "今日は", "研究の", "話を", "します", "次に", "音声を", "聞いて", "ください", "どうも"]
HEAD = ["%<SOT>", "%"]
TEXTS = "text.lc.rm.ja"


def unit(number, start_s, end_s, *words, side="L"):
    """A unit as Form1 has it; a word is both its written and its spoken form."""
    return [f"{number:04d} {start_s:09.3f}-{end_s:09.3f} {side}:", *(f"{word} & {word}" for word in words)]


def talk(root, name, units, part="core", seconds=10.0, encoding="cp932"):
    for recording in [f"{name}-L", f"{name}-R"] if name[0] == "D" else [name]:
        tone(root / "WAV" / part / f"{recording}.wav", seconds)
    said = [f"%講演ID:{name}", *HEAD, *(line for lines in units for line in lines)]
    lines(root / "TRN" / "Form1" / part / f"{name}.trn", said, encoding, "\r\n")


def spoken(first, count=4):
    """Units with a pause between that parts them."""
    return [
        unit(n + 1, 1.5 * n, 1.5 * n + 0.8, WORDS[(first + 3 * n) % 10], WORDS[(first + n) % 10]) for n in range(count)
    ]


def japanese(root):
    """Two talks and a dialogue to train on, two of each evaluation set, another of one of their speakers."""
    talk(root, "A01F0055", spoken(0))
    talk(root, "M01M0001", spoken(1, 8), "noncore", seconds=12)  # every word
    for number, name in enumerate(["S05M0613", "D01F0002"]):
        talk(root, name, spoken(number), "noncore")
    for names in csj.EVALUATION.values():
        for number, name in enumerate(names[:2]):
            talk(root, name, spoken(number + 5))
    return root


def prepared(out, sets):
    for name, readings in sets:
        write_set(out / name, readings, src="ja", tgt=None)
    return out


def test_the_sets(tmp_path):
    data = prepared(tmp_path / "data", csj.read(japanese(tmp_path), dev_utterances=3))
    assert {path.name for path in data.iterdir()} == {"train", "dev", *csj.EVALUATION}
    dev = ["A01F0055_0000000_0000800", "A01F0055_0001500_0002300", "A01F0055_0003000_0003800"]
    assert list(read_table(data / "dev" / TEXTS)) == dev  # the first by name
    train = read_table(data / "train" / TEXTS)
    assert [name.partition("_")[0] for name in train] == ["A01F0055"] + 8 * ["M01M0001"]
    assert train["A01F0055_0004500_0005300"] == "どうも話を"
    segments = read_table(data / "train" / "segments")
    assert segments["A01F0055_0004500_0005300"] == "A01F0055 4.500 5.300"
    assert read_table(data / "train" / "utt2spk")["A01F0055_0004500_0005300"] == "A01F0055"
    assert read_table(data / "train" / "wav.scp")["M01M0001"].endswith("WAV/noncore/M01M0001.wav")
    assert len(read_table(data / "eval3" / TEXTS)) == 8
    missing = {problem.utt_id: problem.kind for problem in read_skipped(data / "eval1")}
    assert missing == dict.fromkeys(csj.EVALUATION["eval1"][2:], "text-missing")


def test_the_evaluation_sets_are_ten_talks_each_and_none_is_trained_on():
    names = [name for talks in csj.EVALUATION.values() for name in talks]
    assert [len(talks) for talks in csj.EVALUATION.values()] == [10, 10, 10]
    assert len({*names, *csj.SAME_SPEAKER}) == 36


def test_dialogues_have_a_recording_a_speaker(tmp_path):
    units = [*unit(1, 0, 0.8, "はい"), *unit(2, 0.5, 2.0, "次に", side="R"), *unit(3, 1.0, 1.8, "どうも")]
    talk(tmp_path, "D01F0002", [units])
    [train] = dict(csj.read(tmp_path, ["D"], dev_utterances=0))["train"]
    assert [(turn.recording, turn.speaker, turn.end_s, turn.transcript) for turn in train.turns] == [
        ("D01F0002-L", "D01F0002-L", 1.8, "はいどうも"),  # of one speaker, 0.2 s apart
        ("D01F0002-R", "D01F0002-R", 2.0, "次に"),
    ]


@pytest.mark.parametrize("encoding", ["cp932", "utf-8", "utf-8-sig"])
def test_form_2_and_either_encoding(encoding, tmp_path):
    tone(tmp_path / "WAV" / "core" / "A01F0055.wav", 10)
    said = [
        "0001 00000.500-00001.500 L:(F えー)今日は",
        "0002 00001.600-00001.700 L:<雑音>",
        "0003 00002.100-00003.000 L:－音声",
    ]
    lines(tmp_path / "TRN" / "Form2" / "core" / "A01F0055.trn", said, encoding)
    [train] = dict(csj.read(tmp_path, dev_utterances=0))["train"]
    [first, second] = train.turns  # the noise is no unit, so that 0.6 s part them
    assert (first.utt_id, first.transcript) == ("A01F0055_0000500_0001500", "えー今日は")
    assert (second.utt_id, second.transcript) == ("A01F0055_0002100_0003000", "－音声")


def test_units_go_together_until_they_are_ten_seconds_long(tmp_path):
    times = [(0.0, 6.0), (6.5, 10.0), (10.2, 12.0), (12.1, 13.0), (13.6, 14.0)]
    talk(tmp_path, "A01F0055", [unit(n, *time, WORDS[n]) for n, time in enumerate(times)], seconds=15)
    [train] = dict(csj.read(tmp_path, dev_utterances=0))["train"]
    assert [(turn.start_s, turn.end_s, turn.transcript) for turn in train.turns] == [
        (0.0, 12.0, "はい今日は研究の"),  # it was ten seconds long when the third came
        (12.1, 13.0, "話を"),
        (13.6, 14.0, "します"),
    ]


@pytest.mark.parametrize(
    ("tagged", "plain"),
    [
        ("(F えー)今日は(D け)研究(D2 が)の", "えー今日はけ研究がの"),
        ("(F んー)(F ンーー)", "んン"),
        ("(? 音声)を(?)", "音声を"),
        ("(? 音声,温泉)を", "音声を"),
        ("(A シーディーロム;ＣＤ－ＲＯＭ)が(A 二千;２０００)と(A ゼロ;０)", "ｃｄ－ｒｏｍが二千とゼロ"),
        ("(M (A エー;Ａ))(M (A エー;Ａ;ａ))", "ａａ"),
        ("(K たち (F えー) ばな;橘)", "橘"),
        ("合(K か(?)く;格)", "合格"),
        ("(W ギーツ;技術)(B シブタイ;渋滞)", "技術渋滞"),
        ("(O (? サンキュー))(X 実際は)(L (笑 はい))", "サンキュー実際ははい"),
        ("<FV>はい<H><P:00453.373-00454.013>", "はい"),
        ("一・", "一"),
    ],
)
def test_tags(tagged, plain):
    assert [(wording(text), follows) for text, follows in resolved([tagged])] == [(plain, False)]


def test_a_tag_may_go_on_over_pauses():
    over = resolved(["(M それ", "だ(F え)", "たら)"])
    assert [(text.strip(), follows) for text, follows in over] == [("それ", False), ("だ え", False), ("たら", False)]
    over = resolved(["(A シー", "<雑音>", "(F え)ディー;ＣＤ)です", "はい"])
    assert [(text.strip(), follows) for text, follows in over] == [
        *[("ＣＤ", False), ("", True), ("です", True), ("はい", False)]
    ]


def test_a_written_form_that_covers_a_pause_is_one_utterance(tmp_path):
    talk(tmp_path, "A01F0055", [unit(1, 0.5, 1, "(A シー"), unit(2, 3, 4, "ディー;ＣＤ)です"), unit(3, 6, 7, "はい")])
    [train] = dict(csj.read(tmp_path, dev_utterances=0))["train"]
    assert [(turn.start_s, turn.end_s, turn.transcript) for turn in train.turns] == [
        *[(0.5, 4.0, "ｃｄです"), (6.0, 7.0, "はい")]
    ]


def test_what_is_left_out_is_listed(tmp_path):
    blanked = [unit(1, 0, 1, "(R ××)です"), unit(2, 2, 3, "(F えー"), unit(3, 4, 5, "はい"), unit(4, 20, 21, "はい")]
    talk(tmp_path, "A01F0001", blanked)
    talk(tmp_path, "A01F0034", [unit(1, 0, 1, "はい"), ["0002 1.0 L:"]])
    talk(tmp_path, "A01F0063", [unit(1, 0, 1, "はい")], encoding="euc-jp")
    talk(tmp_path, "A01M0056", [])
    talk(tmp_path, "A01M0141", [unit(1, 0, 1, "はい")])
    (tmp_path / "WAV" / "core" / "A01M0141.wav").unlink()
    talk(tmp_path, "S00F0001", [unit(1, 0, 1, "はい")])
    tone(tmp_path / "WAV" / "core" / "S00F0002.wav", 1)
    sets = dict(csj.read(tmp_path, dev_utterances=0))
    write_set(tmp_path / "data" / "eval2", sets["eval2"], src="ja", tgt=None)
    assert list(read_table(tmp_path / "data" / "eval2" / TEXTS)) == ["A01F0001_0004000_0005000"]
    found = {problem.utt_id: problem for problem in read_skipped(tmp_path / "data" / "eval2")}
    assert {name: problem.kind for name, problem in found.items()} == {
        "A01F0001_0000000_0001000": "text-missing",
        "A01F0001_0002000_0003000": "line-invalid",
        "A01F0001_0020000_0021000": "segment-outside",
        "A01F0034": "line-invalid",
        "A01F0063": "text-replacement",
        "A01M0056": "text-missing",
        "A01M0141_0000000_0001000": "audio-missing",
        **dict.fromkeys(csj.EVALUATION["eval2"][5:], "text-missing"),
    }
    assert "line 6 of" in found["A01F0034"].reason and "'0002 1.0 L:'" in found["A01F0034"].reason
    assert "iconv -f EUC-JP" in found["A01F0063"].fix and "A01F0063.trn" in found["A01F0063"].reason
    [problem] = sets["train"][0].problems
    assert str(problem) == "S00F0002: there is no transcript of the talk; complete the copy of the corpus"


def test_a_folder_that_is_not_the_corpus_is_one_message(tmp_path):
    with pytest.raises(ConfigError, match="no transcript .A01F0055.trn. below it.*holds TRN and WAV"):
        csj.read(tmp_path)
    lines(tmp_path / "TRN" / "Form2" / "core" / "A01F0055.trn", unit(1, 0, 1, "はい"))
    with pytest.raises(ConfigError, match="no recording"):
        csj.read(tmp_path)
    talk(tmp_path, "A01F0055", spoken(0))
    with pytest.raises(ConfigError, match="4 utterances in 1 talks A S R M, .* first 4000: .* '--dev_utterances 1'"):
        csj.read(tmp_path)
    with pytest.raises(ConfigError, match="dev takes the first -1"):
        csj.read(tmp_path, dev_utterances=-1)
    sets = dict(csj.read(tmp_path, dev_utterances=1))
    with pytest.raises(DataError, match="A01M0097: there is no transcript of the talk; complete the copy"):
        write_set(tmp_path / "data" / "eval1", sets["eval1"], src="ja", tgt=None)
