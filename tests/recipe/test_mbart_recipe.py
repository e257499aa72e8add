"""A model on units that begins as an mBART: token lists of its pieces, its weights, and a pack without its folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from espnet_jst.data.kaldi import read_table, write_table
from espnet_jst.errors import ConfigError, DataError
from espnet_jst.recipe.options import Options
from espnet_jst.recipe.recipe import check_options
from espnet_jst.recipe.stages.mbart import read_texts, trim_token_lists
from espnet_jst.recipe.stages.unit_fitting import choose_text, choose_utterances, most_positions
from espnet_jst.text.token_list import read_tokens
from espnet_jst.text.tokenizer import Tokenizer
from espnet_jst.units.alphabet import as_text, is_unit
from tests.data.corpora.translated import make_must_c
from tests.hub.mbart.small_mbart import conf_of, make_mbart
from tests.recipe.test_unit_recipes import UNITS, copied, heard, run

TINY = {
    "input_size": 16,
    "encoder_conf": {"size": 16, "layers": 2, "heads": 2, "feed_forward_size": 24, "positions": 512},
    "model_conf": {"heads": {"st": {"layers": 2, "heads": 4, "feed_forward_size": 24, "positions": 512}}},
    "batch_type": "sorted",
    "batch_size": 4,
    "max_epoch": 1,
    "accum_grad": 1,
    "keep_nbest_models": 1,
    "num_workers": 0,
}


@pytest.mark.long
@pytest.mark.parametrize(("kind", "base"), [("cc25", "train_mbart.yaml"), ("mbart50", "train_mbart50.yaml")])
def test_the_recipe_goes_from_the_corpus_to_a_pack_without_the_folder(kind: str, base: str, tmp_path: Path) -> None:
    here = copied(tmp_path, "must_c/st1_units", {"base": base, **TINY})
    corpus = make_must_c(tmp_path / "corpus", counts={"train": 16})
    text = tuple(line for file in sorted(corpus.rglob("*.??")) for line in file.read_text("utf-8").splitlines())
    make_mbart(tmp_path / "small", kind, text=text, pieces=150, max_position_embeddings=512)
    flags = [*UNITS.split(), "--tgt_lang", "de", "--mbart", str(tmp_path / "small")]
    variables = {"MUST_C": str(corpus)}
    said = run(here, variables, *flags)
    assert "stage 11: start from small: done" in said
    exp = here / "exp" / "en-de" / "st_x"
    conf = yaml.safe_load((exp / "config.yaml").read_text())
    assert "small" not in json.dumps({key: conf[key] for key in ("encoder_conf", "model_conf")})
    begun = torch.load(exp.with_name("st_x_mbart") / "init.pth", weights_only=True)
    theirs = load_file(tmp_path / "small" / "model.safetensors")
    assert torch.equal(begun["encoder.layers.1.feed_forward.2.bias"], theirs["model.encoder.layers.1.fc2.bias"])
    trained = torch.load(exp / "valid.loss.ave.pth", weights_only=True)
    assert begun.keys() == trained.keys()
    assert all(torch.allclose(trained[name], begun[name], rtol=0, atol=0.05) for name in begun)
    [scores] = exp.glob("decode*/tst-COMMON/scores.json")
    assert json.loads(scores.read_text())["lanes"].keys() == {"translation"}
    assert " ...\n" not in run(here, variables, *flags)
    shutil.rmtree(tmp_path / "small")
    [pack] = exp.glob("*.zip")
    assert heard(pack, here, here / "dump" / "en-de" / "raw" / "tst-COMMON" / "wav.scp") == {"translation"}


ENGLISH = ["the small house", "one two three", "the hill by the river", "the small house stands"]
GERMAN = ["das kleine Haus", "eins zwei drei", "der Berg am Fluss", "das kleine Haus steht"]


@pytest.fixture
def written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Options:
    """A training set as units and two texts, further texts, and a small mBART."""
    monkeypatch.chdir(tmp_path)
    make_mbart(Path("small"))
    Path("train.yaml").write_text(json.dumps(conf_of("cc25")))
    options = Options.of(
        mbart="small", kmeans_feature="log_mel", nclusters=12, unit_nbpe=20, token_joint=False, text_share=0.5,
        text_set="more", st_config="train.yaml", corpus_dir="mine", valid_set="train", upsample="2",
    )  # fmt: skip
    for folder, first in ((Path("dump/raw/train"), 0), (Path("data/more"), 2)):
        for name, lines in (("text.lc.en", ENGLISH), ("text.lc.de", GERMAN)):
            write_table(folder / name, {f"u{n}": line for n, line in enumerate(lines[first : first + 2])})
    write_table(Path("dump/raw/train") / options.text.units_text, {"u0": spoken(40), "u1": spoken(40)})
    return options


def spoken(count: int) -> str:
    """So many units."""
    return as_text([(5 * i * i + i // 7) % 11 for i in range(count)], 12)


def made_lists(options: Options) -> None:
    text = options.text
    units = options.data.raw / "train" / text.units_text
    trim_token_lists(
        options.tokens, read_texts(options.data, text), units, text, joint=text.joint, unit_nbpe=text.unit_nbpe
    )


def test_token_lists_have_the_pieces_of_all_texts_that_are_trained_on(written: Options) -> None:
    made_lists(written)
    whole = Tokenizer.load(written.tokens["tgt"])
    assert whole.decode(whole.encode(GERMAN[3].split())) == GERMAN[3].split()  # of the further texts
    source = read_tokens(written.tokens["src"] / "tokens.txt")
    assert any(is_unit(token.lstrip("▁")) for token in source) and not {"<s>", "</s>"} & set(source)
    both = Tokenizer.load(written.tokens["src"])
    units = read_table(Path("dump/raw/train") / written.text.units_text)["u0"]
    own = Tokenizer.load(written.tokens["src"] / "units")
    pieces = [[tokenizer.tokens[i] for i in tokenizer.encode([units])] for tokenizer in (both, own)]
    assert "".join(pieces[0]) == "".join(pieces[1]) == f"▁{units}" and both.decode(both.encode([units])) == [units]
    assert "small" in str(written.tokens["tgt"]) and written.exp.name.endswith("en_de_small_rm_log_mel_km12_20_small")


def test_what_has_more_frames_than_positions_is_left_out_and_listed(written: Options) -> None:
    made_lists(written)
    sets, text = [written.data.raw / "train"], written.text
    assert most_positions(text) == 62
    write_table(sets[0] / text.units_text, {"u0": spoken(40), "u1": spoken(40)[::-1] * 9})
    said = choose_utterances(sets, text, written.tokens, most=62)
    assert "train: 1" in said
    [problem] = map(json.loads, next(sets[0].glob("skipped.*.jsonl")).read_text().splitlines())
    assert problem["utt_id"] == "u1" and problem["kind"] == "over-positions" and "62" in problem["reason"]
    ratio = next(sets[0].glob("ratio.*"))
    choose_text(Path("data/more"), Path("dump/raw/more"), text, written.tokens, ratio, upsample="2", most=62)
    assert next(Path("dump/raw/more").glob("utt2num_words*")).is_file()


def test_what_has_no_place_behind_the_encoders_subsampling_is_left_out_and_listed(written: Options) -> None:
    made_lists(written)
    sets, text = [written.data.raw / "train"], written.text
    units = read_table(sets[0] / text.units_text)
    write_table(sets[0] / text.units_text, {"u0": spoken(400), "u1": units["u1"]})
    assert "train: 2" in choose_utterances(sets, text, written.tokens)
    assert "train: 1" in choose_utterances(sets, text, written.tokens, frame_tokens=4)
    [problem] = map(json.loads, next(sets[0].glob("skipped.*.jsonl")).read_text().splitlines())
    assert problem["utt_id"] == "u1" and problem["kind"] == "text-over-frames"
    assert "before the encoder's subsampling" in problem["reason"]
    ratio = next(sets[0].glob("ratio.*"))
    with pytest.raises(DataError, match="every utterance was left out"):
        out = Path("dump/raw/more")
        choose_text(Path("data/more"), out, text, written.tokens, ratio, upsample="1", frame_tokens=8)
    # A transcript that no head writes may have more tokens than frames.
    for name, line in zip(text.files.names, ("one two three " * 6, "eins"), strict=True):
        write_table(Path("data/more") / name, {"m": line.strip()})
    keys = {"upsample": "1", "frame_tokens": 2}
    assert choose_text(Path("data/more"), out, text, written.tokens, ratio, **keys).startswith("1 utterances")
    with pytest.raises(DataError, match="every utterance was left out"):
        choose_text(Path("data/more"), out, text, written.tokens, ratio, **keys, trains_transcript=True)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kmeans_feature": "", "text_share": 0.0, "text_set": ""}, "--mbart goes with units.*give --kmeans_feature"),
        ({"unit_nbpe": 0}, "--unit_nbpe 0: beside the pieces of --mbart"),
        ({"src_token_type": "char"}, "--mbart has pieces of its own: give --token_type bpe"),
        ({"mbart": "nowhere"}, "--mbart nowhere: the folder has no config.json"),
        ({"tgt_lang": "pl"}, "small has no language 'pl'"),
        ({"finetune": "model"}, "--finetune model has weights of its own: leave out --mbart"),
        ({"st_config": "other.yaml"}, "other.yaml has not the sizes of small, which asks for encoder_conf.layers 2"),
        ({"st_config": "runs.yaml"}, "--mbart: runs.yaml names runs"),
    ],
)
def test_what_cannot_begin_as_an_mbart_is_said_before_the_first_stage(
    written: Options, changes: dict, message: str
) -> None:
    other = conf_of("cc25")
    other["encoder_conf"]["layers"] = 5
    Path("other.yaml").write_text(json.dumps(other))
    Path("runs.yaml").write_text(json.dumps({**conf_of("cc25"), "runs": {"first": {}, "train": {}}}))
    Path("mine").mkdir()
    check_options(written)
    with pytest.raises(ConfigError, match=message):
        check_options(written.changed(**changes))
