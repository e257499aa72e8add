"""Four corpora in one model: joined by their own recipes' preparations, from miniatures to a pack."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest

from espnet_jst.data.kaldi import read_table
from espnet_jst.errors import ConfigError
from tests.data.corpora.europarl import DIGITS
from tests.data.corpora.translated import KICHWA, SPANISH, make_killkan, make_packed
from tests.recipe.test_unit_recipes import ROOT, TINY_SPEECH, copied, heard, run


def corpora(folder: Path) -> dict[str, str]:
    spanish = make_packed(folder / "es", {"spa": SPANISH, "eng": DIGITS["en"]}, {"train": 16, "dev": 6, "test": 4})
    # The first hundred of the training set are its validation set.
    mboshi = make_packed(folder / "mb", {"mdw_clean": KICHWA, "fra_clean": DIGITS["fr"]}, {"train": 116, "dev": 4})
    kichwa = make_killkan(folder / "qvi", counts={1: 16})
    return {"TATOEBA_ES_EN": str(spanish), "MBOSHI_FRENCH": str(mboshi), "KILLKAN": str(kichwa)}


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What the script makes of the miniatures."""
    script = ROOT / "egs2" / "four_languages" / "jst1" / "local" / "data.py"
    spec = importlib.util.spec_from_file_location("four_data", script)
    assert spec is not None and spec.loader is not None
    data = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(__import__("sys").modules, "four_data", data)  # dataclasses look their module up
    spec.loader.exec_module(data)
    for name, value in corpora(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.chdir(tmp_path)
    data.main(["--data_dir", "data", "--strings", "8", "--langs", "es,qvi,mb,en"])
    with pytest.raises(ConfigError, match="'fr' is not one of es, qvi, mb, en|language"):
        data.main(["--langs", "es,fr"])
    monkeypatch.delenv("KILLKAN")
    with pytest.raises(ConfigError, match="^killkan_qvi_es: .*is not given"):
        data.main(["--data_dir", "other", "--langs", "qvi"])
    return tmp_path / "data"


def test_the_sets_of_four_recipes_are_one_with_a_language_for_each_utterance(prepared: Path) -> None:
    spoken_in, written_in = (read_table(prepared / "train" / name) for name in ("utt2lang", "utt2tgt_lang"))
    assert {(spoken_in[key], written_in[key]) for key in spoken_in} == {
        *(("es", "en"), ("qvi", "es"), ("mb", "fr"), ("en", "de"))
    }
    texts = [read_table(prepared / "train" / f"text.lc.rm.{side}") for side in ("mul", "mul-x-tgt")]
    assert texts[0].keys() == texts[1].keys() == spoken_in.keys() == read_table(prepared / "train" / "wav.scp").keys()
    assert all(key.startswith(f"{code}-") for key, code in spoken_in.items())
    assert {path.name for path in prepared.glob("test_*")} == {"test_es", "test_qvi", "test_mb", "test_en"}
    assert set(read_table(prepared / "test_mb" / "utt2lang").values()) == {"mb"}


@pytest.mark.long
def test_four_languages_go_from_their_corpora_to_a_pack(tmp_path: Path) -> None:
    here = copied(tmp_path, "four_languages/jst1", TINY_SPEECH | {"frontend_conf": {"fs": 16000, "n_mels": 20}})
    for name in ("tatoeba_es_en", "killkan_qvi_es", "fsdd_digits"):
        (tmp_path / "egs2" / name).symlink_to(ROOT / "egs2" / name)
    flags = ["--local_data_opts", "--strings 12", "--nbpe", "150", "--use_streaming", "true"]
    run(here, corpora(tmp_path), *flags)
    exp = here / "exp" / "es+qvi+mb+en" / "st_x"
    scored = {path.parent.name: json.loads(path.read_text()) for path in exp.glob("decode*/*/scores.json")}
    assert scored.keys() == {"test_es", "test_qvi", "test_mb", "test_en"}
    [tokens] = (here / "data" / "es+qvi+mb+en").glob("*_token_list/tgt_*/tokens.txt")
    assert {"<asr:mb>", "<asr:en>", "<st:en>", "<st:fr>"} <= set(tokens.read_text(encoding="utf-8").split("\n"))
    [pack] = exp.glob("*.zip")
    wav = here / "dump" / "es+qvi+mb+en" / "raw" / "test_en" / "wav.scp"
    assert heard(pack, here, wav) == {"transcript", "translation"}
