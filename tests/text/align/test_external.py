"""Aligners of others. The real ones run where they are installed. Beside them small scripts, written here, speak the
documented format of each, so that our reading of it, and what we say when it is broken, is tested everywhere."""

from __future__ import annotations

import importlib.util
import shutil
import string
import sys
from pathlib import Path

import pytest

from espnet_jst.errors import ConfigError, DataError
from espnet_jst.recipe import options
from espnet_jst.text import align_corpus
from espnet_jst.text.align import external
from espnet_jst.text.align.scores import aer
from espnet_jst.text.align.symmetrize import SYMMETRIZATIONS
from espnet_jst.text.align.synthetic import synthetic_corpus

# What the scripts do first: read the pairs, give target word j (forward) or source word i (reverse) the word at the
# same place, and spoil the lines as FAKE says.
COMMON = """#!{python}
import os, sys
def option(name):
    return sys.argv[sys.argv.index(name) + 1]
def links(pairs, reverse=False):
    mode, lines = os.environ.get("FAKE", ""), []
    for source, target in pairs:
        n, m = len(source.split()), len(target.split())
        if not (n and m):
            sys.exit("Error in line 1")
        ends = [(i, min(i, m - 1)) for i in range(n)] if reverse else [(min(j, n - 1), j) for j in range(m)]
        lines.append(" ".join("%d-%d" % end for end in ends))
    if mode == "range":
        lines[1] = "0-0 7-0"
    if mode == "malformed":
        lines[1] = "0-0 0:1"
    if mode == "fail":
        sys.exit("reading the input\\nno memory")
    return {{"fewer": lines[:-1], "more": lines + lines}}.get(mode, lines)
def joint(path):
    return [line.rstrip("\\n").split(" ||| ") for line in open(path, encoding="utf-8")]
def write(path, lines):
    if os.environ.get("FAKE") != "silent":
        open(path, "w").write("".join(line + "\\n" for line in lines))
"""
PROGRAMS = {
    "eflomal-align": """
pairs = list(zip(open(option("-s"), encoding="utf-8"), open(option("-t"), encoding="utf-8"), strict=True))
write(option("-f"), links(pairs))
write(option("-r"), links(pairs, reverse=True))
""",
    "fast_align": """
assert {"-d", "-o", "-v"} <= set(sys.argv)
print("\\n".join(links(joint(option("-i")), reverse="-r" in sys.argv)))
""",
    "awesome-align": """
assert option("--num_workers") == "0" and os.path.isdir(option("--model_name_or_path")) and "--no_cuda" in sys.argv
write(option("--output_file"), links(joint(option("--data_file"))))
""",
}
SOURCES = [["Ein", "Haus", "|||"], [], ["Zwei"], ["drei", "vier"]]
TARGETS = [["a", "house"], ["nothing"], ["two", "."], ["three", "four"]]
NAMES = ["u1", "u2", "u3", "u4"]


@pytest.fixture
def fakes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The scripts as the only programs on PATH; returns aligner -> model."""
    model = tmp_path / "bert"
    model.mkdir()
    (model / "pytorch_model.bin").write_bytes(b"")
    for name, body in PROGRAMS.items():
        path = tmp_path / name
        path.write_text(COMMON.format(python=sys.executable) + body, encoding="utf-8")
        path.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return {"eflomal": "", "fast_align": "", "awesome-align": str(model)}


def run(aligner: str, model: str, symmetrization: str = "grow-diag-final-and"):
    return align_corpus(
        SOURCES, TARGETS, aligner=aligner, model=model, names=NAMES, symmetrization=symmetrization, device="cpu"
    )


def test_the_recipe_names_every_aligner():
    assert options.ALIGNERS == external.ALIGNERS


@pytest.mark.parametrize("aligner", ["eflomal", "fast_align"])
def test_both_directions_are_read_and_joined_here(aligner, fakes):
    assert run(aligner, "", "forward") == [{(0, 0), (1, 1)}, set(), {(0, 0)}, {(0, 0), (1, 1)}]
    # The full stop of the third pair is not tied to a word, whatever the aligner says.
    assert run(aligner, "", "reverse") == [{(0, 0), (1, 1), (2, 1)}, set(), {(0, 0)}, {(0, 0), (1, 1)}]
    assert run(aligner, "", "intersect")[0] == {(0, 0), (1, 1)}


def test_awesome_aligns_own_union_of_directions_is_kept(fakes):
    assert run("awesome-align", fakes["awesome-align"])[3] == {(0, 0), (1, 1)}
    with pytest.raises(ConfigError, match="joins the directions itself"):
        run("awesome-align", fakes["awesome-align"], "forward")


@pytest.mark.parametrize("aligner", ["eflomal", "fast_align", "awesome-align"])
@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("fewer", r"2 lines of links for 3 pairs \(u4 has none\)"),
        ("more", r"6 lines of links for 3 pairs \(u4 is the last\)"),
        ("range", r"u3: .* links 7-0 in a pair of 1 source and 2 target words"),
        ("malformed", r"u3: .*'0:1' is not a link"),
        ("fail", r"status 1: reading the input / no memory"),
    ],
)
def test_a_broken_answer_is_an_error_that_names_the_utterance(aligner, fault, message, fakes, monkeypatch):
    monkeypatch.setenv("FAKE", fault)
    with pytest.raises(DataError, match=message):
        run(aligner, fakes[aligner])


@pytest.mark.parametrize("aligner", ["eflomal", "awesome-align"])
def test_a_program_that_writes_nothing_is_an_error(aligner, fakes, monkeypatch):
    monkeypatch.setenv("FAKE", "silent")
    with pytest.raises(DataError, match="wrote no links"):
        run(aligner, fakes[aligner])


@pytest.mark.parametrize(
    ("aligner", "how"),
    [
        ("eflomal", "pip install eflomal"),
        ("fast_align", "github.com/clab/fast_align"),
        ("awesome-align", "pip install awesome-align"),
        ("simalign", r"pip install 'espnet_jst\[neural\]'"),
    ],
)
def test_an_aligner_that_is_not_installed_is_an_error_that_says_how_to_get_it(
    aligner, how, fakes, monkeypatch, tmp_path
):
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(sys, "executable", str(tmp_path / "bert" / "python"))
    monkeypatch.setitem(sys.modules, "simalign", None)
    with pytest.raises(ConfigError, match=how):
        run(aligner, fakes.get(aligner, ""))


def test_models_that_cannot_be_used_are_refused(fakes, tmp_path):
    with pytest.raises(ConfigError, match="has no pre-trained model"):
        run("eflomal", "bert")
    with pytest.raises(ConfigError, match="needs a model"):
        run("awesome-align", "")
    (tmp_path / "bert" / "pytorch_model.bin").unlink()
    with pytest.raises(ConfigError, match=r"no pytorch_model\.bin"):
        run("awesome-align", fakes["awesome-align"])


SIMALIGN = """
class SentenceAligner:
    def __init__(self, model, token_type, matching_methods, layer, device):
        assert (token_type, layer, device) == ("bpe", 8, "cpu")
        if model == "absent":
            raise OSError("absent is not a folder\\nof a model")
        self.letter = matching_methods
    def get_word_aligns(self, source, target):
        if "vier" in source:
            raise ValueError("no pieces")
        far = (0, len(target)) if source == ["zwei"] and self.letter == "a" else (0, 0)
        return {{"i": "itermax", "a": "inter", "r": "rev", "f": "fwd"}[self.letter]: [far]}
"""


@pytest.fixture
def fake_simalign(tmp_path, monkeypatch):
    (tmp_path / "simalign.py").write_text(SIMALIGN, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "simalign", raising=False)
    yield
    sys.modules.pop("simalign", None)


@pytest.mark.parametrize("symmetrization", list(SYMMETRIZATIONS))
def test_simaligns_method_follows_the_symmetrization(symmetrization, fake_simalign):
    found = align_corpus(SOURCES[:1], TARGETS[:1], aligner="simalign", symmetrization=symmetrization)
    assert found == [{(0, 0)}]


def test_simaligns_failures_name_the_pair_or_the_model(fake_simalign):
    with pytest.raises(DataError, match="u4: simalign cannot align this pair"):
        run("simalign", "")
    with pytest.raises(DataError, match="pair 0: simalign links 0-2"):
        align_corpus([["zwei"]], [["two", "."]], aligner="simalign", symmetrization="intersect")
    with pytest.raises(ConfigError, match=r"absent cannot be loaded \(absent is not a folder\)"):
        run("simalign", "absent")


def needs(program: str):
    return pytest.mark.skipif(shutil.which(program) is None, reason=f"{program} is not installed")


@pytest.mark.parametrize(
    "aligner",
    [pytest.param("eflomal", marks=needs("eflomal-align")), pytest.param("fast_align", marks=needs("fast_align"))],
)
def test_the_real_statistical_aligners_find_the_gold_links(aligner):
    corpus = synthetic_corpus(500, seed=1)
    sides = [pair.source for pair in corpus], [pair.target for pair in corpus]
    for symmetrization in SYMMETRIZATIONS:
        found = align_corpus(*sides, aligner=aligner, symmetrization=symmetrization)
        assert aer(found, [pair.links for pair in corpus]) < 0.2
        most = [max((sum(j == k for _, k in links) for j in range(30)), default=0) for links in found]
        assert symmetrization != "forward" or max(most) == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "aligner",
    [
        pytest.param("awesome-align", marks=needs("awesome-align")),
        pytest.param(
            "simalign",
            marks=pytest.mark.skipif(importlib.util.find_spec("simalign") is None, reason="simalign is not installed"),
        ),
    ],
)
def test_the_real_neural_aligners_find_equal_words_in_equal_sentences(aligner, tmp_path):
    model = tiny_bert(tmp_path / "bert")
    sentences = [["alpha", "beta", "gamma", "delta"], [], ["one", "two", "three"]]
    found = align_corpus(sentences, sentences, aligner=aligner, symmetrization="intersect", model=model)
    assert [len(links) > 0 for links in found] == [True, False, True]
    assert all((i, i) in found[k] for k in (0, 2) for i in range(len(sentences[k])))


def tiny_bert(folder: Path) -> str:
    """A BERT over characters with random weights, saved in both forms."""
    transformers, torch = pytest.importorskip("transformers"), pytest.importorskip("torch")
    folder.mkdir()
    letters = string.ascii_lowercase + string.digits + string.punctuation
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters, *(f"##{letter}" for letter in letters)]
    (folder / "vocab.txt").write_text("\n".join(vocabulary) + "\n")
    config = transformers.BertConfig(
        vocab_size=len(vocabulary), hidden_size=64, num_hidden_layers=9, num_attention_heads=4, intermediate_size=128
    )
    torch.manual_seed(0)
    model = transformers.BertForMaskedLM(config)
    model.save_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    transformers.BertTokenizerFast(str(folder / "vocab.txt"), do_lower_case=True).save_pretrained(folder)
    return str(folder)
