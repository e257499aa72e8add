"""Whether the data sets together bring what a model needs."""

from pathlib import Path

import pytest

from espnet_jst.errors import ConfigError
from espnet_jst.heads.spec import parse_heads
from espnet_jst.inputs.spec import parse_inputs
from espnet_jst.tasks.data_sets import TRAIN, check_files, check_sets
from espnet_jst.tasks.preprocessor import JSTPreprocessor
from espnet_jst.text.tokenizer import Tokenizer

TOKENS = ["<blank>", "<unk>", "<asr>", "<st>", "a", "<sos/eos>"]
JOINT = {"kind": "transducer", "lanes": ["transcript", "translation"]}
ASR = {"kind": "ctc", "lanes": ["transcript"]}
ST = {"kind": "ctc", "lanes": ["translation"], "reads": "hier_encoder"}
MT = {"words": {"kind": "tokens", "into": "hier_encoder", "text": "src_text"}}
SPOKEN = ["speech", "text", "src_text"]


def check(heads, *, inputs=None, valid=None, train=None, **groups):
    tokenizers = {"tgt": Tokenizer(TOKENS, token_type="word")}
    prepare = JSTPreprocessor(True, specs=parse_heads(heads), tokenizers=tokenizers, inputs=parse_inputs(inputs))
    train = SPOKEN if train is None else train
    check_sets(prepare, {TRAIN: train, **groups}, train if valid is None else valid)


def test_data_sets_together_train_every_head_and_bring_every_input():
    check({"asr": ASR, "st": ST})
    check({"asr": ASR}, train=["speech", "src_text"])
    check({"h": {**JOINT, "policy": "inter"}})
    check({"asr": ASR, "st": ST}, inputs=MT, train=["speech", "src_text"], mt=["src_text", "text"])
    check({"st": ST}, inputs=MT, train=["src_text", "text"])


@pytest.mark.parametrize(
    ("heads", "sets", "message"),
    [
        ({"h": JOINT}, {}, f"head 'h' needs the data 'alignment': word links, which stage 5.*{TRAIN} FILE,.*--valid"),
        ({"h": JOINT, "asr": ASR}, {}, "head 'h' needs the data 'alignment'"),
        ({"h": {**JOINT, "policy": "time"}}, {"train": [*SPOKEN, "alignment"]}, "'word_times'.*jst_align --times"),
        ({"asr": ASR}, {"train": ["speech", "text"]}, "'src_text'"),
        ({"asr": ASR}, {"valid": ["speech", "text"]}, "head 'asr' needs.*as --valid_data_path_and_name_and_type FILE,"),
        ({"st": ST}, {"inputs": MT, "train": ["speech", "src_text"], "mt": ["src_text"]}, "head 'st' needs.*'text'"),
        ({"asr": ASR}, {"inputs": MT, "train": ["src_text"]}, "'asr' reads encoder, which the input of no data set"),
        ({"st": ST}, {"inputs": MT}, r"inputs\.words: no data set brings it: give one that has 'src_text' and no"),
        ({"st": ST}, {"mt": ["src_text", "text"]}, "mt: the data have no input: give speech, or the text"),
        ({"st": ST}, {"inputs": {**MT, "b": {**MT["words"], "text": "text"}}, "mt": ["src_text", "text"]}, "2 inputs"),
        ({"st": ST}, {"train": [*SPOKEN, "aligment"]}, "'aligment' names no data.*did you mean 'alignment'"),
    ],
)
def test_what_would_never_be_trained_is_one_message(heads, sets, message):
    with pytest.raises(ConfigError, match=message):
        check(heads, **sets)


def test_a_missing_file_or_an_unknown_type_is_named_with_its_data_set(tmp_path: Path):
    path = str(tmp_path / "text")
    rows = [(path, "text", "text"), (path, "speech", "sound")]
    check_files("mt", rows, [path], made=False)
    with pytest.raises(ConfigError, match=f"mt: text: there is no file {path}$"):
        check_files("mt", rows, [path])
    Path(path).write_text("a b\n")
    check_files("mt", rows, [path])
    with pytest.raises(ConfigError, match=r"mt: there is no file lengths with the lengths"):
        check_files("mt", rows, ["lengths"])
    with pytest.raises(ConfigError, match="mt: text has the type 'txt': give sound for speech, text"):
        check_files("mt", [(path, "text", "txt")], [path], made=False)
